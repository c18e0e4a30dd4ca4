//! Revocation: who recovers the seed and who does not, whatever the tree and whoever is revoked (spec §35).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{START, authority, device, mission, request};
use picket_roster::device::DeviceRequest;
use picket_roster::{
    AuthorityKey, DraftError, Keyfill, Kind, OpenError, PathKeys, Revoke, RevokeDraft, RevokeError, RevokerSecret,
    Roster, RosterDraft, UpgradeError, tree, upgrade,
};
use picket_wire::Index;
use proptest::prelude::*;

/// A mission of `n` gateways (no epoch keys: quick to make), its roster not signed yet.
fn crowd(n: u16) -> RosterDraft {
    let mut draft = RosterDraft::new("crowd", START).unwrap();
    for i in 0..n {
        let mut seed = [0x55; 32];
        seed[..2].copy_from_slice(&i.to_be_bytes());
        let secrets = picket_roster::DeviceSecrets::generate(&seed, 0).unwrap();
        let bytes = request(&secrets, &format!("s{i}"), Kind::Gateway);
        draft.enrol(&DeviceRequest::verify(&bytes).unwrap(), 0).unwrap();
    }
    draft
}

fn roster(bytes: &[u8]) -> Roster<Vec<u8>> {
    Roster::verify(bytes.to_vec(), &authority().public().unwrap()).unwrap()
}

/// Revokes, signs the next roster and the REVOKE.
fn revoke(draft: &mut RosterDraft, indices: &[u16]) -> (Roster<Vec<u8>>, Vec<u8>) {
    let indices: Vec<Index> = indices.iter().copied().map(Index).collect();
    draft.revoke(&indices).unwrap();
    let next = roster(&draft.sign(&authority(), START).unwrap());
    let mut object = RevokeDraft::new(&authority(), &next).unwrap();
    object.sign(&authority(), &next).unwrap();
    (next, object.bytes().to_vec())
}

#[test]
fn a_revocation_of_one_of_64_takes_at_most_250_bytes() {
    let before = crowd(64);
    let signed = roster(&before.clone().sign(&authority(), START).unwrap());
    let mut table = Vec::new();
    for revoked in [vec![20], vec![1, 64], vec![20, 44], vec![5, 22, 39, 56]] {
        let (_, object) = revoke(&mut before.clone(), &revoked);
        assert!(Revoke::verify(object.as_slice(), &signed).is_ok());
        println!("64 stations, {} revoked: {} bytes", revoked.len(), object.len());
        table.push((revoked.len(), object.len()));
    }
    let worst = (1..=64).map(|i| revoke(&mut before.clone(), &[i]).1.len()).max().unwrap();
    println!("64 stations, one revoked, whichever: at most {worst} bytes");
    assert_eq!(table, [(1, 246), (2, 200), (2, 344), (4, 492)]);
    assert_eq!(worst, 246);
}

#[test]
fn everybody_else_comes_to_the_next_network_key_and_the_revoked_does_not() {
    let (mut draft, bytes, _) = mission();
    let before = roster(&bytes);
    let paths = [1, 2, 3].map(|i| authority().paths(Index(i), 0));
    let (after, object) = revoke(&mut draft, &[2]);
    let object = Revoke::verify(object, &before).unwrap();
    assert_eq!((object.generation(), object.roster_version()), (1, after.version()));
    for (i, paths) in (1..).map(Index).zip(&paths) {
        match object.open(i, paths) {
            Ok(seed) => assert_eq!(*seed.network_key(1), *authority().network_key(1)),
            Err(e) => assert_eq!((i, e), (Index(2), OpenError::Revoked)),
        }
    }
    assert_ne!(*authority().network_key(1), *authority().network_key(0));
}

#[test]
fn a_missed_generation_does_not_matter() {
    let (mut draft, bytes, _) = mission();
    let mut kept = roster(&bytes);
    let old = authority().paths(Index(1), 0);
    let (_, _missed) = revoke(&mut draft, &[2]);
    let (after, object) = revoke(&mut draft, &[]);
    let object = Revoke::verify(object, &kept).unwrap();
    let seed = object.open(Index(1), &old).unwrap();
    assert_eq!(*seed.network_key(2), *authority().network_key(2));
    kept.revoke(&object).unwrap();
    assert_eq!(kept.station(Index(2)), None, "the newest one says all");
    assert_eq!(upgrade(&kept, &after), Ok(picket_roster::Upgrade::Newer));
}

#[test]
fn what_is_held_later_opens_nothing_earlier() {
    let (mut draft, bytes, _) = mission();
    let first = roster(&bytes);
    let (_, object) = revoke(&mut draft, &[2]);
    let object = Revoke::verify(object, &first).unwrap();
    let mut paths = authority().paths(Index(1), 0);
    assert!(object.open(Index(1), &paths).is_ok());
    paths.advance_to(1);
    assert_eq!(*paths.to_bytes(), *authority().paths(Index(1), 1).to_bytes());
    assert_eq!(object.open(Index(1), &paths).err(), Some(OpenError::Older));
    // Even one who does not ask: none of the keys held now opens any of the wraps.
    assert!(none_opens(&object, Index(1), &paths));
}

#[test]
fn the_revoked_are_nobody_here_but_their_names_stay_for_people() {
    let (mut draft, bytes, _) = mission();
    let mut here = roster(&bytes);
    let (after, object) = revoke(&mut draft, &[2]);
    let object = Revoke::verify(object, &here).unwrap();
    here.revoke(&object).unwrap();
    assert_eq!(here.station(Index(2)), None);
    assert_eq!(here.by_name("bravo"), None);
    assert_eq!(here.epoch_keys(Index(2), 0), None);
    assert!(here.stations().all(|s| s.index != Index(2)));
    assert_eq!(here.listed(Index(2)).map(|s| s.name), Some("bravo"));
    assert_eq!(after.listed(Index(2)), None);
    assert!(after.revoked().contains(Index(2)));
}

#[test]
fn a_roster_that_forgets_a_revocation_is_an_alarm() {
    let (mut draft, _, _) = mission();
    let mut forgetful = draft.clone();
    let (after, _) = revoke(&mut draft, &[2]);
    forgetful.sign(&authority(), START).unwrap();
    let newer = roster(&forgetful.sign(&authority(), START).unwrap());
    assert!(newer.version() > after.version());
    assert_eq!(upgrade(&after, &newer), Err(UpgradeError::Unrevoked));
}

#[test]
fn one_who_joins_later_begins_at_the_generation_in_force() {
    let (mut draft, _, _) = mission();
    let (_, object) = revoke(&mut draft, &[2]);
    let secrets = device(0x21, 3);
    let bytes = request(&secrets, "delta", Kind::Member);
    let index = draft.enrol(&DeviceRequest::verify(&bytes).unwrap(), 0).unwrap();
    let signed = roster(&draft.sign(&authority(), START).unwrap());
    let file = authority().keyfill(&signed, index, draft.generation(), None).unwrap();
    let keyfill = Keyfill::open(&file).unwrap();
    assert_eq!((keyfill.generation(), *keyfill.network_key()), (1, *authority().network_key(1)));
    let paths = keyfill.paths().unwrap();
    let object = Revoke::verify(object, &signed).unwrap();
    assert_eq!(object.open(index, paths).err(), Some(OpenError::EnrolledLater));
    let (_, next) = revoke(&mut draft, &[1]);
    let next = Revoke::verify(next, &signed).unwrap();
    assert_eq!(*next.open(index, paths).unwrap().network_key(2), *authority().network_key(2));
}

#[test]
fn of_k_revokers_every_one_must_sign_and_nobody_else() {
    let (mut draft, _, _) = mission();
    let people: Vec<RevokerSecret> = (1..=3).map(|n| RevokerSecret::generate(&[n; 32]).unwrap()).collect();
    let keys: Vec<_> = people.iter().map(|p| p.public().unwrap()).collect();
    assert_eq!(draft.set_revokers(4, keys.clone()), Err(DraftError::Revokers));
    assert_eq!(draft.set_revokers(1, vec![keys[0], keys[0]]), Err(DraftError::Revokers));
    draft.set_revokers(2, keys).unwrap();
    draft.revoke(&[Index(2)]).unwrap();
    let signed = roster(&draft.sign(&authority(), START).unwrap());
    let mut object = RevokeDraft::new(&authority(), &signed).unwrap();
    assert!(object.sign(&authority(), &signed).is_err(), "the authority alone does not revoke any more");
    let incomplete = |object: &RevokeDraft| object.finish(&signed).map(|_| ()).err();
    assert_eq!(incomplete(&object), Some(RevokeError::Incomplete { have: 0, need: 2 }));
    assert_eq!(object.cosign(&people[2], &signed), Ok((1, 2)));
    assert!(object.cosign(&people[2], &signed).is_err(), "one does not count twice");
    assert!(object.cosign(&RevokerSecret::generate(&[9; 32]).unwrap(), &signed).is_err());
    assert_eq!(incomplete(&object), Some(RevokeError::Incomplete { have: 1, need: 2 }));
    // Handed on as a file.
    let mut object = RevokeDraft::from_bytes(object.bytes().to_vec()).unwrap();
    assert_eq!(object.cosign(&people[0], &signed), Ok((2, 2)));
    assert!(object.finish(&signed).is_ok());
    let again = RevokerSecret::from_bytes(people[0].to_bytes().as_ref()).unwrap();
    assert_eq!(again.public(), people[0].public());
}

#[test]
fn no_altered_bit_of_a_revocation_is_accepted() {
    let (mut draft, bytes, _) = mission();
    let before = roster(&bytes);
    let (_, object) = revoke(&mut draft, &[2]);
    for bit in 0..object.len() * 8 {
        let mut other = object.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(Revoke::verify(other, &before).is_err(), "bit {bit}");
    }
    for cut in 0..object.len() {
        assert!(Revoke::verify(&object[..cut], &before).is_err());
    }
    let longer = [object.as_slice(), &[0]].concat();
    assert!(Revoke::verify(longer, &before).is_err());
    let mut stranger = common::mission().0;
    let other = AuthorityKey::generate(&[2; 32]).unwrap();
    stranger.revoke(&[Index(2)]).unwrap();
    let theirs = Roster::verify(stranger.sign(&other, START).unwrap(), &other.public().unwrap()).unwrap();
    let mut foreign = RevokeDraft::new(&other, &theirs).unwrap();
    foreign.sign(&other, &theirs).unwrap();
    assert_eq!(Revoke::verify(foreign.bytes(), &before).err(), Some(RevokeError::Signature));
}

/// Whether no key of these paths opens any wrap of the object.
fn none_opens(object: &Revoke<Vec<u8>>, own: Index, paths: &PathKeys) -> bool {
    let start = 10 + 2 * object.revoked().as_slice().len();
    let wraps = &object.bytes()[start..object.bytes().len() - 66];
    (0..=tree::DEPTH).all(|depth| {
        let node = tree::Node::above(own, depth).unwrap();
        let key = paths.key(own, node).unwrap();
        wraps.chunks_exact(24).all(|wrap| key.unwrap(wrap.try_into().unwrap()).is_err())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    /// Random trees, random revocations one after another: exactly the others recover each seed, from whatever generation
    /// they stand at, and no key of all the revoked together, moved on to any generation, opens anything.
    #[test]
    fn exactly_the_others_recover_the_seed(
        n in 2u16..300,
        picks in proptest::collection::vec(proptest::collection::vec(any::<proptest::sample::Index>(), 0..4), 1..4),
        away in any::<proptest::sample::Index>(),
    ) {
        let mut draft = crowd(n);
        let first = roster(&draft.clone().sign(&authority(), START).unwrap());
        let all: Vec<Index> = first.stations().map(|s| s.index).collect();
        let mut gone: Vec<Index> = Vec::new();
        for (round, picks) in picks.iter().enumerate() {
            let mut fresh: Vec<u16> = picks.iter().map(|p| p.get(&all).0).filter(|i| !gone.contains(&Index(*i))).collect();
            fresh.sort_unstable();
            fresh.dedup();
            let (_, object) = revoke(&mut draft, &fresh);
            gone.extend(fresh.iter().copied().map(Index));
            let object = Revoke::verify(object, &first).unwrap();
            let generation = round as u8 + 1;
            prop_assert_eq!(object.generation(), generation);
            let at = away.index(usize::from(generation)) as u8;
            for index in all.iter().copied().step_by(1 + all.len() / 40).chain(gone.iter().copied()) {
                let opened = object.open(index, &authority().paths(index, at));
                prop_assert_eq!(opened.is_ok(), !gone.contains(&index));
                if let Ok(seed) = opened {
                    prop_assert_eq!(seed, authority().seed(generation));
                }
            }
            for index in gone.iter().copied() {
                for moved in 0..=generation {
                    prop_assert!(none_opens(&object, index, &authority().paths(index, moved)), "{} at {}", index.0, moved);
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_refused_by_name(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _named = picket_roster::read_revoke(&bytes);
        let mut shaped = bytes;
        if let Some(first) = shaped.first_mut() {
            *first = 1;
        }
        let _named = picket_roster::read_revoke(&shaped);
    }
}
