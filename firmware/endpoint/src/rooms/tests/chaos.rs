//! Rooms under loss, duplication, reordering, delay across epochs, power cuts and restored copies.

use super::*;

/// Loss, duplication, reordering, delay across epochs, power cuts at every commit, restored copies.
#[test]
fn rooms_between_devices_hold_under_everything() {
    for seed in 0..12 {
        chaos(seed);
    }
}

fn chaos(seed: u64) {
    let mut net = Net::new(100 + seed);
    net.room(&[A, B, C]);
    let mut copies: Vec<RamVault> = net.devices.iter_mut().map(|e| e.vault_mut().clone()).collect();
    let mut written: BTreeMap<String, usize> = BTreeMap::new();
    let mut draw = seed * 7_919 + 3;
    let mut next = |n: u64| {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (draw >> 33) % n
    };
    for step in 0..120 {
        let at = next(3) as usize;
        match next(12) {
            0..=3 => {
                let text = format!("{step} from {at}");
                if net.say(at, &text, next(4) == 0).is_ok() {
                    written.insert(text, at);
                }
            }
            4..=7 if !net.air.is_empty() => {
                let which = next(net.air.len() as u64) as usize;
                let (to, bytes) = net.air[which].clone();
                let taken = net.hand(to, &bytes);
                match next(4) {
                    0 => {
                        net.hand(to, &bytes);
                    }
                    1 if taken => drop(net.air.swap_remove(which)),
                    _ => {}
                }
            }
            8 => {
                let commits = net.devices[at].vault_mut().commits();
                let crash = Crash { at: commits + next(3), done: next(2) == 0 };
                net.devices[at].vault_mut().crash_at(Some(crash));
                let text = format!("{step} from {at}");
                let _ = net.say(at, &text, false);
                written.insert(text, at);
                let vault = net.devices[at].vault_mut().clone().restarted();
                net.reopen(at, vault);
            }
            9 => net.pass(Duration::from_secs(1 + next(40_000))),
            10 if next(3) == 0 => {
                // A restored backup: what it forgot may come again, what it writes must not reuse a key.
                net.reopen(at, copies[at].clone());
            }
            11 => copies[at] = net.devices[at].vault_mut().clone(),
            _ => {}
        }
        check(&mut net, &written);
    }
    net.settle();
    check(&mut net, &written);
    assert!(net.events.iter().all(|(_, e)| !matches!(e, RoomEvent::Alarm { forged: true, .. })));
}

fn check(net: &mut Net, written: &BTreeMap<String, usize>) {
    let mut places = BTreeMap::new();
    for at in 0..3 {
        let texts = net.texts(at);
        let unique: BTreeSet<&String> = texts.iter().map(|(t, _)| t).collect();
        assert_eq!(unique.len(), texts.len(), "nothing is accepted twice");
        for (text, trust) in &texts {
            assert!(written.contains_key(text), "nothing is accepted that was not written");
            assert_ne!(*trust, Trust::Forged);
        }
        for note in net.devices[at].rooms.notes.values() {
            let place = (note.sender, note.generation, note.epoch, note.incarnation, note.counter);
            let digest = *places.entry(place).or_insert(note.digest);
            assert_eq!(digest, note.digest, "no key and nonce sealed two messages");
        }
    }
}
