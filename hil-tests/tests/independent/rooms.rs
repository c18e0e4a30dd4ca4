//! Messages to rooms, orders and attestations, both ways.

use picket_roster::{IdentitySecret, Padding};
use picket_seal::room::{Attest, ChainId, RoomId, RoomReceiver, RoomSecret, RoomSender, Settled};
use picket_seal::{Body, Content, Far, Route};
use picket_wire::envelope::{Class, Envelope};
use picket_wire::{Index, Lifetime, Precedence};
use serde_json::{Value, json};

use super::mission::{Mission, NAMES, array, number};
use super::python::Python;
use super::{bytes, seed, world};
use hil_tests::Rng;

const ALPHA: Index = Index(1);

/// A room, and alpha's chain in it.
struct Place {
    id: ChainId,
    secret: RoomSecret,
}

impl Place {
    fn draw(rng: &mut Rng, mission: &Mission) -> Self {
        let epoch = number(rng, 4) + 1;
        let id = ChainId {
            mission: mission.member(0).fill.mission(),
            room: RoomId(array(rng)),
            index: Index(0xC000 | number(rng, 0x3F00) as u16 & 0x3FFE),
            sender: ALPHA,
            generation: 1 + number(rng, 40),
            epoch,
            incarnation: array(rng),
        };
        Self { id, secret: RoomSecret::new(epoch - number(rng, 2).min(epoch), array(rng)) }
    }

    fn question(&self, op: &str, as_: usize, counter: u32) -> Value {
        json!({
            "op": op, "as": NAMES[as_], "mission": hex::encode(self.id.mission.0), "room": hex::encode(self.id.room.0),
            "index": self.id.index.0, "sender": ALPHA.0, "generation": self.id.generation, "epoch": self.id.epoch,
            "incarnation": hex::encode(self.id.incarnation), "secret": hex::encode(*self.secret.to_bytes()),
            "secret_epoch": self.secret.epoch(), "counter": counter,
        })
    }
}

fn identity_secret(mission: &Mission) -> IdentitySecret {
    IdentitySecret::from_bytes(&mission.member(0).secrets.identity().to_bytes()).unwrap()
}

#[test]
fn what_the_firmware_says_in_a_room_the_second_implementation_reads() {
    let (mut python, mut rng) = (Python::start(), Rng::new(seed() + 900));
    let mission = world(&mut rng, &mut python);
    let key = identity_secret(&mission);
    for round in 0..3 {
        let place = Place::draw(&mut rng, &mission);
        let mut chain = RoomSender::begin(&place.secret, place.id).unwrap();
        let mut digests = Vec::new();
        for n in 0..17u32 {
            let lifetime = Lifetime(rng.byte());
            let text = format!("{round} {n}");
            let mut attest = [0; Attest::LEN_MAX];
            let last = n == 16;
            let body = if last {
                let attest = Attest { other: None, first: 0, digests: &digests }.encode(n, &mut attest).unwrap();
                Body::Attest { bytes: attest }
            } else {
                Body::Text(&text)
            };
            let signed = last || rng.chance(0.4);
            let content = Content::new(lifetime, Some(60), body);
            let route = Route { class: Class::Room, precedence: Precedence::Flash, hop_limit: 8, lifetime };
            let padding = if rng.chance(0.5) { Padding::Buckets } else { Padding::Off };
            let mut out = vec![0; 1_024];
            let sealed = chain.seal(&route, &content, signed.then_some(&key), padding, &mut out).unwrap();
            digests.push(sealed.digest);
            let mut asked = place.question("room_open", 1, n);
            asked["envelope"] = hex::encode(sealed.envelope).into();
            let read = python.must(&asked);
            let mut plain = vec![0; 1_024];
            let len = content.encode(Padding::Off, &mut plain).unwrap();
            assert_eq!(read["content"], hex::encode(&plain[..len]));
            assert_eq!((&read["digest"], &read["signed"]), (&hex::encode(sealed.digest).into(), &signed.into()));
            if last {
                let hashes: Vec<String> = digests[..16].iter().map(hex::encode).collect();
                assert_eq!(read["attests"], json!([0, hashes]));
            }
            let mut changed = sealed.envelope.to_vec();
            let at = 10 + number(&mut rng, changed.len() as u32 - 10) as usize;
            changed[at] ^= 1 << number(&mut rng, 8);
            asked["envelope"] = hex::encode(&changed).into();
            python.must_refuse(&asked, "a changed message");
        }
    }
}

#[test]
fn what_the_second_implementation_says_in_a_room_the_firmware_reads() {
    let (mut python, mut rng) = (Python::start(), Rng::new(seed() + 950));
    let mission = world(&mut rng, &mut python);
    let identity = mission.member(1).fill.roster().station(ALPHA).unwrap().identity;
    let place = Place::draw(&mut rng, &mission);
    let mut chain = RoomReceiver::begin(&place.secret, place.id).unwrap();
    let mut held = Vec::new();
    for n in 0..17u32 {
        let (text, last) = (format!("words {n}"), n == 16);
        let mut attest = [0; Attest::LEN_MAX];
        let body = if last {
            Body::Attest { bytes: Attest { other: None, first: 0, digests: &held }.encode(n, &mut attest).unwrap() }
        } else {
            Body::Text(&text)
        };
        let signed = last || rng.chance(0.4);
        let mut plain = vec![0; 1_024];
        let len = Content::new(Lifetime(0xD5), None, body).encode(Padding::Off, &mut plain).unwrap();
        let mut asked = place.question("room_seal", 0, n);
        asked["content"] = hex::encode(&plain[..len]).into();
        for (key, value) in [("signed", json!(signed)), ("padding", json!("steps16")), ("precedence", json!(1))] {
            asked[key] = value;
        }
        (asked["hop_limit"], asked["lifetime"]) = (8.into(), 0xD5.into());
        let sealed = python.must(&asked);
        let envelope = bytes(&sealed["envelope"]);
        let mut out = vec![0; 1_024];
        let opened = chain.open(&Envelope::parse(&envelope).unwrap(), &identity, Far::Refuse, &mut out).unwrap();
        assert_eq!(opened.content, &plain[..len]);
        assert_eq!(hex::encode(opened.digest), sealed["digest"]);
        assert_eq!(opened.settled == Settled::Signed, signed);
        held.push(opened.digest);
    }
}
