//! Rooms: chains, orders, attestations and states, as firmware/spec/45-rooms.md has them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/rooms.rs"]
mod rooms;

use picket_seal::limits::{ATTEST_MAX, ROOM_CHAIN_STATE_MAX, ROOM_MEMBERS_MAX, ROOM_STATE_MAX, UNSETTLED_MAX};
use picket_seal::room::{
    Attest, Policy, Role, RoomKey, RoomOpenError, RoomReceiver, RoomSender, RoomState, RoomStateError, SecretError,
    Settled, Verdict, keys_of,
};
use picket_seal::{Body, Content, Far, OpenError};
use picket_wire::envelope::{Envelope, set_mutable};
use picket_wire::{Index, Lifetime};
use proptest::prelude::*;
use rooms::*;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Content, counter, how sure it is, whether it was known, what it contradicts.
type Read = (Vec<u8>, u32, Settled, bool, Vec<[u8; 8]>);

fn open(chain: &mut RoomReceiver, envelope: &[u8]) -> Result<Read, RoomOpenError> {
    let mut out = vec![0; 4_096];
    let opened = chain.open(&Envelope::parse(envelope).unwrap(), &identity(0), Far::Refuse, &mut out)?;
    let (content, contradicted) = (opened.content.to_vec(), opened.contradicted.to_vec());
    Ok((content, opened.counter, opened.settled, opened.known, contradicted))
}

fn text_of(content: &[u8]) -> String {
    match Content::decode(content).unwrap().body {
        Body::Text(text) => text.to_owned(),
        other => panic!("{other:?}"),
    }
}

fn attest(sender: &mut RoomSender, first: u32, digests: &[[u8; 8]]) -> Said {
    let mut bytes = [0; Attest::LEN_MAX];
    let attest = Attest { other: None, first, digests };
    let bytes = attest.encode(sender.next_counter(), &mut bytes).unwrap().to_vec();
    say(sender, Body::Attest { bytes: &bytes }, Some(&signer(0)))
}

/// Opens an attestation and takes it over.
fn take_attest(chain: &mut RoomReceiver, envelope: &[u8]) -> Vec<(u32, [u8; 8], Verdict)> {
    let (content, counter, settled, ..) = open(chain, envelope).unwrap();
    assert_eq!(settled, Settled::Signed);
    let Body::Attest { bytes } = Content::decode(&content).unwrap().body else { panic!() };
    let mut said = Vec::new();
    chain.attest(&Attest::decode(counter, bytes).unwrap(), |c, d, v| said.push((c, d, v)));
    said
}

#[test]
fn secrets_go_forward_and_never_back() {
    let secret = secret();
    let next = secret.at(6).unwrap();
    assert_ne!(secret.to_bytes(), next.to_bytes());
    assert_eq!(next.at(7).unwrap(), secret.at(7).unwrap());
    assert_eq!(next.at(5), Err(SecretError::Erased));
    assert_eq!(secret.at(u32::MAX), Err(SecretError::Far));
    let key = RoomKey { generation: 9, secret: next };
    assert_eq!(keys_of(key.to_bytes().as_ref()).unwrap().collect::<Vec<_>>(), vec![key]);
    assert!(keys_of(&[0; 39]).is_err());
}

#[test]
fn every_message_reads_back_in_any_order_and_once() {
    let (mut alpha, mut bravo) = (sender([1; 8]), receiver([1; 8]));
    let said: Vec<Said> = (0..20).map(|n| say(&mut alpha, Body::Text(&format!("{n}")), None)).collect();
    for n in (0..20).rev().step_by(2).chain((0..20).step_by(2)) {
        let (content, counter, settled, ..) = open(&mut bravo, &said[n].envelope).unwrap();
        assert_eq!((text_of(&content), counter, settled), (n.to_string(), n as u32, Settled::Member));
    }
    for said in &said {
        assert_eq!(open(&mut bravo, &said.envelope), Err(OpenError::Replayed.into()));
    }
}

#[test]
fn the_incarnation_is_in_the_first_three_then_every_eighth_but_in_no_attestation() {
    let mut alpha = sender([1; 8]);
    for n in 0..20u32 {
        let said = if n == 16 { attest(&mut alpha, 0, &[[7; 8]; 16]) } else { say(&mut alpha, Body::Text("x"), None) };
        let carries = n < 3 || n == 8;
        let hints = RoomReceiver::hints(&Envelope::parse(&said.envelope).unwrap()).unwrap();
        assert_eq!(hints, (carries.then_some([1; 8]), (GENERATION & 7) as u8), "message {n}");
    }
}

#[test]
fn no_two_incarnations_share_a_chain() {
    let (mut one, mut two, mut bravo) = (sender([1; 8]), sender([2; 8]), receiver([1; 8]));
    let (a, b) = (say(&mut one, Body::Text("same"), None), say(&mut two, Body::Text("same"), None));
    let sealed = |said: &Said| Envelope::parse(&said.envelope).unwrap().sealed()[8..].to_vec();
    assert_ne!(sealed(&a), sealed(&b), "keys differ");
    assert_eq!(open(&mut bravo, &b.envelope), Err(OpenError::OtherSession.into()));
}

#[test]
fn nothing_changed_on_the_way_opens() {
    let mut alpha = sender([1; 8]);
    for signed in [None, Some(signer(0))] {
        let said = say(&mut alpha, Body::Text("hold"), signed.as_ref());
        for at in 0..said.envelope.len() {
            for bit in 0..8 {
                let mut changed = said.envelope.clone();
                changed[at] ^= 1 << bit;
                let Ok(envelope) = Envelope::parse(&changed) else { continue };
                let mut out = vec![0; 4_096];
                let opened = receiver([1; 8]).open(&envelope, &identity(0), Far::Follow, &mut out);
                assert_eq!(opened.is_ok(), at == 5 || at == 6, "byte {at}");
            }
        }
    }
}

#[test]
fn an_order_is_its_senders_and_of_its_place_only() {
    let (mut alpha, mut bravo) = (sender([1; 8]), receiver([1; 8]));
    let order = say(&mut alpha, Body::Text("withdraw"), Some(&signer(0)));
    let (content, _, settled, ..) = open(&mut bravo, &order.envelope).unwrap();
    assert_eq!((text_of(&content).as_str(), settled), ("withdraw", Settled::Signed));
    assert_eq!(open(&mut bravo, &order.envelope), Err(OpenError::Replayed.into()));
    // Another member signs in alpha's name.
    let forged = say(&mut alpha, Body::Text("withdraw"), Some(&signer(1)));
    let before = encode(&bravo);
    assert_eq!(open(&mut bravo, &forged.envelope), Err(RoomOpenError::Forged));
    assert_eq!(encode(&bravo), before, "a forged order leaves no trace");
}

#[test]
fn the_signature_covers_place_and_words() {
    // What it covers, written out: any other place or word is another message to sign.
    let id = chain([1; 8]);
    let said = say(&mut sender([1; 8]), Body::Text("withdraw"), Some(&signer(0)));
    let covered = |counter: u32, first: u8, content: &[u8]| {
        let hash = Sha256::digest(content);
        let place =
            [&id.mission.0[..], &ROOM.0, &[0, 1], &EPOCH.to_be_bytes(), &[1; 8], &counter.to_be_bytes(), &[first]];
        [&place.concat()[..], hash.as_slice()].concat()
    };
    let (content, signature) = order_parts(&said);
    let holds = |message: &[u8]| identity(0).verify(b"PICKET-order", message, &signature).is_ok();
    let first = said.envelope[0];
    assert!(holds(&covered(0, first, &content)));
    assert!(!holds(&covered(1, first, &content)) && !holds(&covered(0, first ^ 4, &content)));
    assert!(!holds(&covered(0, first, &content[..content.len() - 1])));
}

/// Content and signature of an order, in the clear.
fn order_parts(order: &Said) -> (Vec<u8>, [u8; 64]) {
    let mut out = vec![0; 4_096];
    let envelope = Envelope::parse(&order.envelope).unwrap();
    let len = receiver([1; 8]).open(&envelope, &identity(0), Far::Follow, &mut out).unwrap().content.len();
    (out[..len].to_vec(), out[len + 1..len + 65].try_into().unwrap())
}

#[test]
fn an_insider_cannot_eat_another_ones_counter() {
    // Charlie, who is in the room too, seals in alpha's name under the counter alpha uses.
    let (mut alpha, mut charlie, mut bravo) = (sender([1; 8]), sender([1; 8]), receiver([1; 8]));
    let forged = say(&mut charlie, Body::Text("retreat"), None);
    let genuine = say(&mut alpha, Body::Text("hold"), None);
    let third = {
        let mut dora = sender([1; 8]);
        say(&mut dora, Body::Text("run"), None)
    };
    assert_eq!(open(&mut bravo, &forged.envelope).unwrap().2, Settled::Member);
    assert_eq!(open(&mut bravo, &genuine.envelope).unwrap().2, Settled::Member);
    assert_eq!(open(&mut bravo, &third.envelope), Err(RoomOpenError::Crowded), "at most two candidates");
    let said = take_attest(&mut bravo, &attest(&mut alpha, 0, &[genuine.digest]).envelope);
    assert_eq!(said, [(0, forged.digest, Verdict::Contradicted), (0, genuine.digest, Verdict::Confirmed)]);
    for said in [&forged, &genuine, &third] {
        assert_eq!(open(&mut bravo, &said.envelope), Err(OpenError::Replayed.into()), "settled: its key is gone");
    }
}

#[test]
fn what_comes_after_its_attestation_is_confirmed_and_nothing_else_is_taken_for_it() {
    let (mut alpha, mut charlie, mut bravo) = (sender([1; 8]), sender([1; 8]), receiver([1; 8]));
    let genuine = say(&mut alpha, Body::Text("hold"), None);
    let forged = say(&mut charlie, Body::Text("retreat"), None);
    assert!(take_attest(&mut bravo, &attest(&mut alpha, 0, &[genuine.digest]).envelope).is_empty());
    assert_eq!(open(&mut bravo, &forged.envelope), Err(RoomOpenError::Contradicted));
    assert_eq!(open(&mut bravo, &genuine.envelope).unwrap().2, Settled::Confirmed);
    assert_eq!(open(&mut bravo, &genuine.envelope), Err(OpenError::Replayed.into()));
}

#[test]
fn an_order_whose_words_an_insider_sealed_first_is_still_an_order() {
    let (mut alpha, mut charlie, mut bravo) = (sender([1; 8]), sender([1; 8]), receiver([1; 8]));
    let order = say(&mut alpha, Body::Text("hold"), Some(&signer(0)));
    let stripped = say(&mut charlie, Body::Text("hold"), None);
    assert_eq!(open(&mut bravo, &stripped.envelope).unwrap().2, Settled::Member);
    let (_, _, settled, known, contradicted) = open(&mut bravo, &order.envelope).unwrap();
    assert_eq!((settled, known, contradicted.len()), (Settled::Signed, true, 0));
    // And words of his own in its place are told.
    let (mut alpha, mut charlie, mut bravo) = (sender([1; 8]), sender([1; 8]), receiver([1; 8]));
    let order = say(&mut alpha, Body::Text("hold"), Some(&signer(0)));
    let other = say(&mut charlie, Body::Text("run"), None);
    assert_eq!(open(&mut bravo, &other.envelope).unwrap().2, Settled::Member);
    let (_, _, settled, known, contradicted) = open(&mut bravo, &order.envelope).unwrap();
    assert_eq!((settled, known, contradicted), (Settled::Signed, false, vec![other.digest]));
}

#[test]
fn sixteen_messages_under_one_attestation_cost_less_than_fourteen_bytes_each() {
    let mut alpha = sender([1; 8]);
    let digests: Vec<_> = (0..16).map(|_| say(&mut alpha, Body::Text("x"), None).digest).collect();
    let said = attest(&mut alpha, 0, &digests);
    assert_eq!(said.envelope.len(), 221);
    assert!(said.envelope.len() <= 14 * ATTEST_MAX);
}

#[test]
fn attestations_are_read_strictly() {
    let mut out = [0; Attest::LEN_MAX];
    let digests = [[3; 8]; 2];
    for other in [None, Some((4, 9, [5; 8]))] {
        let attest = Attest { other, first: 10, digests: &digests };
        let bytes = attest.encode(12, &mut out).unwrap().to_vec();
        assert_eq!(Attest::decode(12, &bytes), Ok(attest));
        assert!(Attest::decode(12, &bytes[..bytes.len() - 1]).is_err());
    }
    assert!(Attest::decode(1, &[2, 0, 0, 0, 0, 0, 0, 0, 0]).is_err(), "before the first");
    assert!(Attest::decode(1, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_err(), "itself and later");
    assert!(Attest::decode(1, &[1]).is_err());
    assert!(Attest { other: None, first: 12, digests: &digests }.encode(12, &mut out).is_err());
}

fn encode(chain: &RoomReceiver) -> Vec<u8> {
    let mut out = vec![0; ROOM_CHAIN_STATE_MAX];
    chain.encode(&mut out).unwrap().to_vec()
}

#[test]
fn a_stored_chain_goes_on_and_is_bounded() {
    let (mut alpha, mut bravo) = (sender([1; 8]), receiver([1; 8]));
    for n in 0..400u32 {
        let said = say(&mut alpha, Body::Text("x"), None);
        if n % 3 != 0 {
            assert_eq!(open(&mut bravo, &said.envelope).unwrap().1, n);
        }
        let bytes = encode(&bravo);
        assert!(bytes.len() <= ROOM_CHAIN_STATE_MAX);
        bravo = RoomReceiver::decode(&bytes).unwrap();
        assert_eq!(encode(&bravo), bytes);
        assert!(RoomReceiver::decode(&bytes[..bytes.len() - 1]).is_err());
    }
    let mut newer = encode(&bravo);
    newer[0] = 2;
    assert!(RoomReceiver::decode(&newer).is_err());
    const { assert!(UNSETTLED_MAX >= 4 * ATTEST_MAX) };
}

fn policy() -> Policy {
    Policy { most: 8, signed_only: true, lifetime: Lifetime::floor(3_600), retention: Some(Index(9)) }
}

fn state() -> RoomState {
    let mut state = RoomState::new(ROOM, INDEX, "bridge", policy(), Index(1)).unwrap();
    assert!(state.seat(Index(9), Role::Member) && state.seat(Index(2), Role::Moderator));
    state
}

#[test]
fn a_state_is_its_moderators_and_reads_back() {
    let mission = common::roster().mission();
    let mut out = [0; ROOM_STATE_MAX];
    let bytes = state().sign(mission, &signer(0), &mut out).unwrap().to_vec();
    let read = RoomState::verify(&bytes, mission, |i| (i == Index(1)).then(|| identity(0))).unwrap();
    assert_eq!((read.clone(), read.name()), (state(), "bridge"));
    let strange = RoomState::verify(&bytes, mission, |_| Some(identity(1)));
    assert_eq!(strange, Err(RoomStateError::Signature));
    assert_eq!(RoomState::verify(&bytes, mission, |_| None), Err(RoomStateError::Signer));
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(RoomState::verify(&changed, mission, |_| Some(identity(0))).is_err(), "byte {at}");
        assert!(RoomState::verify(&bytes[..at], mission, |_| Some(identity(0))).is_err());
    }
}

#[test]
fn nobody_but_a_moderator_signs_a_state() {
    let mission = common::roster().mission();
    let mut out = [0; ROOM_STATE_MAX];
    for signer_index in [Index(9), Index(5)] {
        let mut forged = state();
        forged.signer = signer_index;
        assert_eq!(forged.sign(mission, &signer(0), &mut out), Err(RoomStateError::Signer));
    }
}

#[test]
fn the_largest_state_fits() {
    let all = Policy { most: ROOM_MEMBERS_MAX as u8, ..policy() };
    let mut state = RoomState::new(ROOM, INDEX, &"n".repeat(32), all, Index(1)).unwrap();
    for n in 2..=ROOM_MEMBERS_MAX as u16 {
        assert!(state.seat(Index(n), Role::Member));
    }
    assert!(!state.seat(Index(900), Role::Member), "full");
    let mut out = [0; ROOM_STATE_MAX];
    assert_eq!(state.sign(common::roster().mission(), &signer(0), &mut out).unwrap().len(), ROOM_STATE_MAX);
}

#[test]
fn of_two_states_of_one_version_the_removing_one_stands_then_the_lower_moderators() {
    let by = |version, signer: u16, seats: usize| {
        let mut s = state();
        (s.version, s.signer) = (version, Index(signer));
        s.seats.truncate(seats);
        s
    };
    let order = [by(2, 2, 3), by(2, 1, 3), by(2, 2, 2), by(2, 1, 2), by(3, 2, 3)];
    assert!(order.windows(2).all(|w| w[0].rank() < w[1].rank()));
}

#[derive(Clone, Debug)]
enum Step {
    Say { signed: bool },
    Forge { back: u8 },
    Attest,
    Deliver { which: prop::sample::Index },
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => any::<bool>().prop_map(|signed| Step::Say { signed }),
        1 => (0..6u8).prop_map(|back| Step::Forge { back }),
        1 => Just(Step::Attest),
        6 => any::<prop::sample::Index>().prop_map(|which| Step::Deliver { which }),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Loss, duplication, reordering, reboots and an insider who seals in the sender's name.
    #[test]
    fn rooms_hold_under_everything(steps in steps()) {
        let key = signer(0);
        let (mut alpha, mut bravo) = (sender([1; 8]), receiver([1; 8]));
        let mut air: Vec<Vec<u8>> = Vec::new();
        let mut genuine: BTreeMap<[u8; 8], String> = BTreeMap::new();
        let (mut pending, mut first): (Vec<[u8; 8]>, u32) = (Vec::new(), 0);
        let mut seen: BTreeSet<(u32, String)> = BTreeSet::new();
        for (n, step) in steps.into_iter().enumerate() {
            match step {
                Step::Say { signed } => {
                    let text = format!("genuine {n}");
                    let said = say(&mut alpha, Body::Text(&text), signed.then_some(&key));
                    genuine.insert(said.digest, text);
                    pending.push(said.digest);
                    air.push(said.envelope);
                }
                Step::Forge { back } => {
                    let mut charlie = sender([1; 8]);
                    for _ in 0..alpha.next_counter().saturating_sub(u32::from(back)) {
                        let _ = say(&mut charlie, Body::Text(""), None);
                    }
                    air.push(say(&mut charlie, Body::Text(&format!("forged {n}")), None).envelope);
                }
                Step::Attest if !pending.is_empty() => {
                    let run: Vec<_> = pending.drain(..pending.len().min(ATTEST_MAX)).collect();
                    let said = attest(&mut alpha, first, &run);
                    (first, pending) = (said.counter + 1, Vec::new());
                    air.push(said.envelope);
                }
                Step::Attest => {}
                Step::Reopen => bravo = RoomReceiver::decode(&encode(&bravo)).unwrap(),
                Step::Deliver { which } if !air.is_empty() => {
                    let mut envelope = which.get(&air).clone();
                    set_mutable(&mut envelope, 1, 2, Lifetime(3));
                    let Ok((content, counter, settled, known, _)) = open(&mut bravo, &envelope) else { continue };
                    let decoded = Content::decode(&content).unwrap();
                    if let Body::Attest { bytes } = decoded.body {
                        prop_assert_eq!(settled, Settled::Signed);
                        bravo.attest(&Attest::decode(counter, bytes).unwrap(), |_, digest, said| {
                            let is = genuine.contains_key(&digest);
                            assert_eq!(said == Verdict::Confirmed, is, "only the sender's own words are confirmed");
                        });
                        continue;
                    }
                    let Body::Text(text) = decoded.body else { panic!() };
                    let mine = genuine.iter().find(|(_, t)| *t == text).map(|(d, _)| *d);
                    if settled != Settled::Member {
                        prop_assert!(mine.is_some(), "nothing is signed or confirmed that its sender did not write");
                    }
                    if !known {
                        prop_assert!(seen.insert((counter, text.to_owned())), "nothing is accepted twice");
                    }
                }
                Step::Deliver { .. } => {}
            }
        }
    }
}
