//! A newer keyfill for a home that has one (spec §70.12).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{START_S, World};
use picket_endpoint::{ComposeError, ImportError, RefillError, State, Upgrade, Vault};
use picket_roster::{KeyfillError, Kind, UpgradeError};
use picket_wire::time::Duration;

const S: Duration = Duration::from_secs(1);

#[test]
fn a_newer_keyfill_brings_the_keys_that_nothing_else_can() {
    let mut world = World::new(60);
    world.attach(0, 0);
    world.attach(2, 0);
    world.run(S.times(3));
    // Charlie's key with alpha, who was enrolled earlier, is gone: no roster brings it back.
    let alpha = world.mission.indices[0].0.to_be_bytes();
    let names = [vec![b'p', alpha[0], alpha[1]], vec![b't', alpha[0], alpha[1]], vec![b'u', alpha[0], alpha[1], 0]];
    let gone: Vec<_> = names.into_iter().map(|name| (name, None)).collect();
    world.endpoint(2).vault_mut().commit(&gone).unwrap();
    assert!(matches!(world.try_send(2, "alpha", "x", None), Err(ComposeError::CannotSeal(_))));

    world.mission.enrol("delta", Kind::Member, 8, 0);
    world.mission.sign(START_S + 10);
    let (now, (_, keyfill)) = (world.now, world.mission.home(2));
    let done = world.endpoint(2).refill(now, &keyfill).unwrap();
    assert_eq!((done.roster, done.peers, done.generation), (Upgrade::Newer, 1, None), "delta's comes with the roster");
    let again = world.endpoint(2).refill(now, &keyfill).unwrap();
    assert_eq!((again.roster, again.peers), (Upgrade::Same, 0), "nothing that is here is replaced");
    world.restart_member(2);
    world.attach(2, 0);
    let id = world.send(2, "alpha", "there you are");
    world.run_until(S.times(120), |w| w.state(2, id) == State::Delivered);
    world.send(2, "delta", "welcome");
}

#[test]
fn a_keyfill_of_another_device_or_an_older_one_is_refused() {
    let mut world = World::new(61);
    let now = world.now;
    let (_, own) = world.mission.home(0);
    let (_, other) = world.mission.home(1);
    let refused = world.endpoint(0).refill(now, &other);
    assert_eq!(refused, Err(RefillError::Keyfill(KeyfillError::OtherDevice)));
    world.mission.enrol("delta", Kind::Member, 8, 0);
    world.mission.sign(START_S + 10);
    let roster = world.mission.roster.clone();
    world.endpoint(0).import_roster(now, roster).unwrap();
    let older = world.endpoint(0).refill(now, &own);
    assert!(matches!(older, Err(RefillError::Roster(ImportError::Upgrade(UpgradeError::Older { .. })))), "{older:?}");
}

#[test]
fn a_home_without_path_keys_gets_them_with_a_keyfill_and_then_follows() {
    let mut world = World::new(62);
    world.endpoint(0).vault_mut().commit(&[(b"Np".to_vec(), None)]).unwrap();
    let (now, (_, keyfill)) = (world.now, world.mission.home(0));
    world.endpoint(0).refill(now, &keyfill).unwrap();
    let object = world.mission.revoke(&[2], START_S + 10);
    assert_eq!(world.endpoint(0).import_revocation(now, object), Ok(1));
}
