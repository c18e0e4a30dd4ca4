//! Decoders: what decodes encodes back to the same bytes.

use picket_roster::{
    AuthorityKey, DeviceRequest, DeviceSecrets, Extension, ExtensionRequest, Keyfill, check_roster_format, read_revoke,
};
use picket_seal::room::{Attest, RoomReceiver, RoomState, keys_of};
use picket_seal::{Content, ReceiveSession, SendSession};
use picket_wire::Lifetime;
use picket_wire::control::Control;
use picket_wire::envelope::{self, Envelope};
use picket_wire::frame::{Around, Body, Mask, decode_body};
use picket_wire::keys::NetKeys;
use picket_wire::limits::{CONTROL_MAX, SOURCE_SYMBOLS_MAX};
use picket_wire::signed::{Signed, object_version};

/// Frames: under the key of the vectors, so that their seeds unmask. A fragment written again is the same bytes.
pub fn wire_frame(data: &[u8]) {
    let nk: [u8; 32] = core::array::from_fn(|i| i as u8);
    let net = NetKeys::derive(&nk, 11);
    let mut bytes = data.to_vec();
    let Ok(frame) = Mask::new(&net).unmask(&mut bytes) else {
        assert_eq!(bytes, data, "a refused frame was changed");
        return;
    };
    if let Ok(Body::Fragment(fragment)) = decode_body(frame.kind(), frame.body()) {
        assert_eq!([&fragment.head.bytes()[..], fragment.data].concat(), frame.body());
        assert!(fragment.head.source_symbols() <= SOURCE_SYMBOLS_MAX && fragment.symbols() > 0);
    }
    let (kind, to) = (frame.kind(), frame.to());
    if let Ok(authentic) = frame.authenticate(&net.mac, Around::default()) {
        assert_eq!((authentic.kind(), authentic.to()), (kind, to));
        let _ = authentic.body();
    }
}

/// Envelopes: written again they are the same, and hops never change their identity.
pub fn wire_envelope(data: &[u8]) {
    let Ok(parsed) = Envelope::parse(data) else { return };
    let mut again = vec![0; parsed.header().len()];
    assert_eq!(parsed.header().write(&mut again), Ok(again.len()));
    again.extend_from_slice(parsed.sealed());
    assert_eq!(again, data);
    envelope::set_mutable(&mut again, 200, 9, Lifetime::OVER);
    envelope::set_flags(&mut again, 0xFF);
    assert_eq!(Envelope::parse(&again).map(|e| e.identity()), Ok(parsed.identity()));
}

/// Control messages have one encoding.
pub fn wire_control(data: &[u8]) {
    let Ok(message) = Control::decode(data) else { return };
    let mut buffer = [0; CONTROL_MAX];
    assert_eq!(message.encode(&mut buffer), Ok(data));
    let _ = message.parcel_identity();
}

/// Everything a provisioning file may be.
pub fn roster_formats(data: &[u8]) {
    let _ = check_roster_format(data);
    let _ = Keyfill::check_format(data);
    let _ = DeviceRequest::decode(data);
    let _ = DeviceSecrets::decode(data);
    let _ = AuthorityKey::from_bytes(data);
}

/// Requests for further epochs, and what is kept while they are pending. Nobody's signature holds.
pub fn extension_formats(data: &[u8]) {
    if let Ok(request) = ExtensionRequest::decode(data) {
        let epochs = request.epochs();
        assert!(!epochs.is_empty() && epochs.len() <= picket_roster::limits::EPOCHS_MAX);
        assert!(request.epoch_keys().map(|(epoch, _)| epoch).eq(epochs));
        let own = request.own;
        let refused = ExtensionRequest::verify(data, request.mission, |index| {
            assert_eq!(index, own);
            None
        });
        assert!(refused.is_err());
    }
    if let Ok(pending) = Extension::from_bytes(data) {
        assert_eq!(pending.to_bytes().as_ref(), data);
        assert!(pending.seeds(pending.epochs().end).is_none() && pending.seeds(pending.epochs().start).is_some());
    }
}

/// Frames of kind 3, and the objects in them: what is read is written back to the same bytes, unknown kinds of a list aside.
pub fn signed_objects(data: &[u8]) {
    let _ = read_revoke(data);
    let _ = object_version(data);
    let Ok(signed) = Signed::parse(data) else { return };
    let mut again = vec![0; data.len()];
    let len = signed.write(&mut again).unwrap_or(0);
    if !matches!(signed, Signed::Have(_)) {
        assert_eq!(again.get(1..len), data.get(1..), "the first byte's generation says nothing");
    }
    if let Signed::Whole(object) = signed {
        let _ = read_revoke(object);
    }
}

/// What is found inside an opened envelope.
pub fn seal_content(data: &[u8]) {
    let _ = Content::decode(data);
}

/// What moderators and members of rooms send: a state, its keys, attestations, a stored chain.
pub fn seal_rooms(data: &[u8]) {
    let mission = picket_wire::MissionId([0; 8]);
    let _ = RoomState::verify(data, mission, |_| None);
    let _ = keys_of(data).map(Iterator::count);
    for counter in [0, 17, u32::MAX] {
        if let Ok(attest) = Attest::decode(counter, data) {
            let mut again = [0; Attest::LEN_MAX];
            let same = attest.encode(counter, &mut again).map(<[u8]>::to_vec);
            assert!(same.is_err() || same.as_deref() == Ok(data));
        }
    }
    if let Ok(chain) = RoomReceiver::decode(data) {
        let mut again = vec![0; picket_seal::limits::ROOM_CHAIN_STATE_MAX];
        assert_eq!(chain.encode(&mut again), Ok(data));
    }
    let _ = Envelope::parse(data).map(|e| RoomReceiver::hints(&e));
}

/// Sessions as a home keeps them: what is read goes on, and opens nothing that nobody sealed.
pub fn seal_state(data: &[u8]) {
    let mut again = vec![0; picket_seal::limits::RECEIVE_STATE_MAX.max(picket_seal::limits::SEND_STATE_MAX)];
    // The form of before there were lanes is written in today's.
    let same = |written: Option<&[u8]>| data.first() != Some(&2) || written == Some(data);
    if let Ok(stored) = SendSession::decode(data) {
        let session = stored.resume_reserved();
        assert_eq!(session.reserved_left(), 0, "nothing that may have been used is used again");
    }
    if let Ok(stored) = SendSession::decode(data) {
        assert!(same(stored.resume_exact().encode(&mut again).ok()));
    }
    if let Ok(session) = ReceiveSession::decode(data) {
        assert!(same(session.encode(&mut again).ok()));
    }
}
