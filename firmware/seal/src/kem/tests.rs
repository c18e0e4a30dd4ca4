#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::lanes::Lane;
use hkdf::Hkdf;
use hpke::Kem as _;
use hpke::aead::AesGcm128;
use hpke::inout::InOutBuf;
use picket_roster::keys::derive_key_pair;
use picket_wire::keys::hmac;
use picket_wire::{Index, MissionId};
use sha2::Sha256;

fn hex32(s: &str) -> [u8; 32] {
    hex::decode(s).unwrap().try_into().unwrap()
}

const IKM_E: &str = "3c1fceb477ec954c8d58ef3249e4bb4c38241b5925b95f7486e4d9f1d0d35fbb";
const IKM_R: &str = "abcc2da5b3fa81d8aabd91f7f800a8ccf60ec37b1b585a5d1d1ac77f258b6cca";
const IKM_S: &str = "6262031f040a9db853edd6f91d2272596eabbc78a2ed2bd643f770ecd0f19b82";
const PSK: &str = "0247fd33b913760fa1fa51e1892d9f307fbe65eb171e8132c2af18555a738b82";
const PSK_ID: &str = "456e6e796e20447572696e206172616e204d6f726961";
const INFO: &str = "4f6465206f6e2061204772656369616e2055726e";
const ENC: &str = "046a1de3fc26a3d43f4e4ba97dbe24f7e99181136129c48fbe872d4743e2b131357ed4f29a7b317dc22509c7b00991ae990bf65f8b236700c82ab7c11a84511401";
const PT: &str = "4265617574792069732074727574682c20747275746820626561757479";
const ENCRYPTIONS: [(&str, &str); 3] = [
    ("436f756e742d30", "b9f36d58d9eb101629a3e5a7b63d2ee4af42b3644209ab37e0a272d44365407db8e655c72e4fa46f4ff81b9246"),
    ("436f756e742d31", "51788c4e5d56276771032749d015d3eea651af0c7bb8e3da669effffed299ea1f641df621af65579c10fc09736"),
    ("436f756e742d32", "3b5a2be002e7b29927f06442947e1cf709b9f8508b03823127387223d712703471c266efc355f1bc2036f3027c"),
];
const EXPORTS: [(&str, &str); 3] = [
    ("", "595ce0eff405d4b3bb1d08308d70a4e77226ce11766e0a94c4fdb5d90025c978"),
    ("00", "110472ee0ae328f57ef7332a9886a1992d2c45b9b8d5abc9424ff68630f7d38d"),
    ("54657374436f6e74657874", "18ee4d001a9d83a4c67e76f88dd747766576cac438723bad0700a910a4d717e6"),
];

/// RFC 9180 A.3.4 (mode AuthPSK, DHKEM(P-256), HKDF-SHA256, AES-128-GCM), with `ikmE` handed over as sessions do it.
#[test]
fn auth_psk_agrees_with_rfc_9180() {
    let psk = hex::decode(PSK).unwrap();
    let (psk_id, info) = (hex::decode(PSK_ID).unwrap(), hex::decode(INFO).unwrap());
    let (sk_s, pk_s) = Kem::derive_keypair(&hex32(IKM_S));
    let (sk_r, pk_r) = Kem::derive_keypair(&hex32(IKM_R));
    let bundle = || PskBundle::new(&psk, &psk_id).unwrap();
    let mode = OpModeS::<Kem>::AuthPsk((sk_s, pk_s.clone()), bundle());
    let mut rng = Exactly { bytes: Zeroizing::new(hex32(IKM_E)), drawn: false };
    let (enc, mut sender) =
        hpke::setup_sender_with_rng::<AesGcm128, HkdfSha256, Kem>(&mode, &pk_r, &info, &mut rng).unwrap();
    assert_eq!(hex::encode(enc.to_bytes()), ENC);
    let mode = OpModeR::<Kem>::AuthPsk(pk_s, bundle());
    let receiver = hpke::setup_receiver::<AesGcm128, HkdfSha256, Kem>(&mode, &sk_r, &enc, &info).unwrap();
    for (aad, ct) in ENCRYPTIONS {
        let mut text = hex::decode(PT).unwrap();
        let aad = hex::decode(aad).unwrap();
        let tag = sender.seal_inout_detached(InOutBuf::from(text.as_mut_slice()), &aad).unwrap();
        assert_eq!(hex::encode(&text) + &hex::encode(tag.to_bytes()), ct);
    }
    for (context, value) in EXPORTS {
        let mut out = [0; 32];
        for side in [
            sender.export(&hex::decode(context).unwrap(), &mut out),
            receiver.export(&hex::decode(context).unwrap(), &mut out),
        ] {
            side.unwrap();
            assert_eq!(hex::encode(out), value);
        }
    }
}

fn keys(seed: u8) -> (AgreementSecret, PublicKey) {
    let (secret, public) = derive_key_pair(&[seed; 32]).unwrap();
    (AgreementSecret::from_bytes(&secret).unwrap(), public)
}

fn id(sid: u16) -> SessionId {
    SessionId { mission: MissionId([9; 8]), from: Index(1), to: Index(2), epoch: 5, sid }
}

#[test]
fn both_sides_reach_the_same_root_and_only_with_the_same_inputs() {
    let (own, own_public) = keys(1);
    let (_, receiver) = keys(2);
    let psk = [3; 32];
    let (mut roots, enc) = sender_roots(&id(0), &own, &[4; 32], &receiver, &psk).unwrap();
    let root = roots.chain.0;
    assert_eq!(enc, derive_key_pair(&[4; 32]).unwrap().1, "enc is what the roster says of E");
    let open = |id: &SessionId, seed: u8, enc: &PublicKey, sender: &PublicKey, psk: &[u8; 32]| {
        receiver_roots(id, &derive_key_pair(&[seed; 32]).unwrap().0, enc, sender, psk).unwrap().chain.0
    };
    let mut same = receiver_roots(&id(0), &derive_key_pair(&[2; 32]).unwrap().0, &enc, &own_public, &psk).unwrap();
    assert_eq!(same.chain.0, root);
    let mut all = vec![root];
    for lane in Lane::ALL {
        let (ours, theirs) = (roots.lanes.take(lane).unwrap(), same.lanes.take(lane).unwrap());
        assert!(ours.0 == theirs.0 && ours.1.0 == theirs.1.0);
        assert!(!all.contains(&ours.1.0), "lanes share nothing");
        all.push(ours.1.0);
    }
    let others = [
        open(&id(1), 2, &enc, &own_public, &psk),
        open(&SessionId { epoch: 6, ..id(0) }, 2, &enc, &own_public, &psk),
        open(&SessionId { from: Index(3), ..id(0) }, 2, &enc, &own_public, &psk),
        open(&id(0), 7, &enc, &own_public, &psk),
        open(&id(0), 2, &receiver, &own_public, &psk),
        open(&id(0), 2, &enc, &receiver, &psk),
        open(&id(0), 2, &enc, &own_public, &[8; 32]),
    ];
    for other in others {
        assert_ne!(other, root);
    }
}

/// §40.3 a second time, from RFC 9180's text with HKDF and ECDH only.
#[test]
fn the_root_is_what_the_text_says() {
    let (own, own_public) = keys(1);
    let (receiver_secret, receiver) = keys(2);
    let psk = [3; 32];
    let (mut roots, enc) = sender_roots(&id(0), &own, &[4; 32], &receiver, &psk).unwrap();
    let sk = |a: &AgreementSecret| p256::SecretKey::from_slice(a.to_bytes().as_ref()).unwrap();
    let pk = |k: &PublicKey| p256::PublicKey::from_sec1_bytes(&k.0).unwrap();
    let mut dh = sk(&receiver_secret).diffie_hellman(&pk(&enc)).raw_secret_bytes().to_vec();
    dh.extend_from_slice(sk(&receiver_secret).diffie_hellman(&pk(&own_public)).raw_secret_bytes());
    let kem_context =
        [enc.uncompressed().unwrap(), receiver.uncompressed().unwrap(), own_public.uncompressed().unwrap()].concat();
    let extract = |suite: &[u8], salt: &[u8], label: &str, ikm: &[u8]| {
        let ikm = [b"HPKE-v1", suite, label.as_bytes(), ikm].concat();
        Hkdf::<Sha256>::extract(Some(salt), &ikm).0.to_vec()
    };
    let expand = |suite: &[u8], prk: &[u8], label: &str, info: &[u8]| {
        let info = [&[0, 32], &b"HPKE-v1"[..], suite, label.as_bytes(), info].concat();
        let mut out = [0u8; 32];
        Hkdf::<Sha256>::from_prk(prk).unwrap().expand(&info, &mut out).unwrap();
        out
    };
    let (kem, hpke) = (b"KEM\x00\x10", b"HPKE\x00\x10\x00\x01\x00\x02");
    let shared = expand(kem, &extract(kem, b"", "eae_prk", &dh), "shared_secret", &kem_context);
    let mut context = vec![3];
    context.extend(extract(hpke, b"", "psk_id_hash", &5u32.to_be_bytes()));
    context.extend(extract(hpke, b"", "info_hash", b"PICKET-P1\x00\x01\x00\x02\x00\x00\x00\x05\x00\x00"));
    let secret = extract(hpke, &shared, "secret", &psk);
    let exporter = expand(hpke, &secret, "exp", &context);
    assert_eq!(expand(hpke, &exporter, "sec", b"ck0\x00"), roots.chain.0);
    let root = expand(hpke, &exporter, "sec", b"ck0\x03");
    assert_eq!(roots.lanes.take(Lane::Minutes).unwrap().1.0, hmac(&root, &[&[1]]));
    assert_eq!(roots.lanes.take(Lane::Minutes).unwrap().1.0, hmac(&hmac(&root, &[&[2]]), &[&[1]]));
}

#[test]
fn an_encapsulated_key_survives_the_extension() {
    for seed in 0..20 {
        let (_, public) = keys(seed);
        let extension = to_extension(&public, 77);
        assert_eq!(extension.prekey >> 1, 77);
        assert_eq!(from_extension(&extension), public);
    }
}

#[test]
fn a_key_off_the_curve_is_refused() {
    let (own, own_public) = keys(1);
    let off = (0..=255u8)
        .map(|b| PublicKey([&[2], &[b; 32][..]].concat().try_into().unwrap()))
        .find(|k| k.check().is_err())
        .unwrap();
    assert_eq!(sender_roots(&id(0), &own, &[4; 32], &off, &[3; 32]).map(|_| ()), Err(SetupError::Key));
    assert_eq!(
        receiver_roots(&id(0), &derive_key_pair(&[2; 32]).unwrap().0, &off, &own_public, &[3; 32]).map(|_| ()),
        Err(SetupError::Key)
    );
    assert_eq!(
        receiver_roots(&id(0), &derive_key_pair(&[2; 32]).unwrap().0, &own_public, &off, &[3; 32]).map(|_| ()),
        Err(SetupError::Key)
    );
}
