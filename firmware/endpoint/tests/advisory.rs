//! What CISA's advisory ICSA-24-270-04 found in a field messenger, tried on this one (threats §05.4). Findings that other
//! tests cover are named there.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::World;
use picket_endpoint::{Input, State};
use picket_wire::time::Duration;
use picket_wire::{Index, MessageId};

const S: Duration = Duration::from_secs(1);

/// A whole story on air: attachments, first contacts, receipts, short lifetimes, lost state and recovery.
fn story(seed: u64) -> World {
    let mut world = World::new(seed);
    for i in 0..3 {
        world.attach(i, usize::from(i == 1));
    }
    world.run(S.times(5));
    for (from, to) in [(0, "bravo"), (1, "alpha"), (2, "bravo")] {
        world.send(from, to, "convoy at the old mill");
        world.try_send(from, to, "the code is swordfish", Some(S.times(600))).unwrap();
    }
    world.run(S.times(10));
    let read: Vec<MessageId> = ids(&mut world, 1);
    for id in read {
        world.mark_read(1, id);
    }
    let (now, rng) = (world.now, &mut world.rng);
    world.members[0].endpoint.as_mut().unwrap().renew(now, &mut |o: &mut [u8]| rng.fill(o)).unwrap();
    world.drain_member(0);
    world.run(S.times(10));
    world.send(1, "alpha", "convoy at the old mill");
    world.run(S.times(10));
    world
}

fn ids(world: &mut World, i: usize) -> Vec<MessageId> {
    let now = world.now;
    world.endpoint(i).inbox(now).unwrap().into_iter().map(|m| m.id).collect()
}

fn on_air(world: &World, wanted: &[u8]) -> bool {
    world.air.iter().any(|frame| frame.windows(wanted.len()).any(|w| w == wanted))
}

/// CWE-521 (keys shared over the air under a weak password), CWE-319 (callsigns in clear), CWE-201 (names of keys sent
/// along): no key of any kind, no name and no text is ever transmitted.
#[test]
fn no_key_no_name_and_no_text_is_ever_on_air() {
    let world = story(80);
    assert!(world.air.len() > 60, "there was a story: {} frames", world.air.len());
    for text in ["alpha", "bravo", "charlie", "gw1", "gw2", "test", "convoy", "swordfish", "mill"] {
        assert!(!on_air(&world, text.as_bytes()), "{text}");
    }
    let mut keys: Vec<Vec<u8>> = Vec::new();
    for secrets in &world.mission.secrets {
        keys.push(secrets.agreement().to_bytes().to_vec());
        for epoch in 0..8 {
            let Some(seeds) = secrets.seeds(epoch) else { continue };
            keys.extend([seeds.e(), seeds.r(), seeds.p()].into_iter().flatten().map(|s| s.to_vec()));
        }
    }
    for member in &world.members {
        for (name, value) in member.endpoint.as_ref().unwrap().clone_vault() {
            // Keys with others, chains, prekeys: whatever a home holds of them. What a stored session says of itself, and
            // the encapsulated key that is meant to be on air, are not secret.
            let secret = match name[0] {
                b'p' | b'g' => &value[4..],
                b'k' => &value[8..],
                b't' | b'u' => &value[28..60],
                b'r' | b's' => &value[36..68],
                _ => continue,
            };
            keys.extend(secret.chunks_exact(16).map(<[u8]>::to_vec));
        }
    }
    assert!(keys.len() > 100, "{}", keys.len());
    for key in keys.iter().filter(|key| key.iter().any(|b| *b != 0)) {
        assert!(!on_air(&world, &key[..16]), "{key:02x?}");
    }
}

/// CWE-353 (no integrity): no altered frame makes anybody show anything.
#[test]
fn no_altered_transmission_is_shown_to_anybody() {
    let mut world = story(81);
    let frames = world.air.clone();
    let before: Vec<_> = (0..3).map(|i| ids(&mut world, i)).collect();
    let counted = |w: &mut World| (0..3).map(|i| w.endpoint(i).counters().received).sum::<u64>();
    let received = counted(&mut world);
    for (n, frame) in frames.iter().enumerate() {
        // One changed byte of each, another each time; into every member's receiver.
        let mut changed = frame.clone();
        let at = (n * 7) % changed.len();
        changed[at] ^= 1 << (n % 8);
        for i in 0..3 {
            world.member_input(i, Input::Received(&changed));
        }
    }
    world.run(S.times(5));
    assert_eq!(counted(&mut world), received);
    assert_eq!((0..3).map(|i| ids(&mut world, i)).collect::<Vec<_>>(), before);
}

/// CWE-923 and CWE-1390 (anybody can write under any name): what charlie seals and claims to be alpha's opens nowhere.
#[test]
fn nobody_is_shown_a_message_under_anothers_name() {
    let mut world = World::new(82);
    for i in 0..3 {
        world.attach(i, 0);
    }
    world.run(S.times(5));
    world.detach(2);
    let id = world.send(2, "bravo", "pull back at once");
    // Charlie's own device puts alpha's index in place of its own; its gateway link is charlie's, and genuine.
    let key = [b"e".as_slice(), &id.0].concat();
    let mut vault = world.members[2].endpoint.take().unwrap().into_vault();
    let mut forged = vault.map()[&key].clone();
    assert_eq!(&forged[3..5], Index(3).0.to_be_bytes());
    forged[3..5].copy_from_slice(&Index(1).0.to_be_bytes());
    picket_endpoint::Vault::commit(&mut vault, &[(key, Some(forged))]).unwrap();
    world.members[2].vault = Some(vault);
    world.start_member(2);
    world.attach(2, 0);
    world.run(S.times(120));
    assert!(world.texts(1).is_empty(), "{:?}", world.texts(1));
    assert_eq!(world.endpoint(1).counters().received, 0);
    // Alpha is asked for it, and has nothing to seal again.
    assert_eq!(world.endpoint(0).counters().sealed_again, 0);
    assert_ne!(world.state(2, id), State::Delivered);
}
