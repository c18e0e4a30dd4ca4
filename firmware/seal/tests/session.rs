//! Sessions at their edges (spec §40.3 to §40.8).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Device, Storing, encode_receive, encode_send, mission, roster, route, text};
use picket_roster::{Keyfill, Padding};
use picket_seal::limits::{BODY_MAX, ENC_EVERY, JUMP_FREE, RESERVE_BLOCK, SEND_STATE_MAX, SKIPPED_MAX};
use picket_seal::{
    Body, Content, Far, Lane, Local, OpenError, Peer, Prekey, ReceiveSession, Reservation, Route, SealError,
    SendSession, SetupError, Slot, StateError,
};
use picket_wire::control::ReceiptKind;
use picket_wire::envelope::{Class, Envelope, set_mutable};
use picket_wire::limits::ENVELOPE_MAX;
use picket_wire::{Index, Lifetime, MessageId, Precedence};

/// Bytes of a stored pre-placed receive session without kept keys: lane 0 and the roots of the other lanes.
const FIXED: usize = 60 + 99;

/// The pre-placed session of epoch 0 from alpha to bravo, both ends.
fn pair() -> (SendSession, ReceiveSession) {
    let mut alpha = Device::new(0, Storing::Every);
    let mut bravo = Device::new(1, Storing::Every);
    alpha.activate(0);
    bravo.activate(0);
    let send = SendSession::decode(&alpha.disk.send[&(Index(2), 0, 0)]).unwrap().resume_exact();
    let receive = ReceiveSession::decode(&bravo.disk.receive[&(Index(1), 0, 0, Vec::new())]).unwrap();
    (send.reserve().persisted(), receive)
}

/// An in-band session of epoch 0 from alpha, and what bravo needs to accept one.
fn in_band() -> (SendSession, impl Fn(&Envelope<'_>) -> ReceiveSession) {
    let (alpha, bravo) =
        (Keyfill::open(&mission().keyfills[0]).unwrap(), Keyfill::open(&mission().keyfills[1]).unwrap());
    let roster = roster();
    let party = |i: u16| Peer { index: Index(i), agreement: roster.station(Index(i)).unwrap().agreement };
    let secrets = alpha.secrets().unwrap().unwrap();
    let local = Local { mission: roster.mission(), index: Index(1), agreement: secrets.agreement() };
    let prekey = Prekey::of_epoch(0, roster.epoch_keys(Index(2), 0).unwrap().p);
    let psk = alpha.psk(&roster.station(Index(2)).unwrap()).unwrap().at(0).unwrap();
    let send = SendSession::in_band(&local, &party(2), 0, 3, &[0x55; 32], &prekey, &psk).unwrap();
    let accept = move |envelope: &Envelope<'_>| {
        let secrets = bravo.secrets().unwrap().unwrap();
        let local = Local { mission: bravo.mission(), index: Index(2), agreement: secrets.agreement() };
        let enc = envelope.header().enc.unwrap();
        let alpha = bravo.roster().station(Index(1)).unwrap();
        let psk = bravo.psk(&alpha).unwrap().at(0).unwrap();
        let alpha = Peer { index: Index(1), agreement: alpha.agreement };
        let seed = secrets.seeds(0).unwrap().p().unwrap();
        ReceiveSession::in_band(&local, &alpha, 0, 3, &enc, seed, &psk).unwrap()
    };
    (send.reserve().persisted(), accept)
}

fn seal(s: &mut SendSession, words: &str) -> Vec<u8> {
    if s.reserved_left() == 0 {
        *s = s.reserve().persisted();
    }
    let mut out = vec![0; 512];
    s.seal(&route(), &text(words), Padding::Off, &mut out).unwrap().envelope.to_vec()
}

fn open(r: &mut ReceiveSession, bytes: &[u8], far: Far) -> Result<String, OpenError> {
    let mut out = vec![0; 512];
    let opened = r.open(&Envelope::parse(bytes).unwrap(), far, &mut out)?;
    let Body::Text(words) = Content::decode(opened.content).unwrap().body else { panic!("not text") };
    Ok(words.into())
}

#[test]
fn twenty_bytes_of_text_are_forty_seven_of_envelope() {
    let (mut send, mut receive) = pair();
    let mut out = [0; 64];
    let sealed = send.seal(&route(), &text("twenty bytes of text"), Padding::Off, &mut out).unwrap();
    assert_eq!(sealed.envelope.len(), 10 + 25 + 12);
    assert_eq!(sealed.identity, Envelope::parse(sealed.envelope).unwrap().identity());
    let bytes = sealed.envelope.to_vec();
    assert_eq!(open(&mut receive, &bytes, Far::Refuse).unwrap(), "twenty bytes of text");
}

#[test]
fn an_in_band_first_contact_costs_thirty_three_more() {
    let (mut send, accept) = in_band();
    let bytes = seal(&mut send, "twenty bytes of text");
    assert_eq!(bytes.len(), 47 + 33);
    let mut receive = accept(&Envelope::parse(&bytes).unwrap());
    assert_eq!(open(&mut receive, &bytes, Far::Refuse).unwrap(), "twenty bytes of text");
    assert_eq!(receive.enc(), Envelope::parse(&bytes).unwrap().header().enc.as_ref());
}

#[test]
fn enc_travels_in_the_first_three_then_every_eighth_until_acknowledged() {
    let carried = |acknowledge_at: u32| -> Vec<u32> {
        let (mut send, _) = in_band();
        (0..30)
            .filter(|n| {
                if *n == acknowledge_at {
                    send.acknowledge();
                }
                Envelope::parse(&seal(&mut send, "x")).unwrap().header().enc.is_some()
            })
            .collect()
    };
    assert_eq!(carried(99), [0, 1, 2, ENC_EVERY, 2 * ENC_EVERY, 3 * ENC_EVERY]);
    assert_eq!(carried(10), [0, 1, 2, ENC_EVERY]);
    assert_eq!(carried(1), [0]);
}

#[test]
fn any_message_that_carries_enc_opens_the_session_and_the_others_follow() {
    let (mut send, accept) = in_band();
    let all: Vec<_> = (0..12).map(|i| seal(&mut send, &format!("{i}"))).collect();
    let mut receive = accept(&Envelope::parse(&all[8]).unwrap());
    for i in [8, 3, 11, 0, 5] {
        assert_eq!(open(&mut receive, &all[i], Far::Refuse).unwrap(), format!("{i}"));
    }
    assert_eq!(open(&mut receive, &all[3], Far::Refuse), Err(OpenError::Replayed));
}

#[test]
fn nothing_is_sealed_beyond_the_reservation() {
    let mut alpha = Device::new(0, Storing::Every);
    alpha.activate(0);
    let fresh = SendSession::decode(&alpha.disk.send[&(Index(2), 0, 0)]).unwrap().resume_exact();
    let mut out = [0; 128];
    let mut s = fresh.clone();
    assert_eq!(s.seal(&route(), &text("x"), Padding::Off, &mut out), Err(SealError::NotReserved));
    s = s.reserve().persisted();
    for _ in 0..RESERVE_BLOCK {
        s.seal(&route(), &text("x"), Padding::Off, &mut out).unwrap();
    }
    let before = encode_send(&s);
    assert_eq!(s.seal(&route(), &text("x"), Padding::Off, &mut out), Err(SealError::NotReserved));
    assert_eq!(encode_send(&s), before);
}

#[test]
fn a_state_stored_at_its_reservation_resumes_behind_all_it_may_have_used() {
    let (send, mut receive) = pair();
    let mut stored = [0; SEND_STATE_MAX];
    let reservation: Reservation = send.reserve();
    let stored = reservation.encode(&mut stored).unwrap().to_vec();
    let mut s = reservation.persisted();
    let before: Vec<_> = (0..5).map(|i| seal(&mut s, &format!("before {i}"))).collect();
    drop(s);
    let mut s = SendSession::decode(&stored).unwrap().resume_reserved();
    assert_eq!((s.next_counter(), s.reserved_left()), (RESERVE_BLOCK, 0));
    let after = seal(&mut s, "after");
    assert_eq!(open(&mut receive, &after, Far::Refuse).unwrap(), "after");
    for (i, bytes) in before.iter().enumerate() {
        assert_eq!(open(&mut receive, bytes, Far::Refuse).unwrap(), format!("before {i}"));
    }
}

#[test]
fn a_refusal_to_seal_changes_nothing() {
    let (mut send, _) = pair();
    let before = encode_send(&send);
    let mut small = [0; 40];
    assert!(send.seal(&route(), &text("twenty bytes of text"), Padding::Off, &mut small).is_err());
    assert_eq!(send.seal(&route(), &text("x"), Padding::Off, &mut small[..9]), Err(SealError::NoRoom));
    let route = Route { hop_limit: 16, ..route() };
    let mut out = [0; 100];
    assert_eq!(send.seal(&route, &text("x"), Padding::Off, &mut out), Err(SealError::Header));
    let long = vec![0; ENVELOPE_MAX];
    let file = Content { body: Body::File { name: "x", bytes: &long }, ..text("") };
    let mut out = vec![0; 2 * ENVELOPE_MAX];
    assert!(matches!(send.seal(&common::route(), &file, Padding::Off, &mut out), Err(SealError::Content(_))));
    assert_eq!(encode_send(&send), before);
}

#[test]
fn the_longest_file_stays_within_an_envelope() {
    let (mut send, mut receive) = pair();
    let bytes: Vec<u8> = (0..BODY_MAX).map(|i| (i * 31) as u8).collect();
    let file = Content { body: Body::File { name: "map.png", bytes: &bytes }, ..text("") };
    let mut out = vec![0; ENVELOPE_MAX];
    let sealed = send.seal(&route(), &file, Padding::Buckets, &mut out).unwrap().envelope.to_vec();
    assert!(sealed.len() <= ENVELOPE_MAX);
    let mut out = vec![0; ENVELOPE_MAX];
    let opened = receive.open(&Envelope::parse(&sealed).unwrap(), Far::Refuse, &mut out).unwrap();
    assert_eq!(Content::decode(opened.content), Ok(file));
}

#[test]
fn receipts_prove_the_message_they_answer() {
    let (mut send, mut receive) = pair();
    let mut out = [0; 100];
    let sealed = send.seal(&route(), &text("x"), Padding::Off, &mut out).unwrap();
    let (tokens, bytes) = (sealed.tokens, sealed.envelope.to_vec());
    let mut plain = [0; 100];
    let opened = receive.open(&Envelope::parse(&bytes).unwrap(), Far::Refuse, &mut plain).unwrap();
    for kind in [ReceiptKind::Delivered, ReceiptKind::Read] {
        assert!(tokens.proves(kind, &opened.tokens.of(kind)));
        assert!(!tokens.proves(kind, &[0; 8]));
    }
    assert!(!tokens.proves(ReceiptKind::Read, &opened.tokens.delivered));
}

#[test]
fn what_changes_on_the_way_does_not_break_the_seal_and_nothing_else_may() {
    let (mut send, receive) = pair();
    let mut bytes = seal(&mut send, "hold the bridge");
    set_mutable(&mut bytes, 1, 3, Lifetime(9));
    assert_eq!(open(&mut receive.clone(), &bytes, Far::Refuse).unwrap(), "hold the bridge");
    for at in (0..bytes.len()).filter(|at| *at != 5 && *at != 6) {
        for bit in 0..8 {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << bit;
            let Ok(envelope) = Envelope::parse(&altered) else { continue };
            let mut receive = receive.clone();
            let mut out = [0; 100];
            assert!(receive.open(&envelope, Far::Follow, &mut out).is_err(), "byte {at} bit {bit}");
            assert!(!out.windows(8).any(|w| w == b"hold the"), "clear text of what is not authentic");
        }
    }
}

#[test]
fn precedence_and_class_are_authentic() {
    let (mut send, mut receive) = pair();
    let mut out = [0; 100];
    let flash = Route { class: Class::Housekeeping, precedence: Precedence::Flash, ..route() };
    let content = Content { body: Body::CannotOpen { id: MessageId([1; 8]) }, ..text("") };
    let mut bytes = send.seal(&flash, &content, Padding::Off, &mut out).unwrap().envelope.to_vec();
    bytes[0] = bytes[0] & !(0b111 << 2) | Precedence::Override.bits() << 2;
    let mut plain = [0; 100];
    let refused = receive.open(&Envelope::parse(&bytes).unwrap(), Far::Refuse, &mut plain);
    assert_eq!(refused, Err(OpenError::NotAuthentic));
}

#[test]
fn skipped_keys_are_capped_and_the_newest_are_kept() {
    let (mut send, mut receive) = pair();
    let all: Vec<_> = (0..SKIPPED_MAX + 40).map(|i| seal(&mut send, &format!("{i}"))).collect();
    open(&mut receive, all.last().unwrap(), Far::Refuse).unwrap();
    let first_kept = all.len() - 1 - SKIPPED_MAX;
    assert_eq!(open(&mut receive, &all[first_kept - 1], Far::Refuse), Err(OpenError::TooOld));
    assert_eq!(open(&mut receive, &all[first_kept], Far::Refuse).unwrap(), format!("{first_kept}"));
    assert_eq!(open(&mut receive, &all[first_kept], Far::Refuse), Err(OpenError::Replayed));
    assert!(encode_receive(&receive).len() <= picket_seal::limits::RECEIVE_STATE_MAX);
    // Skips in two steps push the oldest out one by one.
    let more: Vec<_> = (0..3).map(|i| seal(&mut send, &format!("more {i}"))).collect();
    open(&mut receive, &more[2], Far::Refuse).unwrap();
    assert_eq!(open(&mut receive, &all[first_kept + 1], Far::Refuse), Err(OpenError::TooOld));
    assert_eq!(open(&mut receive, &all[first_kept + 2], Far::Refuse).unwrap(), format!("{}", first_kept + 2));
    let again = ReceiveSession::decode(&encode_receive(&receive)).unwrap();
    assert_eq!(encode_receive(&again), encode_receive(&receive));
}

#[test]
fn far_jumps_are_followed_to_the_limit_when_allowed() {
    for steps in [JUMP_FREE, JUMP_FREE + 1, 40_000, 65_535] {
        let (send, mut receive) = pair();
        // As after a reboot: everything below the reserved mark counts as used.
        let mut state = encode_send(&send);
        state[24..28].copy_from_slice(&steps.to_be_bytes());
        let mut send = SendSession::decode(&state).unwrap().resume_reserved();
        let bytes = seal(&mut send, "found");
        let before = encode_receive(&receive);
        let refused = open(&mut receive, &bytes, Far::Refuse);
        if steps <= JUMP_FREE {
            assert_eq!(refused.unwrap(), "found");
            continue;
        }
        assert_eq!(refused, Err(OpenError::FarJump { steps }));
        assert_eq!(encode_receive(&receive), before);
        assert_eq!(open(&mut receive, &bytes, Far::Follow).unwrap(), "found");
        assert_eq!(receive.next_counter(), steps + 1);
        // Beyond 16 bits the session goes on.
        let next = seal(&mut send, "next");
        assert_eq!(open(&mut receive, &next, Far::Refuse).unwrap(), "next");
    }
}

#[test]
fn other_sessions_envelopes_are_told_apart() {
    let (mut send, mut receive) = pair();
    let mut bytes = seal(&mut send, "x");
    bytes[7] = 0x10; // epoch 1
    assert_eq!(open(&mut receive, &bytes, Far::Refuse), Err(OpenError::OtherSession));
    bytes[7] = 0x01; // session 1
    assert_eq!(open(&mut receive, &bytes, Far::Refuse), Err(OpenError::OtherSession));
    let (mut in_band, _) = in_band();
    assert_eq!(open(&mut receive, &seal(&mut in_band, "x"), Far::Refuse), Err(OpenError::OtherSession));
}

#[test]
fn stored_states_are_read_strictly() {
    let (send, receive) = pair();
    let (s, r) = (encode_send(&send), encode_receive(&receive));
    for len in 0..s.len() {
        assert!(SendSession::decode(&s[..len]).is_err());
    }
    for len in 0..r.len() {
        assert!(ReceiveSession::decode(&r[..len]).is_err());
    }
    let newer = |b: &[u8]| [&[3], &b[1..]].concat();
    assert_eq!(SendSession::decode(&newer(&s)).map(|_| ()), Err(StateError::Newer { version: 3 }));
    assert_eq!(ReceiveSession::decode(&newer(&r)).map(|_| ()), Err(StateError::Newer { version: 3 }));
    let with_reserved = |n: u32| [&s[..24], &n.to_be_bytes(), &s[28..]].concat();
    assert!(SendSession::decode(&with_reserved(65_535)).is_ok());
    assert!(SendSession::decode(&with_reserved(65_536)).is_err(), "no receiver could follow");
    assert!(SendSession::decode(&[s, vec![0]].concat()).is_err());
}

#[test]
fn only_pre_placed_sessions_have_lanes() {
    let (mut send, accept) = in_band();
    let bytes = seal(&mut send, "x");
    let mut receive = accept(&Envelope::parse(&bytes).unwrap());
    assert!(Lane::ALL.into_iter().all(|lane| send.enter(Slot::at(lane, 0, 86_400)).is_none()));
    assert!(Lane::ALL.into_iter().all(|lane| receive.enter(lane).is_none()));
    // Nor can a stored state claim them.
    let s = encode_send(&send);
    assert!(SendSession::decode(&[&[2, s[1] | 8], &s[2..], &[0; 99][..]].concat()).is_err());
}

/// What older software stored has no lanes; it goes on in lane 0.
#[test]
fn states_from_before_lanes_are_read() {
    let (send, receive) = pair();
    let old = |b: &[u8], flags: u8| [&[1, flags], &b[2..60]].concat();
    let mut send = SendSession::decode(&old(&encode_send(&send), 2)).unwrap().resume_exact().reserve().persisted();
    let mut receive = ReceiveSession::decode(&old(&encode_receive(&receive), 0)).unwrap();
    let day = Slot::at(Lane::Epoch, 0, 86_400);
    assert!(send.enter(day).is_none() && receive.enter(Lane::Epoch).is_none() && !receive.leads_to(day));
    assert_eq!(open(&mut receive, &seal(&mut send, "still here"), Far::Refuse).unwrap(), "still here");
    assert_eq!(&encode_receive(&receive)[..2], [2, 0]);
}

#[test]
fn of_two_kept_keys_with_the_same_bits_the_newer_is_tried() {
    let (send, receive) = pair();
    let (s, r) = (encode_send(&send), encode_receive(&receive));
    let at = 65_536_u32;
    let s = [&s[..20], &at.to_be_bytes(), &(at + 32).to_be_bytes(), &s[28..]].concat();
    let mut send = SendSession::decode(&s).unwrap().resume_exact();
    let mut receive = ReceiveSession::decode(&[&r[..20], &at.to_be_bytes(), &r[24..]].concat()).unwrap();
    let (skipped, opened) = (seal(&mut send, "skipped"), seal(&mut send, "opened"));
    open(&mut receive, &opened, Far::Refuse).unwrap();
    // Counter 0 was never seen either: its key, whatever it is, has the same sixteen bits.
    let r = encode_receive(&receive);
    let (head, kept) = r.split_at(FIXED);
    let mut receive = ReceiveSession::decode(&[head, &[0; 4], &[7; 32], kept].concat()).unwrap();
    open(&mut receive, &skipped, Far::Refuse).unwrap();
    assert_eq!(encode_receive(&receive).len(), FIXED + 36, "the older key is still kept");
}

#[test]
fn session_ids_fit_their_kind() {
    let roster = roster();
    let keyfill = Keyfill::open(&mission().keyfills[0]).unwrap();
    let secrets = keyfill.secrets().unwrap().unwrap();
    let local = Local { mission: roster.mission(), index: Index(1), agreement: secrets.agreement() };
    let peer = Peer { index: Index(2), agreement: roster.station(Index(2)).unwrap().agreement };
    let prekey = Prekey::of_epoch(0, roster.epoch_keys(Index(2), 0).unwrap().p);
    for sid in [0, 16] {
        let made = SendSession::in_band(&local, &peer, 0, sid, &[1; 32], &prekey, &[2; 32]);
        assert_eq!(made.map(|_| ()), Err(SetupError::Session));
    }
}

#[test]
fn no_secret_shows_in_debug_output() {
    let (send, receive) = pair();
    let shown = format!("{send:?} {receive:?} {:?}", send.reserve());
    let state = encode_send(&send);
    for w in state[28..60].windows(4) {
        assert!(!shown.contains(&hex::encode(w)) && !shown.contains(&format!("{w:?}")), "{shown}");
    }
}
