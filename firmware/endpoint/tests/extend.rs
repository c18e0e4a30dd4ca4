//! Keys of further epochs: pending at the device, listed by the authority, in force (spec §70.11).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{START_S, World};
use picket_endpoint::testing::{Crash, RamVault};
use picket_endpoint::{Endpoint, Event, ExtendError, Extending, ImportError, State, Upgrade};
use picket_roster::{ExtensionRequest, UpgradeError};
use picket_wire::time::Duration;

const S: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

fn pair(seed: u64) -> World {
    let mut world = World::new(seed);
    world.attach(0, 0);
    world.attach(1, 0);
    world.run(S.times(3));
    world
}

/// Days pass with everything switched off but the members themselves.
fn days(world: &mut World, n: u64) {
    world.detach(0);
    world.detach(1);
    world.run(DAY.times(n));
    world.attach(0, 0);
    world.attach(1, 0);
    world.run(S.times(5));
}

fn ask(world: &mut World, who: usize, count: Option<u16>) -> Result<Extending, ExtendError> {
    let now = world.now;
    let (members, rng) = (&mut world.members, &mut world.rng);
    members[who].endpoint.as_mut().unwrap().extend(now, count, &mut |out: &mut [u8]| rng.fill(out))
}

/// The authority lists what was asked for, in the epoch of now.
fn list(world: &mut World, request: &[u8], replace: bool) -> Result<(), picket_roster::ExtendError> {
    let current = u32::try_from(world.now.0 / DAY.as_micros()).unwrap();
    let draft = &mut world.mission.draft;
    let mission = world.mission.authority.mission().unwrap();
    let read = ExtensionRequest::verify(request, mission, |index| draft.identity_of(index)).unwrap();
    draft.extend(&read, current, replace)?;
    world.mission.sign(START_S + world.now.0 / 1_000_000);
    Ok(())
}

fn import(world: &mut World, who: usize) -> Result<Upgrade, ImportError> {
    let (now, roster) = (world.now, world.mission.roster.clone());
    world.endpoint(who).import_roster(now, roster)
}

#[test]
fn messages_go_on_pre_placed_in_epochs_that_no_first_roster_had() {
    let mut world = pair(40);
    // Eight epochs were made at first.
    let request = ask(&mut world, 0, Some(20)).unwrap();
    assert_eq!((request.epochs.clone(), request.again), (8..28, false));
    assert_eq!(world.endpoint(0).own_epochs().unwrap(), (0..8, Some(8..28)));
    list(&mut world, &request.request, false).unwrap();
    let other = ask(&mut world, 1, None).unwrap();
    assert_eq!(other.epochs, 8..60, "as many as are usual");
    list(&mut world, &other.request, false).unwrap();
    for who in 0..2 {
        assert_eq!(import(&mut world, who), Ok(Upgrade::Newer));
    }
    assert_eq!(world.endpoint(0).own_epochs().unwrap(), (0..28, None));
    days(&mut world, 10);
    assert_eq!(world.endpoint(0).epoch(), Some(10));
    let (there, back) = (world.send(0, "bravo", "there"), world.send(1, "alpha", "back"));
    let now = world.now;
    for (who, id) in [(0, there), (1, back)] {
        assert!(!has_enc(&mut world, who), "pre-placed: no key travels");
        world.run(S.times(10));
        assert_eq!(world.state(who, id), State::Delivered);
        assert_eq!(world.endpoint(who).counters().cannot_open, 0);
        assert!(world.endpoint(who).few_keys(now).is_none());
    }
}

/// Whether the last envelope of this member carries a key: bytes of the extension make it longer.
fn has_enc(world: &mut World, who: usize) -> bool {
    let vault = world.endpoint(who).vault_mut();
    let envelopes: Vec<usize> = vault.map().iter().filter(|(k, _)| k.starts_with(b"e")).map(|(_, v)| v.len()).collect();
    envelopes.iter().any(|len| *len > 70)
}

#[test]
fn a_request_is_given_again_until_a_roster_lists_it() {
    let mut world = pair(41);
    let first = ask(&mut world, 0, Some(20)).unwrap();
    world.restart_member(0);
    let again = ask(&mut world, 0, None).unwrap();
    assert_eq!((&again.request, again.again), (&first.request, true), "durable, and the very same");
    assert_eq!(ask(&mut world, 0, Some(20)).unwrap().request, first.request);
    assert_eq!(ask(&mut world, 0, Some(21)), Err(ExtendError::Pending { epochs: 8..28 }));
    list(&mut world, &first.request, false).unwrap();
    assert_eq!(list(&mut world, &again.request, false), Err(picket_roster::ExtendError::Nothing { end: 28 }));
    import(&mut world, 0).unwrap();
    // What follows now follows that.
    assert_eq!(ask(&mut world, 0, Some(1)).unwrap().epochs, 28..29);
    days(&mut world, 30);
    assert_eq!(ask(&mut world, 0, Some(1)).unwrap().epochs, 28..31, "its only epoch is over: another one is made");
    days(&mut world, 30);
    assert_eq!(ask(&mut world, 0, Some(65)), Err(ExtendError::TooMany { most: 64 }));
    assert_eq!(ask(&mut world, 0, None).unwrap().epochs, 60..120, "all are long over: from now on");
}

#[test]
fn a_device_has_keys_for_at_most_64_epochs_at_once() {
    let mut world = pair(42);
    assert_eq!(ask(&mut world, 0, Some(57)), Err(ExtendError::TooMany { most: 56 }));
    let request = ask(&mut world, 0, Some(56)).unwrap();
    list(&mut world, &request.request, false).unwrap();
    import(&mut world, 0).unwrap();
    assert_eq!(ask(&mut world, 0, None), Err(ExtendError::Enough { end: 64 }));
    assert_eq!(ask(&mut world, 0, Some(1)), Err(ExtendError::TooMany { most: 0 }));
    // 20 days later 17 epochs are over for good: the window moves.
    days(&mut world, 20);
    let request = ask(&mut world, 0, Some(17)).unwrap();
    list(&mut world, &request.request, false).unwrap();
    import(&mut world, 0).unwrap();
    assert_eq!(world.endpoint(0).own_epochs().unwrap(), (17..81, None));
    import(&mut world, 1).unwrap();
    let id = world.send(1, "alpha", "still here");
    world.run(S.times(10));
    assert_eq!(world.state(1, id), State::Delivered);
}

#[test]
fn a_roster_with_keys_that_are_not_ours_is_refused_and_the_way_out_works() {
    let mut world = pair(43);
    let backup: RamVault = world.endpoint(0).vault_mut().clone();
    let lost = ask(&mut world, 0, Some(20)).unwrap();
    list(&mut world, &lost.request, false).unwrap();
    // The home is restored from before the request was made.
    world.stop_member(0);
    world.members[0].vault = Some(backup);
    world.start_member(0);
    let before: Vec<_> = world.endpoint(0).vault_mut().map().clone().into_iter().collect();
    assert_eq!(import(&mut world, 0), Err(ImportError::NotOurKeys));
    assert_eq!(world.endpoint(0).vault_mut().map().clone().into_iter().collect::<Vec<_>>(), before, "nothing changed");
    // It makes other keys, and the authority is told to replace those listed: what nobody else may do.
    let fresh = ask(&mut world, 0, Some(20)).unwrap();
    assert_ne!(fresh.request, lost.request);
    assert_eq!(import(&mut world, 0), Err(ImportError::NotOurKeys), "still not what is pending here");
    import(&mut world, 1).unwrap();
    let refused = list(&mut world, &fresh.request, false);
    assert_eq!(refused, Err(picket_roster::ExtendError::OtherKeys { epoch: 8 }));
    list(&mut world, &fresh.request, true).unwrap();
    assert_eq!(import(&mut world, 0), Ok(Upgrade::Newer));
    assert_eq!(import(&mut world, 1), Ok(Upgrade::Newer), "peers see that they were replaced");
    days(&mut world, 9);
    let id = world.send(1, "alpha", "after all");
    world.run(S.times(20));
    assert_eq!(world.state(1, id), State::Delivered);
}

#[test]
fn keys_that_come_after_their_epoch_began_are_used_as_far_as_they_go() {
    let mut world = pair(44);
    days(&mut world, 8);
    let now = world.now;
    assert_eq!(world.endpoint(0).few_keys(now), Some(Duration::ZERO));
    // Nobody can begin a session to alpha today; alpha can still write, in-band.
    assert!(world.try_send(1, "alpha", "x", None).is_err());
    let request = ask(&mut world, 0, None).unwrap();
    assert_eq!(request.epochs, 8..65, "60 with the three that are over but alive");
    list(&mut world, &request.request, false).unwrap();
    import(&mut world, 0).unwrap();
    import(&mut world, 1).unwrap();
    let id = world.send(1, "alpha", "good to have you back");
    world.run(S.times(10));
    assert_eq!(world.state(1, id), State::Delivered);
    days(&mut world, 1);
    let request = ask(&mut world, 1, None).unwrap();
    list(&mut world, &request.request, false).unwrap();
    import(&mut world, 1).unwrap();
    import(&mut world, 0).unwrap();
    for (who, to) in [(0, "bravo"), (1, "alpha")] {
        let id = world.send(who, to, "and the next day");
        world.run(S.times(10));
        assert_eq!(world.state(who, id), State::Delivered);
    }
}

#[test]
fn seeds_of_the_present_epoch_are_erased_once_they_were_used() {
    let mut world = pair(45);
    days(&mut world, 8);
    let request = ask(&mut world, 0, None).unwrap();
    list(&mut world, &request.request, false).unwrap();
    import(&mut world, 0).unwrap();
    world.stop_member(0);
    let vault = world.members[0].vault.as_mut().unwrap();
    let stored = vault.map().get(b"d".as_slice()).unwrap().clone();
    let secrets = picket_roster::DeviceSecrets::decode(&stored).unwrap();
    let left = |epoch| secrets.seeds(epoch).map(|s| (s.e().is_some(), s.r().is_some(), s.p().is_some()));
    assert_eq!(left(8), Some((false, false, true)));
    assert_eq!(left(9), Some((true, true, true)));
    assert!(!vault.map().contains_key(b"x".as_slice()), "and what they came from is gone");
}

#[test]
fn early_warning_comes_a_week_before_the_keys_end() {
    let mut world = pair(46);
    let now = world.now;
    assert_eq!(world.endpoint(0).few_keys(now), None);
    days(&mut world, 2);
    let now = world.now;
    let left = world.endpoint(0).few_keys(now).unwrap();
    assert!(left > DAY.times(5) && left <= DAY.times(6), "{left:?}");
}

/// Makes a request, or takes the roster that lists it; the power goes at one commit.
fn crash_at(crash: Crash, taking: bool) -> bool {
    let mut world = World::new(47);
    (0..3).for_each(|who| world.stop_member(who));
    world.run(DAY.times(8));
    (0..3).for_each(|who| world.start_member(who));
    let arm = |world: &mut World| {
        let base = world.endpoint(0).vault_mut().commits();
        world.endpoint(0).vault_mut().crash_at(Some(Crash { at: base + crash.at, ..crash }));
    };
    if !taking {
        arm(&mut world);
    }
    let (mut crashed, mut request) = (false, ask(&mut world, 0, None));
    if request.is_err() {
        crashed = true;
        world.restart_member(0);
        request = ask(&mut world, 0, None);
    }
    let request = request.unwrap();
    list(&mut world, &request.request, false).unwrap();
    import(&mut world, 1).unwrap();
    if taking {
        arm(&mut world);
    }
    if import(&mut world, 0).is_err() {
        crashed = true;
        world.restart_member(0);
        assert!(matches!(import(&mut world, 0), Ok(Upgrade::Newer | Upgrade::Same)), "there whole, or not at all");
    }
    if world.endpoint(0).failed() {
        crashed = true;
        world.restart_member(0);
    }
    world.endpoint(0).vault_mut().crash_at(None);
    world.attach(0, 0);
    world.attach(1, 0);
    assert_eq!(world.endpoint(0).own_epochs().unwrap(), (5..65, None));
    let id = world.send(1, "alpha", "hello");
    world.run_until(S.times(600), |w| w.state(1, id) == State::Delivered);
    crashed
}

#[test]
fn a_power_cut_at_any_write_leaves_pending_keys_or_listed_ones_and_never_none() {
    for taking in [false, true] {
        for done in [false, true] {
            let mut at = 0;
            while crash_at(Crash { at, done }, taking) {
                at += 1;
            }
            assert!(at >= if taking { 2 } else { 1 }, "some commits are made ({at})");
        }
    }
}

#[test]
fn a_peers_other_keys_are_an_alarm() {
    let mut world = pair(48);
    let request = ask(&mut world, 0, Some(20)).unwrap();
    let mut other = world.mission.draft.clone();
    list(&mut world, &request.request, false).unwrap();
    import(&mut world, 1).unwrap();
    // An authority that lists other keys instead, without saying that they were replaced.
    world.restart_member(0);
    let false_keys = picket_roster::Extension::new(&[7; 32], 8, 20).unwrap();
    let mut buffer = vec![0; picket_roster::limits::EXTENSION_MAX];
    let mission = world.mission.authority.mission().unwrap();
    let alpha = world.mission.indices[0];
    let bytes = false_keys.request(world.mission.secrets[0].identity(), mission, alpha, &mut buffer).unwrap();
    let read = ExtensionRequest::verify(bytes, mission, |index| other.identity_of(index)).unwrap();
    other.extend(&read, 0, false).unwrap();
    let _ = other.sign(&world.mission.authority, START_S).unwrap();
    let roster = other.sign(&world.mission.authority, START_S).unwrap();
    let now = world.now;
    let refused = world.endpoint(1).import_roster(now, roster.clone());
    assert_eq!(refused, Err(ImportError::Upgrade(UpgradeError::Keys { index: alpha })));
    assert_eq!(world.endpoint(0).import_roster(now, roster), Err(ImportError::NotOurKeys));
    assert!(!world.members[0].events.contains(&Event::Failed));
}

#[test]
fn a_revoked_device_makes_no_keys() {
    let mut world = pair(49);
    let object = world.mission.revoke(&[0], START_S);
    let now = world.now;
    assert!(world.endpoint(0).import_revocation(now, object).is_err());
    assert_eq!(ask(&mut world, 0, None), Err(ExtendError::Revoked));
    let endpoint: &Endpoint<RamVault> = world.endpoint(0);
    assert_eq!(endpoint.few_keys(now), None);
}
