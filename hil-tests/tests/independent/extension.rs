//! Requests for further epochs and rosters that list them: both read the same, refuse the same, and write the same bytes
//! before the signature.

use hil_tests::Rng;
use picket_roster::limits::EXTENSION_MAX;
use picket_roster::{
    AuthorityKey, DeviceRequest, DeviceSecrets, Extension, ExtensionRequest, Kind, Roster, RosterDraft,
};
use picket_wire::Index;
use serde_json::json;

use super::mission::{array, number};
use super::python::Python;
use super::{bytes, seed};

const START: u64 = 1_798_761_600;

#[test]
fn requests_for_epochs_mean_the_same_to_both_and_so_do_the_rosters_that_list_them() {
    let (mut python, mut rng) = (Python::start(), Rng::new(seed() + 800));
    for _ in 0..4 {
        let authority = AuthorityKey::generate(&array(&mut rng)).unwrap();
        let (public, mission) = (authority.public().unwrap(), authority.mission().unwrap());
        let mut draft = RosterDraft::new("ćwiczenie", START).unwrap();
        let (enrolled, made) = (number(&mut rng, 90), 1 + number(&mut rng, 9));
        let mut members = Vec::new();
        for name in ["żubr", "łoś"] {
            let secrets = DeviceSecrets::generate(&array(&mut rng), made as u16).unwrap();
            let mut buffer = vec![0; picket_roster::limits::REQUEST_MAX];
            let request = secrets.request(name, Kind::Member, &mut buffer).unwrap();
            draft.enrol(&DeviceRequest::verify(request).unwrap(), enrolled).unwrap();
            members.push(secrets);
        }
        let roster = hex::encode(draft.sign(&authority, START).unwrap());
        let authority_key = hex::encode(public.0);

        let (first, count) = (enrolled + made, 1 + number(&mut rng, 20));
        let (own, secret) = (Index(1 + number(&mut rng, 2) as u16), array(&mut rng));
        let identity = members[usize::from(own.0) - 1].identity();
        let pending = Extension::new(&secret, first, count as u16).unwrap();
        let mut buffer = vec![0; EXTENSION_MAX];
        let request = pending.request(identity, mission, own, &mut buffer).unwrap().to_vec();
        let ask = |request: &[u8]| json!({ "op": "extend", "request": hex::encode(request), "roster": roster, "authority": authority_key });
        let keys: Vec<String> = pending.epochs().map(|e| hex::encode(pending.public(e).unwrap().to_bytes())).collect();
        assert_eq!(python.must(&ask(&request)), json!({ "own": own.0, "first": first, "keys": keys }));
        let theirs = json!({
            "op": "extend", "identity": hex::encode(identity.to_bytes()), "mission": hex::encode(mission.0), "own": own.0,
            "first": first, "count": count, "secret": hex::encode(secret),
        });
        let theirs = bytes(&python.must(&theirs)["request"]);
        assert_eq!(theirs[..theirs.len() - 64], request[..request.len() - 64]);
        let verify = |bytes: &[u8]| {
            ExtensionRequest::verify(bytes, mission, |index| draft.identity_of(index)).map(|read| read.first)
        };
        assert_eq!((verify(&theirs), verify(&request)), (Ok(first), Ok(first)));
        for at in (0..request.len()).step_by(3) {
            let mut changed = request.clone();
            changed[at] ^= 1 << number(&mut rng, 8);
            python.must_refuse(&ask(&changed), "a changed request for epochs");
            assert!(verify(&changed).is_err(), "byte {at}");
        }

        let now = first + number(&mut rng, count);
        let read = ExtensionRequest::verify(&request, mission, |index| draft.identity_of(index)).unwrap();
        draft.extend(&read, now, false).unwrap();
        let signed = draft.sign(&authority, START).unwrap();
        let view = Roster::verify(signed.as_slice(), &public).unwrap();
        let answer =
            python.must(&json!({ "op": "roster", "roster": hex::encode(&signed), "authority": authority_key }));
        for (s, theirs) in view.stations().zip(answer["stations"].as_array().unwrap()) {
            let window = [s.first_epoch, s.listed_from, s.epochs.into(), s.replaced.into()];
            assert_eq!(theirs.as_array().unwrap()[5..], window.map(|n| json!(n)));
        }
    }
}
