//! Bit errors and losses on the way from one sender to one receiver.

use crate::{Burst, Rng};

/// The noise of one path: independent errors, and a burst state of its own. Each path has one, so that what a receiver
/// hears of one sender does not depend on when others talk.
#[derive(Clone, Debug)]
pub(crate) struct Noise {
    rng: Rng,
    ber: f64,
    burst: Option<Burst>,
    bad: bool,
    /// Clean bits left before the next error, at the rate `drawn_for`.
    gap: u64,
    drawn_for: f64,
}

impl Noise {
    pub(crate) const fn new(rng: Rng, ber: f64, burst: Option<Burst>) -> Self {
        Self { rng, ber, burst, bad: false, gap: 0, drawn_for: -1.0 }
    }

    pub(crate) const fn set_ber(&mut self, ber: f64) {
        self.ber = ber;
    }

    pub(crate) const fn set_burst(&mut self, burst: Option<Burst>) {
        self.burst = burst;
        self.bad = false;
    }

    /// What the receiver makes of `byte`.
    pub(crate) fn pass(&mut self, byte: u8) -> u8 {
        let ber = self.step();
        if ber <= 0.0 {
            return byte;
        }
        self.redraw_if_changed(ber);
        if self.gap >= 8 {
            self.gap -= 8;
            return byte;
        }
        (0..8).fold(byte, |b, bit| if self.bit_is_hit(ber) { b ^ (1 << bit) } else { b })
    }

    /// Whether any bit of `bytes` is hit.
    pub(crate) fn damages(&mut self, bytes: &[u8]) -> bool {
        // Every byte is stepped through: the state of a burst goes on behind the first error.
        bytes.iter().fold(false, |hit, byte| (self.pass(*byte) != *byte) | hit)
    }

    /// Whether a packet is missed.
    pub(crate) fn loses(&mut self, probability: f64) -> bool {
        self.rng.chance(probability)
    }

    /// Noise where two stations overlap: nothing is left of the byte.
    pub(crate) const fn garble(&mut self) -> u8 {
        self.rng.byte()
    }

    /// Steps the burst chain by one byte; the bit error rate that holds for it.
    fn step(&mut self) -> f64 {
        let Some(burst) = self.burst else { return self.ber };
        let turn = if self.bad { burst.leave } else { burst.enter };
        if self.rng.chance(turn) {
            self.bad = !self.bad;
        }
        if self.bad { burst.ber } else { self.ber }
    }

    fn redraw_if_changed(&mut self, ber: f64) {
        if (self.drawn_for - ber).abs() > 0.0 {
            self.drawn_for = ber;
            self.gap = self.draw(ber);
        }
    }

    fn bit_is_hit(&mut self, ber: f64) -> bool {
        if self.gap > 0 {
            self.gap -= 1;
            return false;
        }
        self.gap = self.draw(ber);
        true
    }

    /// Clean bits before an error: geometric, by inversion.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn draw(&mut self, ber: f64) -> u64 {
        if ber >= 1.0 {
            return 0;
        }
        ((1.0 - self.rng.unit()).ln() / (1.0 - ber).ln()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits_hit(noise: &mut Noise, bytes: usize) -> u32 {
        (0..bytes).map(|_| noise.pass(0).count_ones()).sum()
    }

    #[test]
    fn the_measured_rate_is_the_configured_one() {
        for (ber, low, high) in [(1e-3, 700, 900), (1e-2, 7_600, 8_400), (0.5, 395_000, 405_000)] {
            let hit = bits_hit(&mut Noise::new(Rng::new(3), ber, None), 100_000);
            assert!((low..high).contains(&hit), "{ber}: {hit}");
        }
    }

    #[test]
    fn bursts_come_in_runs_of_the_configured_length() {
        let burst = Burst { enter: 0.01, leave: 0.1, ber: 0.5 };
        let mut noise = Noise::new(Rng::new(5), 0.0, Some(burst));
        let hit: Vec<bool> = (0..100_000).map(|_| noise.pass(0) != 0).collect();
        let share = hit.iter().filter(|h| **h).count();
        assert!((8_000..10_500).contains(&share), "one byte in eleven is in a burst: {share}");
        let pairs = hit.windows(2).filter(|w| w[0] && w[1]).count();
        assert!(pairs > share / 2, "errors cluster: {pairs} of {share}");
    }

    #[test]
    fn no_noise_changes_nothing() {
        let mut noise = Noise::new(Rng::new(1), 0.0, None);
        assert!((0..=255).all(|b| noise.pass(b) == b));
    }
}
