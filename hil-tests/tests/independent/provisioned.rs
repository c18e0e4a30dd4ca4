//! Sealed keyfills and the authority's log: what the firmware's crates write the second implementation reads, and what
//! was changed it refuses, at the same entry.

use hil_tests::Rng;
use picket_provision::sealed::{self, Issue, Sealed};
use picket_provision::{Act, Chain, Entry, audit, split};
use picket_roster::device::DeviceRequest;
use picket_roster::limits::REQUEST_MAX;
use picket_roster::{AuthorityKey, DeviceSecrets, Kind, Roster, RosterDraft};
use serde_json::{Value, json};

use super::mission::{array, number};
use super::python::Python;
use super::seed;

const ACTS: [Act; 5] = [Act::Enrol, Act::Roster, Act::Keyfill, Act::Revoke, Act::Remove];

#[test]
fn a_sealed_keyfill_opens_in_both_and_no_changed_byte_in_either() {
    let (mut python, mut rng) = (Python::start(), Rng::new(seed() + 700));
    for kind in [Kind::Member, Kind::Gateway, Kind::Member] {
        let authority = AuthorityKey::generate(&array(&mut rng)).unwrap();
        let epochs = if kind == Kind::Member { 1 + number(&mut rng, 14) as u16 } else { 0 };
        let secrets = DeviceSecrets::generate(&array(&mut rng), epochs).unwrap();
        let mut buffer = vec![0; REQUEST_MAX];
        let request = secrets.request("żubr", kind, &mut buffer).unwrap();
        let mut draft = RosterDraft::new("ćwiczenie", 1_798_761_600).unwrap();
        let own = draft.enrol(&DeviceRequest::verify(request).unwrap(), number(&mut rng, 90)).unwrap();
        let roster = draft.sign(&authority, 1_798_761_600).unwrap();
        let roster = Roster::verify(roster, &authority.public().unwrap()).unwrap();
        let keyfill = authority.keyfill(&roster, own, 0, None).unwrap();
        let issue = number(&mut rng, 1 << 30);
        let bytes = sealed::seal(&authority, &roster, own, &keyfill, Issue(issue), &array(&mut rng)).unwrap();
        let parts: Vec<String> = split(&bytes).unwrap().iter().map(|p| p.to_string()).collect();
        let ask = |bytes: &[u8]| {
            json!({ "op": "sealed", "sealed": hex::encode(bytes), "request": hex::encode(request), "parts": parts,
                    "agreement": hex::encode(secrets.agreement().to_bytes().as_slice()) })
        };
        let opened = python.must(&ask(&bytes));
        assert_eq!(opened, json!({ "keyfill": hex::encode(&*keyfill), "issue": issue, "joined": hex::encode(&bytes) }));
        for at in (0..bytes.len()).step_by(5) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << number(&mut rng, 8);
            python.must_refuse(&ask(&changed), "a changed sealed keyfill");
            assert!(Sealed::verify(&changed).map(|s| s.open(&secrets, None)).is_err(), "byte {at}");
        }
    }
}

#[test]
fn a_log_breaks_at_the_same_entry_for_both() {
    let (mut python, mut rng) = (Python::start(), Rng::new(seed() + 800));
    let authority = AuthorityKey::generate(&array(&mut rng)).unwrap();
    let public = authority.public().unwrap();
    let mut log = audit::log_header(&public);
    let mut chain = Chain::begin(&public);
    for n in 0..9u32 {
        let (act, name) = (ACTS[number(&mut rng, 5) as usize], ["alpha", "żubr", "gw-1"][number(&mut rng, 3) as usize]);
        let time = Some(u64::from(number(&mut rng, 1 << 31))).filter(|t| *t > 1 << 30);
        let entry = Entry { number: 0, time, act, name, detail: n, output: array(&mut rng) };
        log.extend(chain.append(&authority, &entry).unwrap());
    }
    let head = chain.head(&authority).unwrap();
    let ask = |log: &[u8]| json!({ "op": "log", "log": hex::encode(log), "head": hex::encode(&head), "authority": hex::encode(public.0) });
    assert_eq!(python.must(&ask(&log))["entries"], 9);
    for _ in 0..200 {
        let mut changed = log.clone();
        match number(&mut rng, 3) {
            0 => changed.truncate(number(&mut rng, log.len() as u32) as usize),
            1 => {
                let at = number(&mut rng, log.len() as u32) as usize;
                changed[at] ^= 1 << number(&mut rng, 8);
            }
            _ => drop(changed.remove(number(&mut rng, log.len() as u32) as usize)),
        }
        let broken = audit::check(&changed, &head, &public).unwrap_err();
        let answer: Value = python.ask(&ask(&changed));
        let why = answer["refused"].as_str().unwrap_or_else(|| panic!("not refused, and ours says {broken}"));
        // What is before the first entry has no number there.
        let same = broken.entry == 0 || why.starts_with(&format!("entry {}:", broken.entry));
        assert!(same, "{why}, and ours: {broken}");
    }
}
