//! The second implementation (`hil-tests/independent`, Python, written from `firmware/spec` alone) and the firmware's
//! own crates, held together: what one seals, signs or frames the other reads, and what one refuses the other refuses.
//!
//! Cases come from a seed: `PICKET_SEED`, 1 when it is not set. A failure shows the question at which the two part.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test"
)]

mod extension;
mod frames;
mod mission;
mod provisioned;
mod python;
mod revocations;
mod rooms;
mod rosters;

use hil_tests::Rng;
use mission::{GATEWAY, Letter, Member, Mission, NAMES, array, number};
use picket_wire::Index;
use picket_wire::envelope::Envelope;
use python::Python;
use serde_json::{Value, json};

const MISSIONS: u64 = 3;

fn seed() -> u64 {
    let seed = std::env::var("PICKET_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    eprintln!("PICKET_SEED={seed}");
    seed
}

/// Every pair of members, in both directions.
fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..GATEWAY).flat_map(|a| (0..GATEWAY).map(move |b| (a, b))).filter(|(a, b)| a != b)
}

/// A mission whose members exist on both sides.
fn world(rng: &mut Rng, python: &mut Python) -> Mission {
    let mission = Mission::draw(rng);
    for (name, keyfill) in NAMES.iter().zip(&mission.keyfills) {
        python.must(&json!({ "op": "member", "name": name, "keyfill": hex::encode(keyfill) }));
    }
    mission
}

fn opened(python: &mut Python, n: usize, epoch: u32, envelope: &[u8]) -> Value {
    python.ask(&json!({ "op": "open", "as": NAMES[n], "epoch": epoch, "envelope": hex::encode(envelope) }))
}

/// The same as when it was sealed, as far as the reader can know.
fn assert_same(opened: &Value, sealed: &Value, letter: &Letter, from: Index) {
    for key in ["content", "identity", "delivered", "read"] {
        assert_eq!(opened[key], sealed[key], "{key}: {opened} of {sealed}");
    }
    assert_eq!(opened["fields"], mission::fields(&letter.content.borrow()));
    assert_eq!(opened["from"], from.0);
}

/// Hop byte and lifetime as some custodian left them: no seal covers them.
fn travelled(rng: &mut Rng, envelope: &[u8]) -> Vec<u8> {
    let mut envelope = envelope.to_vec();
    envelope[5] = rng.byte();
    envelope[6] = rng.byte();
    envelope
}

fn bytes(v: &Value) -> Vec<u8> {
    hex::decode(v.as_str().unwrap()).unwrap()
}

/// One message of each byte changed, but for the two that change on the way.
fn changed<'a>(rng: &'a mut Rng, envelope: &'a [u8]) -> impl Iterator<Item = Vec<u8>> + 'a {
    (0..envelope.len()).filter(|at| !(5..=6).contains(at)).map(|at| {
        let mut envelope = envelope.to_vec();
        envelope[at] ^= 1 << number(rng, 8);
        envelope
    })
}

/// The messages of one session: five in the order drawn, the first (which carries enc) first.
fn order(rng: &mut Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..5).collect();
    for n in (2..5).rev() {
        order.swap(n, 1 + number(rng, n as u32) as usize);
    }
    order
}

#[test]
fn what_the_firmware_seals_the_second_implementation_opens() {
    let mut python = Python::start();
    for n in 0..MISSIONS {
        let mut rng = Rng::new(seed() + n);
        let mission = world(&mut rng, &mut python);
        for (a, b) in pairs() {
            let mut from = mission.member(a);
            let to = mission.member(b).index();
            for sid in [0, 1 + number(&mut rng, 15) as u16] {
                firmware_to_python(&mut rng, &mut python, &mission, &mut from, (b, to), sid);
            }
        }
    }
}

fn firmware_to_python(
    rng: &mut Rng,
    python: &mut Python,
    mission: &Mission,
    from: &mut Member<'_>,
    (b, to): (usize, Index),
    sid: u16,
) {
    let prekey = mission.authority;
    let (randomness, letters) = (array(rng), (0..5).map(|_| Letter::draw(rng, prekey)).collect::<Vec<_>>());
    let sealed: Vec<_> = letters.iter().map(|l| from.seal(to, sid, &randomness, l)).collect();
    let first = bytes(&sealed[0]["envelope"]);
    for forged in changed(rng, &first).collect::<Vec<_>>() {
        let answer = opened(python, b, mission.epoch, &forged);
        assert!(answer.get("refused").is_some(), "{} for {}: {answer}", hex::encode(forged), hex::encode(&first));
    }
    for at in order(rng) {
        let envelope = travelled(rng, &bytes(&sealed[at]["envelope"]));
        assert_same(&opened(python, b, mission.epoch, &envelope), &sealed[at], &letters[at], from.index());
        assert!(opened(python, b, mission.epoch, &envelope).get("refused").is_some(), "opened twice");
    }
}

#[test]
fn what_the_second_implementation_seals_the_firmware_opens() {
    let mut python = Python::start();
    for n in 0..MISSIONS {
        let mut rng = Rng::new(seed() + 100 + n);
        let mission = world(&mut rng, &mut python);
        for (a, b) in pairs() {
            let (from, mut to) = (mission.member(a).index(), mission.member(b));
            for sid in [0, 1 + number(&mut rng, 15) as u16] {
                python_to_firmware(&mut rng, &mut python, &mission, (a, from), &mut to, sid);
            }
        }
    }
}

fn python_to_firmware(
    rng: &mut Rng,
    python: &mut Python,
    mission: &Mission,
    (a, from): (usize, Index),
    to: &mut Member<'_>,
    sid: u16,
) {
    let prekey = mission.authority;
    let (randomness, letters) = (array(rng), (0..5).map(|_| Letter::draw(rng, prekey)).collect::<Vec<_>>());
    let ask = |l: &Letter| l.question(a, to.index().0, mission.epoch, sid, randomness);
    let sealed: Vec<_> = letters.iter().map(|l| python.must(&ask(l))).collect();
    let first = bytes(&sealed[0]["envelope"]);
    for forged in changed(rng, &first).collect::<Vec<_>>() {
        assert_eq!(to.open(&forged), None, "{} for {}", hex::encode(&forged), hex::encode(&first));
    }
    for at in order(rng) {
        let envelope = travelled(rng, &bytes(&sealed[at]["envelope"]));
        let opened = to.open(&envelope).unwrap_or_else(|| panic!("refused: {}", sealed[at]));
        assert_same(&opened, &sealed[at], &letters[at], from);
        assert_eq!(to.open(&envelope), None, "opened twice");
    }
}

#[test]
fn both_seal_to_the_same_bytes() {
    let mut python = Python::start();
    let mut rng = Rng::new(seed() + 200);
    let mission = world(&mut rng, &mut python);
    for (a, b) in pairs() {
        let (mut from, to) = (mission.member(a), mission.member(b).index());
        for sid in [0, 1 + number(&mut rng, 15) as u16] {
            let randomness = array(&mut rng);
            // Only these carry enc whether acknowledged or not; the other end repeats it always.
            for _ in 0..3 {
                let letter = Letter::draw(&mut rng, mission.authority);
                let theirs = python.must(&letter.question(a, to.0, mission.epoch, sid, randomness));
                let ours = from.seal(to, sid, &randomness, &letter);
                assert_eq!(ours, theirs);
                assert!(Envelope::parse(&bytes(&ours["envelope"])).is_ok());
            }
        }
    }
}

#[test]
fn the_second_implementation_holds_the_frozen_vectors() {
    let done = python::command("check_vectors.py").output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let held: u32 = said.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
    assert!(held > 4_000, "{said}");
}
