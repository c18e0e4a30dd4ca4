//! Keyfills, pre-shared keys, link keys, claims (spec §30.6 to §30.10).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{START, authority, device, enrol, mission, verified};
use picket_roster::{DeviceSecrets, Keyfill, KeyfillError, Kind, PskError, Roster, link_key, sign_claim, verify_claim};
use picket_wire::Index;
use zeroize::Zeroizing;

fn keyfill(roster: &Roster<&[u8]>, own: u16, secrets: Option<&DeviceSecrets>) -> Zeroizing<Vec<u8>> {
    authority().keyfill(roster, Index(own), 0, secrets).unwrap()
}

#[test]
fn a_keyfill_holds_what_its_owner_needs() {
    let (_, bytes, devices) = mission();
    let roster = verified(&bytes);
    let file = keyfill(&roster, 2, None);
    let bravo = Keyfill::open(&file).unwrap();
    assert_eq!(bravo.own(), Index(2));
    assert_eq!(bravo.owner().unwrap().name, "bravo");
    assert_eq!(bravo.mission(), roster.mission());
    assert_eq!(bravo.roster().hash(), roster.hash());
    assert_eq!(bravo.network_key(), &*authority().network_key(0));
    assert_eq!(bravo.psks().map(|(i, _)| i).collect::<Vec<_>>(), [Index(1)]);
    assert!(bravo.secrets().unwrap().is_none());
    assert_eq!(bravo.check_device(&devices[1]), Ok(()));
    assert_eq!(bravo.check_device(&devices[0]), Err(KeyfillError::OtherDevice));
}

#[test]
fn a_gateway_gets_nothing_that_opens_an_envelope() {
    let (_, bytes, devices) = mission();
    let roster = verified(&bytes);
    let file = keyfill(&roster, 3, Some(&devices[2]));
    let gateway = Keyfill::open(&file).unwrap();
    assert!(gateway.pairing().is_none());
    assert_eq!(gateway.psks().count(), 0);
    assert_eq!(gateway.secrets().unwrap().unwrap().epochs(), 0);
    for member in roster.stations().filter(|s| s.kind == Kind::Member) {
        assert_eq!(gateway.psk(&member).map(|_| ()), Err(PskError::Missing));
        // None of the members' keys are in the file either.
        let root = authority().pairing(member.index, 0).to_bytes();
        assert!(!file.windows(32).any(|w| w == root.as_slice()));
    }
}

#[test]
fn a_gateways_keyfill_with_end_to_end_material_is_refused() {
    let (_, bytes, _) = mission();
    let roster = verified(&bytes);
    // Bravo's keyfill, its owner changed to the gateway: sections are right, their combination is not.
    let mut file = keyfill(&roster, 2, None).to_vec();
    let owner_index = 10 + 2 + 8 + 33 + 1;
    assert_eq!(file[owner_index], 2);
    file[owner_index] = 3;
    fix_checksum(&mut file);
    assert_eq!(Keyfill::open(&file).map(|_| ()), Err(KeyfillError::Material));
}

#[test]
fn quickstart_keyfills_carry_the_devices_own_secrets() {
    let (_, bytes, devices) = mission();
    let roster = verified(&bytes);
    let file = keyfill(&roster, 1, Some(&devices[0]));
    let alpha = Keyfill::open(&file).unwrap();
    let secrets = alpha.secrets().unwrap().unwrap();
    assert_eq!(secrets.identity().public(), devices[0].identity().public());
    assert_eq!(secrets.seeds(2), devices[0].seeds(2));
    // Another device's secrets do not get in.
    assert!(authority().keyfill(&roster, Index(1), 0, Some(&devices[1])).is_err());
}

#[test]
fn damage_and_truncation_are_noticed() {
    let (_, bytes, _) = mission();
    let file = keyfill(&verified(&bytes), 2, None);
    for at in 10..file.len() {
        let mut damaged = file.to_vec();
        damaged[at] ^= 0x10;
        assert_eq!(Keyfill::open(&damaged).map(|_| ()), Err(KeyfillError::Checksum), "{at}");
    }
    for len in 0..file.len() {
        assert!(Keyfill::open(&file[..len]).is_err());
    }
}

#[test]
fn a_forged_roster_inside_is_refused() {
    let (_, bytes, _) = mission();
    let mut file = keyfill(&verified(&bytes), 2, None).to_vec();
    let at = file.windows(8).position(|w| w == b"PKROSTER").unwrap() + 40;
    file[at] ^= 1;
    fix_checksum(&mut file);
    assert!(matches!(Keyfill::open(&file).map(|_| ()), Err(KeyfillError::Roster(_))));
}

#[test]
fn both_ends_of_every_pair_hold_the_same_key_in_every_epoch() {
    let (mut draft, _, _) = mission();
    enrol(&mut draft, 0x0D, "charlie", Kind::Member, 2);
    let bytes = draft.sign(&authority(), START).unwrap();
    let roster = verified(&bytes);
    let members: Vec<_> = roster.stations().filter(|s| s.kind == Kind::Member).collect();
    let mut all = std::collections::BTreeSet::new();
    for x in &members {
        for y in &members {
            if x.index >= y.index {
                continue;
            }
            let (fx, fy) = (keyfill(&roster, x.index.0, None), keyfill(&roster, y.index.0, None));
            let (kx, ky) = (Keyfill::open(&fx).unwrap(), Keyfill::open(&fy).unwrap());
            let (px, py) = (kx.psk(y).unwrap(), ky.psk(x).unwrap());
            let begin = x.first_epoch.max(y.first_epoch);
            for epoch in begin..begin + 4 {
                assert_eq!(px.at(epoch).unwrap(), py.at(epoch).unwrap());
                assert!(all.insert(px.at(epoch).unwrap().to_vec()), "a key twice");
            }
            assert_eq!(
                px.at(begin.wrapping_sub(1)).map(|_| ()),
                if begin == 0 { Err(PskError::Far) } else { Err(PskError::Erased) }
            );
        }
    }
    assert_eq!(all.len(), 12);
}

#[test]
fn an_older_member_that_moved_on_still_finds_a_late_joiners_key_or_says_that_it_cannot() {
    let (mut draft, first, _) = mission();
    let file = keyfill(&verified(&first), 1, None);
    let alpha = Keyfill::open(&file).unwrap();
    enrol(&mut draft, 0x0D, "charlie", Kind::Member, 5);
    let bytes = draft.sign(&authority(), START).unwrap();
    let roster = verified(&bytes);
    let charlie = roster.by_name("charlie").unwrap();
    let file = keyfill(&roster, charlie.index.0, None);
    let theirs = Keyfill::open(&file).unwrap().psk(&roster.by_name("alpha").unwrap()).unwrap();
    let mut pairing = alpha.pairing().unwrap().clone();
    pairing.advance_to(5).unwrap();
    let ours = pairing.psk(Index(1), charlie.index, charlie.first_epoch).unwrap();
    assert_eq!(ours.at(7).unwrap(), theirs.at(7).unwrap());
    pairing.advance_to(6).unwrap();
    assert_eq!(pairing.psk(Index(1), charlie.index, charlie.first_epoch).map(|_| ()), Err(PskError::Erased));
}

#[test]
fn a_ratcheted_key_cannot_go_back() {
    let mut psk = picket_roster::Psk::new(3, [7; 32]);
    let later = psk.at(9).unwrap();
    psk.advance_to(9).unwrap();
    assert_eq!((psk.epoch(), psk.at(9).unwrap()), (9, later.clone()));
    assert_eq!(psk.at(8).map(|_| ()), Err(PskError::Erased));
    psk.advance_to(4).unwrap();
    assert_eq!((psk.epoch(), psk.at(9).unwrap()), (9, later), "going back is a no-op");
    assert_eq!(psk.advance_to(9 + 5000), Err(PskError::Far));
    assert_eq!(psk.epoch(), 9);
}

#[test]
fn a_link_key_is_the_pairs_and_the_generations() {
    let (_, bytes, devices) = mission();
    let roster = verified(&bytes);
    let public = |i: usize| devices[i].agreement().public().unwrap();
    let key = |own: usize, peer: usize, generation| {
        link_key(devices[own].agreement(), &public(peer), roster.mission(), generation).unwrap().0
    };
    assert_eq!(key(0, 2, 0), key(2, 0, 0));
    assert_ne!(key(0, 2, 0), key(0, 2, 1));
    assert_ne!(key(0, 2, 0), key(1, 2, 0));
    let mut off_curve = public(0);
    off_curve.0[32] ^= 1;
    if off_curve.check().is_err() {
        assert!(link_key(devices[1].agreement(), &off_curve, roster.mission(), 0).is_err());
    }
}

#[test]
fn a_claim_is_the_members_word_and_nothing_else() {
    let (_, bytes, devices) = mission();
    let roster = verified(&bytes);
    let claim = sign_claim(devices[0].identity(), roster.mission(), Index(1), Index(3), 7).unwrap();
    let key = roster.station(Index(1)).unwrap().identity;
    let ok = |claim: &picket_wire::control::Claim| verify_claim(claim, roster.mission(), &key).is_ok();
    assert!(ok(&claim));
    assert!(!ok(&picket_wire::control::Claim { sequence: 8, ..claim }));
    assert!(!ok(&picket_wire::control::Claim { gateway: Index(4), ..claim }));
    assert!(!ok(&picket_wire::control::Claim { member: Index(2), ..claim }));
    assert!(verify_claim(&claim, picket_wire::MissionId([0; 8]), &key).is_err(), "another mission");
    assert!(verify_claim(&claim, roster.mission(), &roster.station(Index(2)).unwrap().identity).is_err());
}

#[test]
fn a_listens_is_the_members_word_and_nothing_else() {
    use picket_roster::{sign_listens, verify_listens};
    use picket_wire::control::{Listens, Rooms};
    let (_, bytes, devices) = mission();
    let roster = verified(&bytes);
    let rooms = |list: &[u16]| Rooms::new(&list.iter().copied().map(Index).collect::<Vec<_>>()).unwrap();
    let sign = |list: &[u16]| sign_listens(devices[0].identity(), roster.mission(), Index(1), 7, rooms(list)).unwrap();
    let listens = sign(&[0xC001, 0xC002]);
    let key = roster.station(Index(1)).unwrap().identity;
    let ok = |listens: &Listens| verify_listens(listens, roster.mission(), &key).is_ok();
    assert!(ok(&listens) && ok(&sign(&[])));
    assert!(!ok(&Listens { sequence: 8, ..listens }));
    assert!(!ok(&Listens { member: Index(2), ..listens }));
    for other in [&[][..], &[0xC001], &[0xC001, 0xC003], &[0xC001, 0xC002, 0xC003]] {
        assert!(!ok(&Listens { rooms: rooms(other), ..listens }));
    }
    assert!(verify_listens(&listens, picket_wire::MissionId([0; 8]), &key).is_err(), "another mission");
    assert!(verify_listens(&listens, roster.mission(), &roster.station(Index(2)).unwrap().identity).is_err());
    // Neither is the other, whatever their bytes are.
    let claim = sign_claim(devices[0].identity(), roster.mission(), Index(1), Index(0), 7).unwrap();
    assert!(!ok(&Listens { rooms: rooms(&[]), signature: claim.signature, ..listens }));
}

#[test]
fn seeds_are_erased_one_by_one() {
    let mut secrets = device(0x31, 3);
    secrets.set_first_epoch(10);
    assert!(secrets.seeds(9).is_none() && secrets.seeds(13).is_none());
    let before = secrets.seeds(11).unwrap().clone();
    secrets.seeds_mut(11).unwrap().erase_er();
    let seeds = secrets.seeds(11).unwrap();
    assert!(seeds.e().is_none() && seeds.r().is_none());
    assert_eq!(seeds.p(), before.p());
    let mut out = vec![0; picket_roster::limits::SECRETS_MAX];
    let stored = secrets.encode(&mut out).unwrap();
    for gone in [before.e().unwrap(), before.r().unwrap()] {
        assert!(!stored.windows(32).any(|w| w == gone));
    }
    let again = DeviceSecrets::decode(stored).unwrap();
    assert_eq!(again.seeds(11), secrets.seeds(11));
    assert_eq!(again.first_epoch(), 10);
    secrets.seeds_mut(11).unwrap().erase_p();
    assert_eq!(secrets.seeds(11), Some(&picket_roster::EpochSeeds::ERASED));
    assert!(format!("{secrets:?} {before:?}").len() < 100);
}

fn fix_checksum(file: &mut [u8]) {
    use sha2::{Digest, Sha256};
    let at = file.len() - 8;
    let digest = Sha256::digest(&file[..at]);
    file[at..].copy_from_slice(&digest[..8]);
}
