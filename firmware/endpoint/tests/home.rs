//! What a home keeps and forgets: epochs, lifetimes, rosters, copies of itself.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{START_S, World};
use picket_endpoint::testing::RamVault;
use picket_endpoint::{
    BodyError, CannotSeal, ComposeError, CreateError, Endpoint, Event, ImportError, MarkReadError, OpenError, State,
    Upgrade, Vault,
};
use picket_roster::{IdentitySecret, Kind, Roster, UpgradeError};
use picket_wire::Index;
use picket_wire::time::{Duration, Instant};

const S: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// Days pass with everything switched off but the members themselves.
fn days(world: &mut World, n: u64) {
    world.detach(0);
    world.detach(1);
    world.run(DAY.times(n));
    world.attach(0, 0);
    world.attach(1, 0);
    world.run(S.times(5));
}

fn pair(seed: u64) -> World {
    let mut world = World::new(seed);
    world.attach(0, 0);
    world.attach(1, 0);
    world.run(S.times(3));
    world
}

#[test]
fn epochs_change_under_a_running_conversation() {
    let mut world = pair(20);
    for day in 0..5 {
        let there = world.send(0, "bravo", &format!("day {day}"));
        let back = world.send(1, "alpha", &format!("re {day}"));
        world.run(S.times(30));
        assert_eq!((world.state(0, there), world.state(1, back)), (State::Delivered, State::Delivered), "day {day}");
        assert_eq!(world.endpoint(0).epoch(), Some(day));
        days(&mut world, 1);
    }
    assert_eq!(world.endpoint(0).counters().sealed_again, 0);
    assert_eq!(world.endpoint(1).counters().cannot_open, 0);
}

#[test]
fn old_keys_are_gone_from_the_vault_once_an_epoch_is_entered() {
    let mut world = pair(21);
    let before: Vec<u8> = world.endpoint(0).vault_mut().map().values().flatten().copied().collect();
    let seeds = world.mission.secrets[0].seeds(1).unwrap().clone();
    let mut seeds_at_1 = seeds;
    let e = *seeds_at_1.e().unwrap();
    assert!(contains(&before, &e), "the seed of tomorrow is there today");
    days(&mut world, 2);
    let after: Vec<u8> = world.endpoint(0).vault_mut().map().values().flatten().copied().collect();
    assert!(!contains(&after, &e), "and gone once it is used");
    seeds_at_1.erase_er();
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|w| w == part)
}

#[test]
fn without_wall_time_one_epoch_is_entered_a_day_and_lifetimes_count_own_time_only() {
    let mut world = World::new(22);
    world.wall = false;
    for i in 0..2 {
        world.restart_member(i);
        world.member_input(i, picket_endpoint::Input::Wall(None));
    }
    let ttl = Some(S.times(7200));
    let id = world.try_send(0, "bravo", "slow clocks", ttl).unwrap();
    world.run(S.times(3600));
    // Switched off for a day nobody measured.
    world.stop_member(0);
    world.run(DAY);
    world.start_member(0);
    assert_eq!(world.state(0, id), State::Queued);
    world.run(S.times(3700));
    assert_eq!(world.state(0, id), State::Expired);
    let now = world.now;
    assert_eq!(world.endpoint(0).outgoing(now, id).unwrap().steps.last().unwrap().at, None, "time unknown");
    let before = world.endpoint(0).epoch().unwrap();
    world.run(DAY);
    assert_eq!(world.endpoint(0).epoch(), Some(before + 1));
}

#[test]
fn a_lifetime_ends_on_both_ends_and_the_content_goes() {
    let mut world = pair(23);
    let id = world.try_send(0, "bravo", "burn after a minute", Some(S.times(60))).unwrap();
    world.run(S.times(5));
    assert_eq!(world.state(0, id), State::Delivered);
    let held =
        |w: &mut World, i: usize| w.endpoint(i).vault_mut().map().values().any(|v| contains(v, b"burn after a minute"));
    assert!(held(&mut world, 1) && held(&mut world, 0));
    world.run(S.times(61));
    assert!(!held(&mut world, 1) && !held(&mut world, 0));
    assert!(world.texts(1).is_empty());
    let now = world.now;
    assert_eq!(world.endpoint(1).body(now, id), Err(BodyError::NoSuchId(id)));
    assert_eq!(world.endpoint(1).mark_read(now, id), Err(MarkReadError::NoSuchId(id)));
    assert_eq!(world.state(0, id), State::Delivered, "it was delivered, and stays so");
}

#[test]
fn a_message_that_nobody_took_expires_and_its_sender_is_told() {
    let mut world = World::new(24);
    world.attach(0, 0);
    world.run(S.times(3));
    let id = world.try_send(0, "bravo", "in vain", Some(S.times(30))).unwrap();
    world.run(S.times(40));
    assert_eq!(world.state(0, id), State::Expired);
    world.attach(1, 0);
    world.run(S.times(60));
    assert!(world.texts(1).is_empty());
    let told = world.members[0]
        .events
        .iter()
        .any(|e| matches!(e, Event::State { id: i, state: State::Expired, .. } if *i == id));
    assert!(told);
}

#[test]
fn a_restored_home_does_not_use_its_old_keys_again() {
    let mut world = pair(25);
    let backup: RamVault = world.endpoint(0).vault_mut().clone();
    for n in 0..3 {
        world.send(0, "bravo", &format!("before {n}"));
        world.run(S.times(3));
    }
    // Attach a few times more, so that the network has seen what the backup does not know.
    for _ in 0..3 {
        world.attach(0, 0);
        world.run(S.times(3));
    }
    world.stop_member(0);
    world.members[0].vault = Some(backup);
    world.start_member(0);
    world.run_until(S.times(600), |w| w.endpoint(0).attached().is_some());
    assert!(world.endpoint(0).rolled_back());
    assert!(world.members[0].events.contains(&Event::HomeRolledBack));
    let id = world.send(0, "bravo", "after");
    world.run(S.times(10));
    assert_eq!(world.state(0, id), State::Delivered, "in-band at once");
    days(&mut world, 1);
    let id = world.send(0, "bravo", "next day");
    world.run(S.times(10));
    assert_eq!(world.state(0, id), State::Delivered);
    assert_eq!(world.texts(1).len(), 5);
}

#[test]
fn a_recipient_that_lost_its_sessions_asks_and_gets_everything_sealed_again() {
    let mut world = pair(26);
    world.send(0, "bravo", "first");
    world.run(S.times(3));
    world.stop_member(1);
    // Its receive sessions are lost (a damaged sector, say); the seeds they came from are erased long since.
    let vault = world.members[1].vault.as_mut().unwrap();
    let sessions = vault.scan(b"r").unwrap();
    assert!(!sessions.is_empty());
    let changes: Vec<_> = sessions.into_iter().map(|k| (k, None)).collect();
    vault.commit(&changes).unwrap();
    world.start_member(1);
    let id = world.send(0, "bravo", "second");
    world.run_until(S.times(120), |w| w.state(0, id) == State::Delivered);
    assert_eq!(world.texts(1), ["first", "second"]);
    let now = world.now;
    let inbox = world.endpoint(1).inbox(now).unwrap();
    assert_eq!(inbox[1].id, id, "people know it by one id");
    world.mark_read(1, id);
    world.run(S.times(5));
    assert_eq!(world.state(0, id), State::Read);
    assert_eq!(world.endpoint(0).counters().sealed_again, 1);
    let id = world.send(0, "bravo", "third");
    world.run(S.times(5));
    assert_eq!(world.state(0, id), State::Delivered, "the fresh session stays in use");
}

#[test]
fn compose_refuses_by_name_and_changes_nothing() {
    let mut world = World::new(27);
    let commits = world.endpoint(0).vault_mut().commits();
    let d = Duration::from_secs(259_200);
    let refused = |w: &mut World, to: &str, text: &str, ttl| w.try_send(0, to, text, ttl).unwrap_err();
    assert_eq!(refused(&mut world, "dora", "x", None), ComposeError::UnknownRecipient { name: "dora".into() });
    assert_eq!(refused(&mut world, "gw1", "x", None), ComposeError::NotAMember { name: "gw1".into() });
    assert_eq!(refused(&mut world, "alpha", "x", None), ComposeError::Yourself);
    assert_eq!(refused(&mut world, "bravo", "x", Some(d + S)), ComposeError::TtlTooLong { max: d });
    assert_eq!(refused(&mut world, "bravo", "x", Some(Duration::ZERO)), ComposeError::TtlTooShort);
    let long = "y".repeat(picket_endpoint::limits::CONTENT_MAX + 1);
    assert_eq!(refused(&mut world, "bravo", &long, None), ComposeError::TooLarge { bytes: long.len() });
    assert_eq!(world.endpoint(0).vault_mut().commits(), commits);
    world.send(0, "bravo", &long[1..]);
}

#[test]
fn a_message_that_cannot_be_sealed_is_refused_and_never_leaves() {
    let mut world = pair(28);
    let bravo = world.mission.indices[1];
    let vault = world.endpoint(0).vault_mut();
    let [high, low] = bravo.0.to_be_bytes();
    vault.commit(&[(vec![b'p', high, low], None), (vec![b't', high, low], None)]).unwrap();
    let error = world.try_send(0, "bravo", "secret", None).unwrap_err();
    assert_eq!(error, ComposeError::CannotSeal(CannotSeal::NoPsk));
    assert!(error.to_string().contains("keyfill"), "says what to do: {error}");
    // Beyond the last epoch anyone has keys for.
    days(&mut world, 9);
    let error = world.try_send(0, "charlie", "secret", None).unwrap_err();
    assert_eq!(error, ComposeError::CannotSeal(CannotSeal::NoPeerKeys));
    let now = world.now;
    assert!(world.endpoint(0).sent(now).unwrap().is_empty());
}

#[test]
fn rosters_only_go_forward_and_a_newcomer_is_reached() {
    let mut world = pair(29);
    let now = world.now;
    let old = world.mission.roster.clone();
    assert_eq!(world.endpoint(0).import_roster(now, old.clone()), Ok(Upgrade::Same));
    world.mission.enrol("delta", Kind::Member, 8, 0);
    world.mission.sign(START_S + 10);
    let new = world.mission.roster.clone();
    assert_eq!(world.endpoint(0).import_roster(now, new.clone()), Ok(Upgrade::Newer));
    let older = world.endpoint(0).import_roster(now, old);
    assert!(matches!(older, Err(ImportError::Upgrade(UpgradeError::Older { .. }))), "{older:?}");
    let mut damaged = new;
    damaged[40] ^= 1;
    assert!(matches!(world.endpoint(0).import_roster(now, damaged), Err(ImportError::Roster(_))));
    world.restart_member(0);
    assert_eq!(world.endpoint(0).roster().by_name("delta").unwrap().name, "delta", "durable");
    let id = world.send(0, "delta", "welcome");
    assert_eq!(world.state(0, id), State::Queued);
}

#[test]
fn a_newer_roster_with_other_keys_for_us_is_refused_and_so_is_one_with_other_epoch_keys_for_a_peer() {
    let mut world = pair(33);
    let now = world.now;
    let index = |at: usize| world.mission.indices[at];
    let (us, peer) = (index(0), index(1));
    let with = |find: &dyn Fn(&Roster<Vec<u8>>) -> [u8; 33]| {
        let authority = &world.mission.authority;
        let old = Roster::verify(world.mission.roster.clone(), &authority.public().unwrap()).unwrap();
        let (key, mut signed) = (find(&old), old.bytes()[..old.bytes().len() - 64].to_vec());
        let at = signed.windows(33).position(|w| w == key).unwrap();
        // Another point: the same x with the other y.
        signed[at] ^= 1;
        signed[13] += 1;
        assert_eq!(old.version() + 1, u32::from(signed[13]), "the last byte of the version");
        let secret: [u8; 32] = authority.to_bytes().unwrap()[10..42].try_into().unwrap();
        let signature = IdentitySecret::from_bytes(&secret).unwrap().sign(b"PICKET-roster", &signed).unwrap();
        [signed, signature.to_vec()].concat()
    };
    let agreement = |of: Index| move |r: &Roster<Vec<u8>>| r.station(of).unwrap().agreement.0;
    let other_epoch = |of: Index| with(&move |r: &Roster<Vec<u8>>| r.epoch_keys(of, 3).unwrap().r.0);
    let refused = [(other_epoch(us), us), (other_epoch(peer), peer)];
    let (ours, taken, endpoint) = (with(&agreement(us)), with(&agreement(peer)), world.endpoint(0));
    assert_eq!(endpoint.import_roster(now, ours), Err(ImportError::NotOurKeys));
    for (roster, index) in refused {
        let alarm = ImportError::Upgrade(UpgradeError::Keys { index });
        assert_eq!(endpoint.import_roster(now, roster), Err(alarm));
    }
    assert_eq!(endpoint.import_roster(now, taken), Ok(Upgrade::Newer));
}

#[test]
fn homes_are_made_once_and_opened_only_where_they_are_whole() {
    let world = World::new(30);
    let (secrets, fill) = world.mission.home(0);
    let made = Endpoint::create(RamVault::default(), &secrets, &fill, world.now, None).unwrap();
    let vault = made.into_vault();
    let again = Endpoint::create(vault.clone(), &secrets, &fill, world.now, None);
    assert!(matches!(again, Err(CreateError::Exists)));
    let (gateway, gateway_fill) = world.mission.home(3);
    let wrong = Endpoint::create(RamVault::default(), &gateway, &gateway_fill, world.now, None);
    assert!(matches!(wrong, Err(CreateError::NotAMember)));
    let (other, _) = world.mission.home(1);
    assert!(matches!(
        Endpoint::create(RamVault::default(), &other, &fill, world.now, None),
        Err(CreateError::Keyfill(_))
    ));
    assert!(matches!(Endpoint::open(RamVault::default(), world.now, None), Err(OpenError::Missing)));
    let mut newer = vault.clone();
    let mut record = newer.get(b"h").unwrap().unwrap();
    record[9] = 2;
    newer.commit(&[(b"h".to_vec(), Some(record))]).unwrap();
    assert!(matches!(Endpoint::open(newer, world.now, None), Err(OpenError::Newer(2))));
    let mut damaged = vault;
    damaged.commit(&[(b"d".to_vec(), None)]).unwrap();
    assert!(matches!(Endpoint::open(damaged, Instant(0), None), Err(OpenError::Damaged)));
}
