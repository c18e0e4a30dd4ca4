#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use hpke::aead::AesGcm128;

const INFO: &str = "4f6465206f6e2061204772656369616e2055726e";
const IKM_E: &str = "4270e54ffd08d79d5928020af4686d8f6b7d35dbe470265f1f5aa22816ce860e";
const IKM_R: &str = "668b37171f1072f3cf12ea8a236a45df23fc13b82af3609ad1e354f6ef817550";
const ENC: &str = "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac98536d7b61a1af4b78e5b7f951c0900be863c403ce65c9bfcb9382657222d18c4";
const PT: &str = "4265617574792069732074727574682c20747275746820626561757479";
const AAD: &str = "436f756e742d30";
const CT: &str = "5ad590bb8baa577f8619db35a36311226a896e7342a6d836d8b7bcd2f20b6c7f9076ac232e3ab2523f39513434";

fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

/// RFC 9180 A.3.1 (mode base, DHKEM(P-256), HKDF-SHA256, AES-128-GCM), with `ikmE` handed over as keyfills do it.
#[test]
fn base_mode_agrees_with_rfc_9180() {
    let (own, public) = <Kem as hpke::Kem>::derive_keypair(&unhex(IKM_R));
    let mut text = unhex(PT);
    let mut rng = Exactly(Zeroizing::new(unhex(IKM_E).try_into().unwrap()));
    let (enc, tag) = hpke::single_shot_seal_inout_detached_with_rng::<AesGcm128, HkdfSha256, Kem>(
        &OpModeS::Base,
        &public,
        &unhex(INFO),
        InOutBuf::from(text.as_mut_slice()),
        &unhex(AAD),
        &mut rng,
    )
    .unwrap();
    assert_eq!(hex::encode(enc.to_bytes()), ENC);
    assert_eq!(hex::encode(&text) + &hex::encode(tag.to_bytes()), CT);
    hpke::single_shot_open_inout_detached::<AesGcm128, HkdfSha256, Kem>(
        &OpModeR::Base,
        &own,
        &enc,
        &unhex(INFO),
        InOutBuf::from(text.as_mut_slice()),
        &unhex(AAD),
        &tag,
    )
    .unwrap();
    assert_eq!(hex::encode(text), PT);
}
