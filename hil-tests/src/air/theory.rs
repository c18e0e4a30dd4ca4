//! What mathematics says about a channel and about sharing it.

/// Capacity of a binary symmetric channel with this bit error rate, as a fraction of its rate.
#[must_use]
pub fn capacity(ber: f64) -> f64 {
    1.0 - entropy(ber)
}

/// H2, the binary entropy, in bits.
fn entropy(p: f64) -> f64 {
    let term = |p: f64| if p > 0.0 { -p * p.log2() } else { 0.0 };
    term(p) + term(1.0 - p)
}

/// Capacity of a channel with this bit error rate for `share` of its time and none otherwise, when everybody knows
/// which it is: no less than that of one where nobody does.
#[must_use]
pub fn capacity_of_bursts(share: f64, ber: f64) -> f64 {
    1.0 - share * entropy(ber)
}

/// Jain's index of fairness: 1 when all have the same, 1/n when one has all; 1 for nobody and nothing.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn jain(shares: &[f64]) -> f64 {
    let (sum, squares) = shares.iter().fold((0.0, 0.0), |(s, q), x| (s + x, q + x * x));
    if squares > 0.0 { sum * sum / (shares.len() as f64 * squares) } else { 1.0 }
}

/// Mean; 0 of nothing.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Smallest; infinite for nothing.
#[must_use]
pub fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Largest; 0 for nothing.
#[must_use]
pub fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 5e-4
    }

    #[test]
    fn capacities_are_the_known_ones() {
        for (ber, expected) in [(0.0, 1.0), (1e-4, 0.9985), (1e-3, 0.9886), (1e-2, 0.9192), (0.5, 0.0)] {
            assert!(near(capacity(ber), expected), "{ber}: {}", capacity(ber));
        }
    }

    #[test]
    fn fairness_is_one_for_equals_and_a_quarter_for_one_of_four() {
        assert!(near(jain(&[3.0; 4]), 1.0));
        assert!(near(jain(&[3.0, 0.0, 0.0, 0.0]), 0.25));
        assert!(near(jain(&[]), 1.0));
    }
}
