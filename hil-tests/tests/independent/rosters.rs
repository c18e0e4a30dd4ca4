//! Rosters, keyfills, requests, pre-shared keys and claims: both read the same and refuse the same.

use hil_tests::Rng;
use picket_roster::device::DeviceRequest;
use picket_roster::{Keyfill, Kind, Roster, sign_claim, verify_claim};
use picket_wire::Index;
use picket_wire::control::{Claim, Signature};
use serde_json::{Value, json};

use super::mission::{GATEWAY, Mission, NAMES, number};
use super::python::Python;
use super::{bytes, pairs, seed, world};

fn flipped(rng: &mut Rng, bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1 << number(rng, 8);
    bytes
}

fn ask_roster(mission: &Mission, roster: &[u8]) -> Value {
    json!({ "op": "roster", "roster": hex::encode(roster), "authority": hex::encode(mission.authority.0) })
}

fn ask(op: &str, bytes: &[u8]) -> Value {
    json!({ "op": op, op: hex::encode(bytes) })
}

#[test]
fn a_roster_means_the_same_to_both_and_no_changed_byte_is_accepted_by_either() {
    let (mut python, mut rng) = (Python::start(), Rng::new(seed() + 300));
    let mission = Mission::draw(&mut rng);
    let view = Roster::verify(mission.roster.as_slice(), &mission.authority).unwrap();
    let stations: Vec<_> = view
        .stations()
        .map(|s| {
            let (identity, agreement) = (hex::encode(s.identity.0), hex::encode(s.agreement.0));
            let window = [s.first_epoch, s.listed_from, s.epochs.into(), s.replaced.into()];
            json!([
                s.index.0,
                s.kind == Kind::Gateway,
                s.name,
                identity,
                agreement,
                window[0],
                window[1],
                window[2],
                window[3]
            ])
        })
        .collect();
    let expected = json!({
        "mission": hex::encode(view.mission().0), "name": view.mission_name(), "version": view.version(),
        "hash": hex::encode(view.hash()), "next_index": view.next_index(), "stations": stations,
    });
    assert_eq!(python.must(&ask_roster(&mission, &mission.roster)), expected);
    for at in 0..mission.roster.len() {
        let changed = flipped(&mut rng, &mission.roster, at);
        python.must_refuse(&ask_roster(&mission, &changed), "a changed roster");
        assert!(Roster::verify(changed.as_slice(), &mission.authority).is_err(), "byte {at}");
    }
}

#[test]
fn keyfills_and_requests_mean_the_same_to_both() {
    let (mut python, mut rng) = (Python::start(), Rng::new(seed() + 400));
    let mission = Mission::draw(&mut rng);
    for (n, keyfill) in mission.keyfills.iter().enumerate() {
        let fill = Keyfill::open(keyfill).unwrap();
        let expected = json!({
            "index": fill.own().0, "generation": fill.generation(), "network_key": hex::encode(fill.network_key()),
        });
        assert_eq!(python.must(&ask("keyfill", keyfill)), expected);
        let request = DeviceRequest::verify(&mission.requests[n]).unwrap();
        let expected = json!({
            "name": request.name, "gateway": request.kind == Kind::Gateway, "epochs": request.epochs(),
            "identity": hex::encode(request.identity.0),
        });
        assert_eq!(python.must(&ask("request", &mission.requests[n])), expected);
    }
    let (keyfill, request) = (&mission.keyfills[1], &mission.requests[1]);
    for at in (0..keyfill.len()).step_by(13) {
        let changed = flipped(&mut rng, keyfill, at);
        python.must_refuse(&ask("keyfill", &changed), "a damaged keyfill");
        assert!(Keyfill::open(&changed).is_err(), "byte {at}");
    }
    for at in 0..request.len() {
        let changed = flipped(&mut rng, request, at);
        python.must_refuse(&ask("request", &changed), "a changed request");
        assert!(DeviceRequest::verify(&changed).is_err(), "byte {at}");
    }
}

#[test]
fn pre_shared_keys_are_the_same_to_both_in_every_epoch() {
    let (mut python, mut rng) = (Python::start(), Rng::new(seed() + 500));
    let mission = world(&mut rng, &mut python);
    for (a, b) in pairs() {
        let (member, peer) = (mission.member(a), Index(b as u16 + 1));
        let station = member.fill.roster().station(peer).unwrap();
        let from = member.fill.owner().unwrap().first_epoch.max(station.first_epoch);
        for epoch in [from, from + 1, from + 5] {
            let ours = member.fill.psk(&station).unwrap().at(epoch).unwrap();
            let theirs = python.must(&json!({ "op": "psk", "as": NAMES[a], "peer": peer.0, "epoch": epoch }));
            assert_eq!(theirs["psk"], hex::encode(*ours));
        }
        let before = json!({ "op": "psk", "as": NAMES[a], "peer": peer.0, "epoch": from.wrapping_sub(1) });
        python.must_refuse(&before, "a key of an epoch before the pair's first");
    }
    let gateway = Index(GATEWAY as u16 + 1);
    python
        .must_refuse(&json!({ "op": "psk", "as": NAMES[0], "peer": gateway.0, "epoch": mission.epoch }), "a gateway's");
}

#[test]
fn claims_of_either_convince_the_other() {
    let (mut python, mut rng) = (Python::start(), Rng::new(seed() + 600));
    let mission = world(&mut rng, &mut python);
    let gateway = Index(GATEWAY as u16 + 1);
    for (n, name) in NAMES.iter().enumerate().take(GATEWAY) {
        let (member, sequence) = (mission.member(n), rng.next_u64() as u32);
        let (own, id) = (member.index(), member.fill.mission());
        let ours = sign_claim(member.secrets.identity(), id, own, gateway, sequence).unwrap();
        let claim = |member: u16, sequence: u32, signature: &[u8]| {
            json!({
                "op": "claim", "as": NAMES[0], "member": member, "gateway": gateway.0, "sequence": sequence,
                "signature": hex::encode(signature),
            })
        };
        python.must(&claim(own.0, sequence, &ours.signature.0));
        python.must_refuse(&claim(own.0, sequence ^ 1, &ours.signature.0), "another sequence");
        python.must_refuse(&claim(own.0 % 3 + 1, sequence, &ours.signature.0), "another member");
        for at in 0..64 {
            let changed = flipped(&mut rng, &ours.signature.0, at);
            python.must_refuse(&claim(own.0, sequence, &changed), "a changed signature");
        }
        let asked = json!({ "op": "claim", "as": name, "gateway": gateway.0, "sequence": sequence });
        let theirs: [u8; 64] = bytes(&python.must(&asked)["signature"]).try_into().unwrap();
        let identity = member.fill.owner().unwrap().identity;
        let claim = Claim { member: own, gateway, sequence, signature: Signature(theirs) };
        assert!(verify_claim(&claim, id, &identity).is_ok());
        assert!(verify_claim(&Claim { sequence: sequence ^ 1, ..claim }, id, &identity).is_err());
    }
}
