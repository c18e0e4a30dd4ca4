//! What noise does to frames, in numbers: seeded, so the same on every run (C-52.4, C-52.5).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Dice, Told, coded};
use picket_codes::plan::{Noise, best_level, efficiency, success};
use picket_codes::shield::{Hunter, Level};

/// Byte error probability of a bit error rate.
fn q_of(ber: f64) -> f32 {
    (1.0 - (1.0 - ber).powi(8)) as f32
}

/// How many of `count` frames get through a channel that flips bits.
fn through(count: usize, len: usize, level: Level, ber: f64, dice: &mut Dice) -> usize {
    let (mut hunter, mut told) = (Hunter::new(), Told::default());
    for _ in 0..count {
        let frame = dice.bytes(len);
        let mut air = coded(&frame, level);
        dice.flip(&mut air, ber);
        hunter.push(&air);
        told.drain(&mut hunter, |f| f == frame);
    }
    told.frames.len()
}

#[test]
fn frames_get_through_one_wrong_bit_in_a_hundred() {
    let mut dice = Dice(1);
    // Very short frames are cheaper to repeat than to protect.
    for (len, least) in [(20, 368), (60, 380), (240, 380), (600, 380), (1200, 380)] {
        let level = best_level(len, q_of(1e-2));
        let got = through(400, len, level, 1e-2, &mut dice);
        assert!(got >= least, "{len} bytes: {got} of 400 with {}", level.parity());
    }
}

#[test]
fn the_predicted_success_is_the_one_seen() {
    let mut dice = Dice(2);
    for (len, number, ber) in [(240, 0, 3e-4), (240, 3, 2e-3), (600, 6, 3e-3), (1200, 12, 7e-3), (60, 20, 5e-2)] {
        let level = Level::new(number).unwrap();
        let expected = f64::from(success(len, level, q_of(ber))) * 600.0;
        let got = through(600, len, level, ber, &mut dice) as f64;
        assert!((got - expected).abs() < 60.0, "{len} {level:?} {ber}: {got} of 600, {expected} expected");
    }
}

#[test]
fn what_is_left_of_a_channel() {
    for (ber, least) in [(1e-4, 0.97), (1e-3, 0.92), (1e-2, 0.64), (2e-2, 0.45), (3e-2, 0.25)] {
        let use_of = efficiency(1000, best_level(1000, q_of(ber)), q_of(ber));
        assert!(use_of >= least, "{ber}: {use_of}");
    }
}

/// A sender that follows what the receiver counts; the share of air that was of use, over the last half.
fn followed(bers: &[f64], seed: u64) -> f64 {
    let mut dice = Dice(seed);
    let (mut noise, mut hunter) = (Noise::default(), Hunter::new());
    let (mut sent, mut arrived) = (0, 0);
    for (n, ber) in bers.iter().enumerate() {
        let frame = dice.bytes(400);
        let level = best_level(frame.len(), Noise::from_code(noise.code()));
        let mut air = coded(&frame, level);
        dice.flip(&mut air, *ber);
        hunter.push(&air);
        let mut told = Told::default();
        told.drain(&mut hunter, |f| f == frame);
        match told.frames.is_empty() {
            false => noise.observe(air.len() - 9, told.errors),
            true if told.broken.is_empty() => noise.lost(air.len() - 9, level),
            true => noise.broken(air.len() - 9, level),
        }
        if n >= bers.len() / 2 {
            sent += air.len();
            arrived += frame.len() * told.frames.len();
        }
    }
    arrived as f64 / sent as f64
}

#[test]
fn a_sender_that_follows_the_counts_is_near_the_best() {
    for ber in [1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 2e-2] {
        let best = f64::from(efficiency(400, best_level(400, q_of(ber)), q_of(ber)));
        let seen = followed(&vec![ber; 400], 3);
        assert!(seen > best - 0.05, "{ber}: {seen} of the channel, {best} is the best");
    }
}

#[test]
fn a_channel_that_turns_bad_is_of_use_again_after_a_few_frames() {
    let turned: Vec<f64> = [vec![1e-6; 150], vec![1e-2; 150]].concat();
    let seen = followed(&turned, 4);
    let best = f64::from(efficiency(400, best_level(400, q_of(1e-2)), q_of(1e-2)));
    assert!(seen > best - 0.08, "{seen}, {best} is the best");
}
