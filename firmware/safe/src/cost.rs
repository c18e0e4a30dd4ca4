//! What a guess at a passphrase costs: Argon2id, tuned to the machine (spec §75.1).

use crate::limits;
use crate::slots::SlotsError;
use argon2::{Algorithm, Argon2, Params, Version};
use core::time::Duration;
use zeroize::Zeroizing;

/// Argon2id's cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// Finds the cost at which an unlock takes about `target` on this machine, in bounded memory. `clock` is monotonic.
///
/// # Errors
/// [`SlotsError::System`], when there is no memory.
pub fn tune(target: Duration, available_kib: u64, clock: &mut dyn FnMut() -> Duration) -> Result<Cost, SlotsError> {
    let spare = u32::try_from(available_kib / 4).unwrap_or(u32::MAX);
    let mut cost = Cost { memory: spare.clamp(limits::ARGON2_MEMORY_MIN, limits::ARGON2_MEMORY), passes: 1, lanes: 1 };
    let begin = clock();
    stretch(b"how fast is this machine", &[0; 16], cost)?;
    let one = clock().saturating_sub(begin).as_micros().max(1);
    if one > 2 * target.as_micros() {
        let share = u128::from(cost.memory) * target.as_micros() / one;
        cost.memory = u32::try_from(share).unwrap_or(u32::MAX).clamp(limits::ARGON2_MEMORY_MIN, cost.memory);
    } else {
        let passes = u32::try_from((target.as_micros() + one / 2) / one).unwrap_or(u32::MAX);
        cost.passes = passes.clamp(1, limits::ARGON2_PASSES_MAX);
    }
    Ok(cost)
}

/// The wrapping key of a passphrase.
pub(crate) fn stretch(passphrase: &[u8], salt: &[u8], cost: Cost) -> Result<Zeroizing<[u8; 32]>, SlotsError> {
    let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(32)).map_err(|_| SlotsError::Damaged)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase, salt, key.as_mut())
        .map_err(|_| SlotsError::System)?;
    Ok(key)
}
