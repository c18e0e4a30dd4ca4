//! Revocations: what either makes the other verifies and opens, for whoever stays, whatever the tree and whoever signs.

use hil_tests::Rng;
use picket_roster::device::DeviceRequest;
use picket_roster::limits::REQUEST_MAX;
use picket_roster::{
    AuthorityKey, DeviceSecrets, Kind, OpenError, PublicKey, Revoke, RevokeDraft, RevokerSecret, Roster, RosterDraft,
};
use picket_wire::Index;
use serde_json::{Value, json};

use super::mission::{array, number};
use super::python::Python;
use super::{bytes, seed};

const START: u64 = 1_798_761_600;
const MISSIONS: u64 = 8;

/// A mission of which some are revoked.
struct Revoked {
    authority: AuthorityKey,
    public: PublicKey,
    /// Who signs: none where the authority does alone.
    revokers: Vec<RevokerSecret>,
    /// Those of the revokers that do, as counted from 1.
    signers: Vec<u8>,
    /// The roster that stands while the REVOKE spreads, and the one made with it.
    before: Roster<Vec<u8>>,
    after: Roster<Vec<u8>>,
}

impl Revoked {
    /// Gateways: they have no epoch keys, and are quick to make.
    fn draw(rng: &mut Rng) -> Self {
        let authority = AuthorityKey::generate(&array(rng)).unwrap();
        let public = authority.public().unwrap();
        let mut draft = RosterDraft::new("ćwiczenie", START).unwrap();
        let stations = 2 + number(rng, 30);
        for n in 0..stations {
            let secrets = DeviceSecrets::generate(&array(rng), 0).unwrap();
            let mut out = vec![0; REQUEST_MAX];
            let request = secrets.request(&format!("g{n}"), Kind::Gateway, &mut out).unwrap();
            draft.enrol(&DeviceRequest::verify(request).unwrap(), 0).unwrap();
        }
        let revokers: Vec<_> = (0..number(rng, 4)).map(|_| RevokerSecret::generate(&array(rng)).unwrap()).collect();
        let k = revokers.len().div_ceil(2);
        if k > 0 {
            draft.set_revokers(k as u8, revokers.iter().map(|r| r.public().unwrap()).collect()).unwrap();
        }
        let signers = (1..=revokers.len() as u8).rev().take(k).rev().collect();
        let sign = |draft: &mut RosterDraft| Roster::verify(draft.sign(&authority, START).unwrap(), &public).unwrap();
        let before = sign(&mut draft);
        let share = number(rng, 60) + 5;
        let gone: Vec<_> = (1..=stations as u16).map(Index).filter(|_| number(rng, 100) < share).collect();
        draft.revoke(&gone).unwrap();
        let after = sign(&mut draft);
        Self { authority, public, revokers, signers, before, after }
    }

    /// The firmware's.
    fn ours(&self) -> Vec<u8> {
        let mut draft = RevokeDraft::new(&self.authority, &self.after).unwrap();
        if self.signers.is_empty() {
            draft.sign(&self.authority, &self.after).unwrap();
        }
        for n in &self.signers {
            draft.cosign(&self.revokers[usize::from(*n) - 1], &self.after).unwrap();
        }
        draft.bytes().to_vec()
    }

    /// The second implementation's.
    fn theirs(&self, python: &mut Python) -> Vec<u8> {
        let file = self.authority.to_bytes().unwrap();
        let key = |n: &u8| {
            let secret = self.revokers[usize::from(*n) - 1].to_bytes();
            json!([n, hex::encode(&secret[secret.len() - 32..])])
        };
        let mut signers: Vec<Value> = self.signers.iter().map(key).collect();
        if signers.is_empty() {
            signers.push(json!([0, hex::encode(&file[10..42])]));
        }
        let revoked: Vec<u16> = self.after.revoked().as_slice().iter().map(|i| i.0).collect();
        let made = python.must(&json!({
            "op": "revoke", "root": hex::encode(&file[74..]), "signers": signers, "mission": self.mission(),
            "generation": self.after.generation(), "roster_version": self.after.version(),
            "next_index": self.after.next_index(), "revoked": revoked,
        }));
        bytes(&made["revoke"])
    }

    fn mission(&self) -> String {
        hex::encode(self.after.mission().0)
    }

    fn stations(&self) -> impl Iterator<Item = Index> {
        self.before.stations().map(|s| s.index)
    }

    /// What station `own` asks of the second implementation.
    fn question(&self, revoke: &[u8], own: Index) -> Value {
        let keys = |r: &RevokerSecret| hex::encode(r.public().unwrap().0);
        json!({
            "op": "revoke_open", "revoke": hex::encode(revoke), "mission": self.mission(),
            "authority": hex::encode(self.public.0), "own": own.0,
            "k": self.signers.len(), "revokers": self.revokers.iter().map(keys).collect::<Vec<_>>(),
            "paths": hex::encode(self.authority.paths(own, 0).to_bytes()),
        })
    }

    /// The network key that `own` comes to by the firmware's crates; none when it is revoked.
    fn opened(&self, revoke: &[u8], own: Index) -> Option<[u8; 32]> {
        let revoke = Revoke::verify(revoke, &self.before).unwrap();
        match revoke.open(own, &self.authority.paths(own, 0)) {
            Ok(seed) => Some(*seed.network_key(revoke.generation())),
            Err(why) => {
                assert_eq!(why, OpenError::Revoked, "{own:?}");
                None
            }
        }
    }
}

#[test]
fn a_revocation_made_by_either_brings_everybody_else_to_the_same_network_key() {
    let mut python = Python::start();
    for n in 0..MISSIONS {
        let case = Revoked::draw(&mut Rng::new(seed() + 900 + n));
        let (ours, theirs) = (case.ours(), case.theirs(&mut python));
        let signed = ours.len() - 1 - 65 * case.signers.len().max(1);
        assert_eq!(hex::encode(&ours[..signed]), hex::encode(&theirs[..signed]), "all but the signatures");
        let next = case.authority.network_key(case.after.generation());
        for own in case.stations() {
            let expected = (!case.after.revoked().contains(own)).then_some(*next);
            assert_eq!(case.opened(&theirs, own), expected, "{own:?}, made by the second implementation");
            let answer = python.ask(&case.question(&ours, own));
            match expected {
                Some(key) => assert_eq!(answer, json!({ "network_key": hex::encode(key) }), "{own:?}"),
                None => assert!(answer.get("refused").is_some(), "{own:?}: {answer}"),
            }
        }
    }
}

#[test]
fn no_changed_byte_of_a_revocation_is_accepted_by_either() {
    let mut python = Python::start();
    for n in 0..MISSIONS {
        let mut rng = Rng::new(seed() + 1_000 + n);
        let case = Revoked::draw(&mut rng);
        let theirs = case.theirs(&mut python);
        let stays = case.stations().find(|own| !case.after.revoked().contains(*own)).unwrap_or(Index(1));
        for at in (0..theirs.len()).step_by(3) {
            let mut changed = theirs.clone();
            changed[at] ^= 1 << number(&mut rng, 8);
            python.must_refuse(&case.question(&changed, stays), "a changed revocation");
            assert!(Revoke::verify(changed, &case.before).is_err(), "byte {at}");
        }
    }
}
