#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;

#[path = "../../tests/common/provision.rs"]
mod provision;
use provision::Provisioned;

fn load(p: &Provisioned, state: &Path, name: &str) -> Result<Mission, MissionError> {
    let file = state.join("the.keyfill");
    fs::write(&file, p.keyfill(name)).unwrap();
    Mission::load(name, &file, None, state)
}

#[test]
fn a_keyfill_makes_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    let p = Provisioned::new();
    let [one, two] = ["gw1", "gw2"].map(|g| load(&p, folder.path(), g).unwrap());
    assert_eq!(one.members().len(), 2);
    assert_eq!(one.kind(one.me()), Some(StationKind::Gateway));
    assert_eq!(one.kind(Index(999)), None);
    assert_eq!(one.name(two.me()), "gw2");
    assert_eq!(one.stations(two.me().low()), [two.me()]);
    assert!(one.stations(one.me().low()).is_empty(), "never ourselves");
    // The pairwise key is the same on both sides, and made once.
    let (a, b) = (one.link_key(two.me()).unwrap(), two.link_key(one.me()).unwrap());
    assert_eq!(format!("{:?}", a), format!("{:?}", b));
    assert!(one.link_key(Index(999)).is_none());
    assert_ne!(one.client_id("hq"), one.client_id("other"));
    assert_ne!(one.client_id("hq"), two.client_id("hq"));
}

#[test]
fn another_s_keyfill_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let p = Provisioned::new();
    assert!(matches!(load(&p, folder.path(), "alpha"), Err(MissionError::NotAGateway(_))));
    let file = folder.path().join("gw1.keyfill");
    fs::write(&file, p.keyfill("gw1")).unwrap();
    let other = Mission::load("gw9", &file, None, folder.path()).unwrap_err();
    assert!(other.to_string().contains("belongs to gateway `gw1`"), "{other}");
    let mut damaged = p.keyfill("gw1");
    damaged[40] ^= 1;
    fs::write(&file, damaged).unwrap();
    assert!(matches!(Mission::load("gw1", &file, None, folder.path()), Err(MissionError::Keyfill(..))));
    let absent = folder.path().join("absent");
    assert!(matches!(Mission::load("gw1", &absent, None, folder.path()), Err(MissionError::Unreadable(..))));
}

#[test]
fn the_gateway_s_own_keys_may_be_in_a_file_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let p = Provisioned::new();
    let file = folder.path().join("gw1.keyfill");
    fs::write(&file, p.keyfill_without_secrets("gw1")).unwrap();
    assert!(matches!(Mission::load("gw1", &file, None, folder.path()), Err(MissionError::NoSecrets(_))));
    let secrets = folder.path().join("gw1.secrets");
    fs::write(&secrets, p.secrets("gw1")).unwrap();
    assert!(Mission::load("gw1", &file, Some(&secrets), folder.path()).is_ok());
    fs::write(&secrets, p.secrets("gw2")).unwrap();
    let wrong = Mission::load("gw1", &file, Some(&secrets), folder.path()).unwrap_err();
    assert!(matches!(wrong, MissionError::Keyfill(_, KeyfillError::OtherDevice)));
}

#[test]
fn only_a_strictly_newer_roster_is_put_in_force_and_it_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut p = Provisioned::new();
    let first = p.roster.clone();
    let mut mission = load(&p, folder.path(), "gw1").unwrap();
    assert_eq!(mission.roster_version(), 1);
    assert_eq!(mission.import(first.clone()).unwrap(), 1, "the same again changes nothing");
    let second = p.newer();
    assert_eq!(mission.import(second.clone()).unwrap(), 2);
    let older = mission.import(first).unwrap_err();
    assert_eq!(older.code(), "roster_older");
    let mut forged = p.newer();
    forged[60] ^= 1;
    assert_eq!(mission.import(forged).unwrap_err().code(), "roster_invalid");
    drop(mission);
    assert_eq!(load(&p, folder.path(), "gw1").unwrap().roster_version(), 2, "the kept one is newer than the keyfill's");
    let kept = folder.path().join(ROSTER_FILE);
    let mut damaged = fs::read(&kept).unwrap();
    damaged[100] ^= 0x10;
    fs::write(&kept, damaged).unwrap();
    assert!(matches!(load(&p, folder.path(), "gw1"), Err(MissionError::KeptRoster(..))));
}

#[test]
fn a_roster_without_us_is_not_imported() {
    let folder = tempfile::tempdir().unwrap();
    let mut p = Provisioned::new();
    let mut mission = load(&p, folder.path(), "gw1").unwrap();
    p.draft.remove(mission.me()).unwrap();
    assert_eq!(mission.import(p.newer()).unwrap_err().code(), "roster_revoked");
    assert_eq!(mission.roster_version(), 1);
}

/// Revokes by name: the REVOKE.
fn revocation(p: &mut Provisioned, names: &[&str]) -> Vec<u8> {
    let gone: Vec<Index> = names.iter().map(|name| p.device(name).0).collect();
    p.draft.revoke(&gone).unwrap();
    let roster = Roster::verify(p.newer(), &p.authority.public().unwrap()).unwrap();
    let mut draft = picket_roster::RevokeDraft::new(&p.authority, &roster).unwrap();
    draft.sign(&p.authority, &roster).unwrap();
    draft.bytes().to_vec()
}

#[test]
fn a_kept_revocation_survives_a_restart_and_a_damaged_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut p = Provisioned::new();
    let mut mission = load(&p, folder.path(), "gw1").unwrap();
    let (alpha, bravo) = (p.device("alpha").0, p.device("bravo").0);
    let before = mission.net().mac;
    let object = revocation(&mut p, &["alpha"]);
    let mut forged = object.clone();
    forged[30] ^= 1;
    assert_eq!(mission.revoke(&forged).unwrap_err().code(), "revocation_invalid");
    assert_eq!(mission.revoke(&object).unwrap(), 1);
    assert_eq!(mission.revoke(&object).unwrap_err().code(), "revocation_older");
    assert!(mission.is_revoked(alpha) && mission.kind(alpha).is_none() && mission.link_key(alpha).is_none());
    assert_eq!(mission.name(alpha), "alpha", "for people");
    assert_eq!(mission.kind(bravo), Some(StationKind::Member));
    assert!(mission.net().mac != before && mission.earlier().is_some() && mission.earlier_link_key(bravo).is_some());
    let after = mission.net().mac;
    drop(mission);
    let mission = load(&p, folder.path(), "gw1").unwrap();
    assert_eq!((mission.generation(), mission.net().mac), (1, after));
    assert!(mission.is_revoked(alpha) && mission.earlier().is_none());
    assert_eq!(mission.objects()[0], (object, false));
    let kept = folder.path().join("revocation");
    let mut damaged = fs::read(&kept).unwrap();
    damaged.truncate(60);
    fs::write(&kept, damaged).unwrap();
    assert!(matches!(load(&p, folder.path(), "gw1"), Err(MissionError::KeptNetwork(_))));
}

#[test]
fn a_gateway_that_is_revoked_does_not_start_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut p = Provisioned::new();
    let mut mission = load(&p, folder.path(), "gw1").unwrap();
    let object = revocation(&mut p, &["gw1"]);
    assert_eq!(mission.revoke(&object).unwrap_err().code(), "revoked");
    drop(mission);
    assert!(matches!(load(&p, folder.path(), "gw1"), Err(MissionError::Revoked)));
}
