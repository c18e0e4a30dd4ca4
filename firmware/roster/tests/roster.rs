//! Rosters as their readers meet them: genuine, altered, older, newer, foreign (spec §30.2 to §30.5).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{START, authority, device, enrol, mission, request, verified};
use picket_roster::device::{DeviceRequest, RequestError};
use picket_roster::{
    AuthorityKey, DecodeError, DraftError, HeaderError, Kind, Padding, Roster, RosterDraft, RosterError, Upgrade,
    UpgradeError, check_roster_format, upgrade,
};
use picket_wire::Index;
use picket_wire::time::Wall;

#[test]
fn a_roster_says_what_was_drafted() {
    let (_, bytes, devices) = mission();
    let roster = verified(&bytes);
    assert_eq!(roster.version(), 1);
    assert_eq!(roster.mission_name(), "exercise");
    assert_eq!(roster.issued(), Wall(START * 1000));
    assert_eq!((roster.epoch_start(), roster.epoch_seconds()), (START, 86_400));
    assert_eq!(roster.max_delay().as_secs(), 259_200);
    assert_eq!(roster.padding(), Padding::Off);
    assert_eq!(roster.mission(), authority().mission().unwrap());
    assert_eq!(roster.len(), 3);
    let names: Vec<_> = roster.stations().map(|s| (s.index.0, s.name, s.kind)).collect();
    assert_eq!(names, [(1, "alpha", Kind::Member), (2, "bravo", Kind::Member), (3, "gw1", Kind::Gateway)]);
    for (station, secrets) in roster.stations().zip(&devices) {
        assert_eq!(Ok(station.identity), secrets.identity().public());
        assert_eq!(Ok(station.agreement), secrets.agreement().public());
        assert_eq!(roster.station(station.index), Some(station));
        assert_eq!(roster.by_name(station.name), Some(station));
        for epoch in 0..5 {
            let seeds = secrets.seeds(epoch).map(|s| s.public().unwrap());
            assert_eq!(roster.epoch_keys(station.index, epoch), seeds);
        }
    }
    assert_eq!(roster.station(Index(4)), None);
    assert_eq!(roster.by_name("charlie"), None);
}

#[test]
fn epochs_follow_wall_time_and_live_until_their_end_and_d() {
    let (_, bytes, _) = mission();
    let roster = verified(&bytes);
    let at = |s: u64| roster.epoch_at(Wall(s * 1000));
    assert_eq!((at(0), at(START), at(START + 86_399), at(START + 86_400)), (0, 0, 0, 1));
    assert_eq!(roster.start_of(2), START + 172_800);
    // D = 72 h: epoch 0 ends when 1 begins, and is over when 4 begins.
    assert_eq!([3, 4, 5].map(|e| roster.oldest_live(e)), [0, 1, 2]);
}

#[test]
fn no_altered_byte_is_accepted() {
    let (_, bytes, _) = mission();
    let key = authority().public().unwrap();
    // Every byte of head and tail, and a sample of the tables (each try costs a verification).
    let head = 0..120;
    let tail = bytes.len() - 70..bytes.len();
    for at in head.chain((120..bytes.len() - 70).step_by(37)).chain(tail) {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        let refused = Roster::verify(altered.as_slice(), &key).map(|_| ()).unwrap_err();
        assert!(matches!(refused, RosterError::Signature | RosterError::Header(_)), "{at}: {refused:?}");
    }
    for len in (0..bytes.len()).step_by(41) {
        assert!(Roster::verify(&bytes[..len], &key).is_err(), "{len}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(Roster::verify(longer.as_slice(), &key).map(|_| ()), Err(RosterError::Signature));
}

#[test]
fn another_authority_is_refused() {
    let (_, bytes, _) = mission();
    let other = AuthorityKey::generate(&[2; 32]).unwrap().public().unwrap();
    assert_eq!(Roster::verify(bytes.as_slice(), &other).map(|_| ()), Err(RosterError::Signature));
}

#[test]
fn a_newer_format_is_named_before_anything_else() {
    let (_, mut bytes, _) = mission();
    bytes[9] = 2;
    let key = authority().public().unwrap();
    let refused = Roster::verify(bytes.as_slice(), &key).map(|_| ());
    assert_eq!(refused, Err(RosterError::Header(HeaderError::Newer { version: 2 })));
    bytes[9] = 0;
    let refused = Roster::verify(bytes.as_slice(), &key).map(|_| ());
    assert_eq!(refused, Err(RosterError::Header(HeaderError::Version)));
    assert_eq!(
        Roster::verify(&b"PKKEYFIL\0\x01rest"[..], &key).map(|_| ()),
        Err(RosterError::Header(HeaderError::Magic))
    );
}

/// Puts `section` behind the last one; the signature is then anything.
fn with_section(bytes: &[u8], section: &[u8]) -> Vec<u8> {
    let mut out = bytes[..bytes.len() - 64].to_vec();
    out.extend_from_slice(section);
    out.extend_from_slice(&[0; 64]);
    out
}

#[test]
fn unknown_sections_are_skipped_unless_critical() {
    let (_, bytes, _) = mission();
    let check = |section: &[u8]| check_roster_format(&with_section(&bytes, section));
    assert_eq!(check(&[]), Ok(()));
    assert_eq!(check(&[9 << 1, 2, 7, 7]), Ok(()), "type 9, not critical");
    let critical = RosterError::Format(DecodeError::UnknownCritical { kind: 9 });
    assert_eq!(check(&[9 << 1 | 1, 2, 7, 7]), Err(critical));
}

#[test]
fn decoding_is_strict() {
    let (_, bytes, _) = mission();
    let check = |section: &[u8]| {
        check_roster_format(&with_section(&bytes, section)).map_err(|e| match e {
            RosterError::Format(e) => e,
            RosterError::Header(_) | RosterError::Signature | RosterError::Authority => panic!("{e}"),
        })
    };
    assert_eq!(check(&[9 << 1, 0x82, 0x00, 7, 7]), Err(DecodeError::Varint), "length 2 in two bytes");
    assert_eq!(check(&[0x92, 0x00, 0]), Err(DecodeError::Varint), "type in two bytes");
    assert_eq!(check(&[9 << 1, 3, 7, 7]), Err(DecodeError::Truncated));
    assert_eq!(check(&[9 << 1, 0, 9 << 1, 0]), Err(DecodeError::Sections), "twice");
    assert_eq!(check(&[5 << 1, 0]), Err(DecodeError::Sections), "not ascending");
    assert_eq!(check(&[9 << 1]), Err(DecodeError::Truncated));
    assert_eq!(check(&[0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0]), Err(DecodeError::Varint), "beyond 32 bits");
}

#[test]
fn only_strictly_higher_versions_replace_a_roster() {
    let (mut draft, first, _) = mission();
    let before = draft.clone();
    enrol(&mut draft, 0x0D, "charlie", Kind::Member, 1);
    let second = draft.sign(&authority(), START + 1).unwrap();
    let (v1, v2) = (verified(&first), verified(&second));
    assert_eq!(v2.version(), 2);
    assert_eq!(upgrade(&v1, &v2), Ok(Upgrade::Newer));
    assert_eq!(upgrade(&v2, &v2), Ok(Upgrade::Same));
    assert_eq!(upgrade(&v2, &v1), Err(UpgradeError::Older { current: 2, offered: 1 }));
    // The same version a second time, with other content.
    let mut fork = before;
    enrol(&mut fork, 0x0E, "mallory", Kind::Member, 1);
    let fork = fork.sign(&authority(), START + 1).unwrap();
    assert_eq!(upgrade(&v2, &verified(&fork)), Err(UpgradeError::Conflict { version: 2 }));
    // Another mission.
    let other = AuthorityKey::generate(&[2; 32]).unwrap();
    let foreign = RosterDraft::new("other", START).unwrap().sign(&other, START).unwrap();
    let foreign = Roster::verify(foreign, &other.public().unwrap()).unwrap();
    assert_eq!(upgrade(&v1, &foreign), Err(UpgradeError::Mission));
}

#[test]
fn a_signature_in_its_other_form_is_not_another_roster() {
    let (_, bytes, _) = mission();
    let mut twin = bytes.clone();
    let at = twin.len() - 32;
    // (r, n − s) verifies as well; hash and content are the same.
    let order = hex::decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").unwrap();
    let mut borrow = 0i16;
    for i in (0..32).rev() {
        let d = i16::from(order[i]) - i16::from(twin[at + i]) - borrow;
        borrow = i16::from(d < 0);
        twin[at + i] = (d & 0xFF) as u8;
    }
    assert_ne!(bytes, twin);
    assert_eq!(upgrade(&verified(&bytes), &verified(&twin)), Ok(Upgrade::Same));
}

#[test]
fn indices_are_never_reused() {
    let (mut draft, first, _) = mission();
    draft.remove(Index(3)).unwrap();
    let without = draft.sign(&authority(), START).unwrap();
    assert_eq!(upgrade(&verified(&first), &verified(&without)), Ok(Upgrade::Newer));
    let (index, _) = enrol(&mut draft, 0x0F, "gw2", Kind::Gateway, 0);
    assert_eq!(index, Index(4), "3 stays used");
    // A roster of the right authority that gives index 2 to another device.
    let mut again = RosterDraft::new("exercise", START).unwrap();
    enrol(&mut again, 0x0A, "alpha", Kind::Member, 0);
    enrol(&mut again, 0x1B, "bravo", Kind::Member, 0);
    enrol(&mut again, 0x0C, "gw1", Kind::Gateway, 0);
    again.sign(&authority(), START).unwrap();
    let reused = again.sign(&authority(), START).unwrap();
    assert_eq!(upgrade(&verified(&first), &verified(&reused)), Err(UpgradeError::Reused { index: Index(2) }));
}

#[test]
fn the_broadcast_address_is_nobodys_index() {
    let mut draft = RosterDraft::new("exercise", START).unwrap();
    let mut given = Vec::new();
    for n in 0..300u16 {
        let mut seed = [0; 32];
        seed[..2].copy_from_slice(&n.to_be_bytes());
        let secrets = picket_roster::DeviceSecrets::generate(&seed, 0).unwrap();
        let bytes = request(&secrets, &format!("gw{n}"), Kind::Gateway);
        given.push(draft.enrol(&DeviceRequest::verify(&bytes).unwrap(), 0).unwrap().0);
    }
    assert_eq!(given[0], 1);
    assert_eq!(given[253..256], [254, 256, 257]);
    let bytes = draft.sign(&authority(), START).unwrap();
    assert_eq!(verified(&bytes).station(Index(256)).unwrap().name, "gw254");
}

#[test]
fn a_draft_refuses_what_would_confuse_people() {
    let (mut draft, _, _) = mission();
    let twin = device(0x77, 3);
    let named = |name: &str| request(&twin, name, Kind::Member);
    let taken = named("bravo");
    assert_eq!(draft.enrol(&DeviceRequest::verify(&taken).unwrap(), 0), Err(DraftError::NameTaken));
    let again = request(&device(0x0A, 3), "alpha2", Kind::Member);
    assert_eq!(draft.enrol(&DeviceRequest::verify(&again).unwrap(), 0), Err(DraftError::KeyTaken));
    let bare = request(&device(0x78, 0), "bare", Kind::Member);
    assert_eq!(draft.enrol(&DeviceRequest::verify(&bare).unwrap(), 0), Err(DraftError::NoKeys));
    for name in ["", ".", "..", "a/b", "a\nb", "123456789012345678901234567890123"] {
        let mut out = vec![0; 4096];
        assert!(twin.request(name, Kind::Member, &mut out).is_err(), "{name:?}");
        assert_eq!(RosterDraft::new(name, START).map(|_| ()), Err(DraftError::Name), "{name:?}");
    }
    draft.max_delay_s = 86_400 * 15;
    assert_eq!(draft.sign(&authority(), START), Err(DraftError::Times), "four bits of epoch must mean one");
}

#[test]
fn a_request_is_its_devices_own() {
    let secrets = device(0x21, 2);
    let bytes = request(&secrets, "delta", Kind::Member);
    let read = DeviceRequest::verify(&bytes).unwrap();
    assert_eq!((read.name, read.kind, read.epochs()), ("delta", Kind::Member, 2));
    assert_eq!(read.epoch_keys().next().unwrap(), secrets.seeds(0).unwrap().public().unwrap());
    for at in 10..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 4;
        let refused = DeviceRequest::verify(&altered).map(|_| ()).unwrap_err();
        assert!(matches!(refused, RequestError::Signature | RequestError::Format(_)), "{at}: {refused:?}");
    }
    for len in 0..bytes.len() {
        assert!(DeviceRequest::verify(&bytes[..len]).is_err());
    }
}

#[test]
fn the_authority_key_survives_its_file() {
    let key = authority();
    let bytes = key.to_bytes().unwrap();
    let again = AuthorityKey::from_bytes(bytes.as_ref()).unwrap();
    assert_eq!(again.public(), key.public());
    assert_eq!(again.network_key(0), key.network_key(0));
    assert_ne!(key.network_key(0), key.network_key(1));
    assert!(AuthorityKey::from_bytes(&bytes[..105]).is_err());
    assert_eq!(format!("{key:?}"), "AuthorityKey(..)");
}

#[test]
fn a_draft_continues_from_the_roster_in_force() {
    let (draft, bytes, _) = mission();
    let mut again = RosterDraft::from_roster(&verified(&bytes));
    assert_eq!(again.next_version(), 2);
    let mut draft = draft;
    assert_eq!(again.sign(&authority(), START + 9).unwrap(), draft.sign(&authority(), START + 9).unwrap());
}
