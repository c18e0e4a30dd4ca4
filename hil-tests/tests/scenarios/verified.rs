//! Key verification where messages are read: what the mailbox says of their senders, and a key that changes.

use std::process::Command;

use hil_tests::process::finish;
use hil_tests::programs::program;
use hil_tests::{Member, Plan, Rig, wait};
use picket_roster::{AuthorityKey, IdentitySecret, PublicKey, Roster};

fn picket(rig: &Rig, member: &Member, args: &[&str]) {
    let mut command = Command::new(program("picket"));
    command.args(args).arg("--json").arg("--home").arg(member.home());
    let end = finish("picket", command, &rig.log("picket"), wait::PROMPT);
    assert_eq!(end.code, 0, "{args:?}: {}", end.err);
}

/// The authority of a mission made without a passphrase.
fn authority(rig: &Rig) -> (AuthorityKey, PublicKey) {
    let file = std::fs::read(rig.mission("authority/authority.key")).unwrap();
    let at = file.windows(8).position(|w| w == b"PKAUTHOR").expect("unprotected");
    let key = (at + 10..=file.len()).find_map(|end| AuthorityKey::from_bytes(&file[at..end]).ok()).unwrap();
    let public = key.public().unwrap();
    (key, public)
}

/// The mission's roster with another agreement key for `name`, of the next version and signed by the authority.
fn other_keys_for(rig: &Rig, name: &str) -> Vec<u8> {
    let (authority, public) = authority(rig);
    let old = Roster::verify(std::fs::read(rig.mission("roster")).unwrap(), &public).unwrap();
    let key = old.by_name(name).unwrap().agreement.0;
    let mut signed = old.bytes()[..old.bytes().len() - 64].to_vec();
    let at = signed.windows(33).position(|w| w == key).unwrap();
    signed[at] ^= 1;
    signed[13] += 1;
    let secret = IdentitySecret::from_bytes(&authority.to_bytes().unwrap()[10..42].try_into().unwrap()).unwrap();
    let signature = secret.sign(b"PICKET-roster", &signed).unwrap();
    [signed, signature.to_vec()].concat()
}

#[test]
fn the_mailbox_says_whether_a_senders_keys_were_compared_and_that_they_changed() {
    let rig = Rig::new("the_mailbox_says_whether_a_senders_keys_were_compared", &["alpha", "bravo"], &["gw1"]);
    let _gw1 = rig.gateway(Plan::new("gw1"));
    let (alpha, bravo) = (rig.member("alpha", "gw1"), rig.member("bravo", "gw1"));
    let id = alpha.send_with("bravo", &["--wait", "custody", "who am I"]).expect(0).id();
    assert_eq!(bravo.inbox().expect(0).lines[0]["key"], "unverified");
    assert_eq!(bravo.read(&id, &[]).expect(0).lines[0]["key"], "unverified");

    picket(&rig, &bravo, &["verify", "alpha", "--confirm"]);
    let verified = bravo.inbox().expect(0);
    assert_eq!(verified.lines[0]["key"], "verified");
    assert!(!verified.end.err.contains("CHANGED"), "{}", verified.end.err);

    let file = rig.path("roster2");
    std::fs::write(&file, other_keys_for(&rig, "alpha")).unwrap();
    picket(&rig, &bravo, &["roster", "import", file.to_str().unwrap()]);
    for outcome in [bravo.inbox().expect(0), bravo.read(&id, &[]).expect(0), bravo.inbox().expect(0)] {
        assert_eq!(outcome.lines[0]["key"], "changed");
        assert!(outcome.end.err.contains("THE KEYS OF alpha CHANGED"), "{}", outcome.end.err);
    }
    picket(&rig, &bravo, &["verify", "alpha", "--confirm"]);
    assert_eq!(bravo.inbox().expect(0).lines[0]["key"], "verified");
}
