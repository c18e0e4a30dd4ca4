//! The same work, a known number of times, for whoever counts instructions from outside (`cargo xtask bench arm`):
//! `--count CASE N`. What is done before and after does not depend on N, so that the difference between two runs is N
//! times the work.

use crate::mission::{Mission, open, seal_all};
use std::hint::black_box;

/// Peers of an epoch change at most: setting up a mission of 64 would take emulators minutes.
const PEERS: usize = 3;
/// Messages at most.
const MESSAGES: usize = 256;

/// Does `case` that often.
pub fn run(case: &str, times: usize) {
    if case == "loop" {
        return turns(times);
    }
    assert!(times <= MESSAGES, "at most {MESSAGES}");
    let mission = Mission::new(if case == "epoch" { PEERS } else { 1 });
    let (mut send, mut receive) = mission.pair();
    let mut sealed = vec![(0, [0; 64]); MESSAGES];
    let mut out = [0; 256];
    match case {
        "seal" => seal_all(&mut send, &mut sealed[..times]),
        "open" => {
            seal_all(&mut send, &mut sealed);
            for (len, envelope) in &sealed[..times] {
                black_box(open(&mut receive, &envelope[..*len], &mut out));
            }
        }
        "in-band" => {
            let begin = mission.in_band();
            (0..times).for_each(|_| drop(black_box(begin())));
        }
        // N peers; none: no change at all.
        "epoch" => {
            assert!(times <= PEERS, "at most {PEERS} peers");
            let change = mission.epoch_change(times);
            if times > 0 {
                black_box(change());
            }
        }
        other => panic!("no case {other}: loop, seal, open, in-band, epoch"),
    }
}

/// A loop of two instructions a turn, known as such: whoever counts something else does not count instructions.
#[allow(unsafe_code, reason = "a compiler's loop has as many instructions as it likes")]
fn turns(times: usize) {
    if times == 0 {
        return;
    }
    // SAFETY: counts a register down to zero; flags count as changed.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        core::arch::asm!("2:", "dec {n}", "jnz 2b", n = inout(reg) times => _);
        #[cfg(target_arch = "aarch64")]
        core::arch::asm!("2:", "subs {n}, {n}, #1", "b.ne 2b", n = inout(reg) times => _);
        #[cfg(target_arch = "arm")]
        core::arch::asm!("2:", "subs {n}, {n}, #1", "bne 2b", n = inout(reg) times => _);
    }
}
