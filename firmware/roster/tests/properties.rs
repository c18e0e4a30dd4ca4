//! Decoders meet anything: typed errors, no panic, one encoding for one meaning (spec §30.2).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{authority, device, mission, request, verified};
use picket_roster::codec::Reader;
use picket_roster::device::DeviceRequest;
use picket_roster::{AuthorityKey, DeviceSecrets, EpochSeeds, Keyfill, Kind, Roster, check_roster_format};
use picket_wire::Index;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::sync::OnceLock;

/// Some bytes cut, altered, inserted.
fn mutate(bytes: &[u8], edits: &[(u16, u8, u8)]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for (at, what, value) in edits {
        if out.is_empty() {
            break;
        }
        let at = usize::from(*at) % out.len();
        match what % 4 {
            0 => out[at] ^= value,
            1 => out.truncate(at),
            2 => out.insert(at, *value),
            _ => {
                out.remove(at);
            }
        }
    }
    out
}

fn edits() -> impl Strategy<Value = Vec<(u16, u8, u8)>> {
    prop::collection::vec(any::<(u16, u8, u8)>(), 1..4)
}

/// Roster, bravo's keyfill and a request, made once.
fn files() -> &'static (Vec<u8>, Vec<u8>, Vec<u8>) {
    static FILES: OnceLock<(Vec<u8>, Vec<u8>, Vec<u8>)> = OnceLock::new();
    FILES.get_or_init(|| {
        let (_, bytes, _) = mission();
        let keyfill = authority().keyfill(&verified(&bytes), Index(2), 0, None).unwrap().to_vec();
        (bytes, keyfill, request(&device(9, 1), "echo", Kind::Member))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn decoders_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0usize..5) {
        let magics: [&[u8]; 5] = [b"PKROSTER\0\x01", b"PKREQST\n\0\x01", b"PKKEYFIL\0\x01", b"PKAUTHOR\0\x01", b"PKSECRET\0\x01"];
        let mut file = magics[kind].to_vec();
        file.extend_from_slice(&bytes);
        let _ = check_roster_format(&file);
        let _ = DeviceRequest::verify(&file);
        let _ = Keyfill::open(&file);
        let _ = AuthorityKey::from_bytes(&file);
        let _ = DeviceSecrets::decode(&file);
    }

    #[test]
    fn edited_rosters_are_refused(edits in edits()) {
        let bytes = &files().0;
        let edited = mutate(bytes, &edits);
        let _ = check_roster_format(&edited);
        prop_assert_eq!(
            Roster::verify(edited.as_slice(), &authority().public().unwrap()).is_ok(),
            edited == *bytes
        );
    }

    #[test]
    fn edited_keyfills_are_refused_or_were_resealed_by_nobody(edits in edits()) {
        let mut edited = mutate(&files().1, &edits);
        let _ = Keyfill::open(&edited);
        // With the checksum put right, decoding goes deeper; still no panic.
        if let Some(at) = edited.len().checked_sub(8) {
            let digest = Sha256::digest(&edited[..at]);
            edited[at..].copy_from_slice(&digest[..8]);
            let _ = Keyfill::open(&edited);
        }
    }

    #[test]
    fn edited_requests_are_refused(edits in edits()) {
        let bytes = &files().2;
        let edited = mutate(bytes, &edits);
        prop_assert_eq!(DeviceRequest::verify(&edited).is_ok(), edited == *bytes);
    }

    #[test]
    fn varints_have_one_form(bytes in prop::collection::vec(any::<u8>(), 1..7)) {
        let mut r = Reader::new(&bytes);
        if let Ok(value) = r.varint() {
            let used = bytes.len() - r.rest().len();
            let bits = 32 - value.leading_zeros();
            prop_assert_eq!(used as u32, bits.div_ceil(7).max(1));
        }
    }

    #[test]
    fn seeds_survive_their_bytes(flags in 0u8..8, body in any::<[[u8; 32]; 3]>()) {
        let mut bytes = [0; EpochSeeds::LEN];
        bytes[0] = flags;
        for (i, part) in body.iter().enumerate() {
            if flags >> i & 1 == 1 {
                bytes[1 + 32 * i..33 + 32 * i].copy_from_slice(part);
            }
        }
        let seeds = EpochSeeds::from_bytes(&bytes).unwrap();
        prop_assert_eq!(*seeds.to_bytes(), bytes);
        prop_assert_eq!([seeds.e().is_some(), seeds.r().is_some(), seeds.p().is_some()],
            [flags & 1 == 1, flags & 2 == 2, flags & 4 == 4]);
    }
}
