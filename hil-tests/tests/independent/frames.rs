//! Hop frames: mask, MAC and bodies. Between alpha and the gateway, in both directions.

use hil_tests::Rng;
use picket_roster::link_key;
use picket_wire::Index;
use picket_wire::frame::{Around, FragmentHead, Head, Kind, Mask, decode_body};
use picket_wire::keys::NetKeys;
use serde_json::{Value, json};

use super::mission::{GATEWAY, Letter, Mission, NAMES, array, number};
use super::python::Python;
use super::{bytes, seed, world};

const ALPHA: Index = Index(1);
const GW: Index = Index(GATEWAY as u16 + 1);

/// What is around one frame, and the keys of one generation.
struct Way {
    net: NetKeys,
    toward: [u8; 32],
    back: [u8; 32],
    generation: u8,
}

impl Way {
    fn draw(rng: &mut Rng, mission: &Mission) -> Self {
        let generation = rng.byte();
        let alpha = mission.member(0);
        let peer = alpha.fill.roster().station(GW).unwrap().agreement;
        let pair = link_key(alpha.secrets.agreement(), &peer, alpha.fill.mission(), generation).unwrap();
        let net = NetKeys::derive(alpha.fill.network_key(), generation);
        Self { net, toward: pair.toward(ALPHA, GW), back: pair.toward(GW, ALPHA), generation }
    }

    fn question(&self, op: &str, as_: usize, to: u8, around: &[Vec<u8>; 2]) -> Value {
        let peer = if as_ == 0 { GW } else { ALPHA };
        json!({
            "op": op, "as": NAMES[as_], "peer": peer.0, "generation": self.generation, "to": to,
            "prefix": hex::encode(&around[0]), "suffix": hex::encode(&around[1]),
        })
    }
}

/// A body that a frame of this kind may carry.
fn body(rng: &mut Rng, mission: &Mission, kind: Kind) -> Vec<u8> {
    match kind {
        Kind::Envelope => {
            let letter = Letter::draw(rng, mission.authority);
            let sealed = mission.member(0).seal(Index(2), 3, &array(rng), &letter);
            bytes(&sealed["envelope"])
        }
        Kind::Fragment => {
            let (symbol, count) = (1 + number(rng, 40), 1 + number(rng, 3));
            let head = FragmentHead {
                prefix: number(rng, 0x1_0000) as u16,
                turn: rng.chance(0.5),
                esi: number(rng, 1_000) as u16,
                hop_limit: number(rng, 16) as u8,
                round: number(rng, 4) as u8,
                total: 22 + number(rng, 100 * symbol),
                symbol: symbol as u8,
                lifetime: picket_wire::Lifetime(rng.byte()),
            };
            [head.bytes().to_vec(), rng.bytes((symbol * count) as usize)].concat()
        }
        Kind::Control | Kind::Signed => {
            let prefix: [u8; 2] = array(rng);
            match number(rng, 3) {
                0 => [&[5], &prefix[..]].concat(),
                1 => [&[6], &prefix[..], &rng.bytes(8)].concat(),
                _ => [&[8, number(rng, 128) as u8, number(rng, 16) as u8], &rng.bytes(8)[..], &[1], &rng.bytes(8)]
                    .concat(),
            }
        }
    }
}

#[test]
fn frames_of_either_are_the_others_and_no_changed_byte_passes() {
    let (mut python, mut rng) = (Python::start(), Rng::new(seed() + 700));
    let mission = world(&mut rng, &mut python);
    for round in 0..60 {
        let way = Way::draw(&mut rng, &mission);
        let kind = [Kind::Envelope, Kind::Fragment, Kind::Control][round % 3];
        let body = body(&mut rng, &mission, kind);
        let everyone = rng.chance(0.3);
        let (to, key) = if everyone { (0xFF, way.net.mac) } else { (GW.low(), way.toward) };
        let around = [rng.bytes(2 * (round % 2)), rng.bytes(17 * (round % 4 / 2))];
        let mask = Mask::new(&way.net);
        let mut out = vec![0; 2_048];
        let head = Head { kind, to, from: ALPHA.low() };
        let outside = Around { prefix: &around[0], suffix: &around[1] };
        let len = mask.seal(&mut out, head, &[&body], &key, outside).unwrap();
        let ours = &out[..len];

        let mut asked = way.question("frame", 0, to, &around);
        asked["kind"] = (round % 3).into();
        asked["body"] = hex::encode(&body).into();
        assert_eq!(python.must(&asked)["frame"], hex::encode(ours));

        let mut asked = way.question("unframe", GATEWAY, to, &around);
        asked["frame"] = hex::encode(ours).into();
        let read = python.must(&asked);
        assert_eq!(read, json!({ "kind": round % 3, "to": to, "from": ALPHA.low(), "body": hex::encode(&body) }));
        assert!(decode_body(kind, &body).is_ok());
        for at in 0..ours.len() {
            let mut changed = ours.to_vec();
            changed[at] ^= 1 << number(&mut rng, 8);
            asked["frame"] = hex::encode(&changed).into();
            python.must_refuse(&asked, "a changed frame");
            let passed = mask.unmask(&mut changed).is_ok_and(|f| f.authenticate(&key, outside).is_ok());
            assert!(!passed, "byte {at} of {}", hex::encode(ours));
        }
        // Thrown back, it is not the neighbour's.
        let mut thrown = ours.to_vec();
        assert!(mask.unmask(&mut thrown).unwrap().authenticate(&way.back, outside).is_err());
    }
}
