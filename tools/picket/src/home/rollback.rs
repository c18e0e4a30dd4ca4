//! A home that was put back from a copy, known by a counter in the TPM that only goes up (spec §75.7).

use super::state::{Damage, Opened};
use crate::error::Failure;
use picket_safe::tpm;

/// The counter's index and what it must show; written before the TPM counts.
const COUNT: &[u8] = b"h/tpm-count";

/// Compares, then counts up: the home first, durably, then the TPM. So the TPM is never ahead but of a home that was put
/// back; one behind it after a power cut.
///
/// # Errors
/// When the TPM or the disk does not answer.
pub fn check(opened: &mut Opened, nv: (u32, u32)) -> Result<(), Failure> {
    let failed = |e: tpm::TpmError| super::key::tpm_failure(&e);
    let shown = tpm::count(nv).map_err(failed)?;
    let kept = opened.state.get(COUNT)?.and_then(|value| read(&value)).filter(|(index, _)| *index == nv.1);
    if kept.is_some_and(|(_, count)| shown > count) {
        let why =
            "this home was put back from a backup or is a copy: the TPM has counted on; its old keys are not used";
        let damage = opened.damage.get_or_insert_with(|| Damage { text: String::new(), stale: true });
        damage.stale = true;
        damage.text = if damage.text.is_empty() { why.to_owned() } else { format!("{why}; {}", damage.text) };
    }
    let next = shown.saturating_add(1);
    let value = [&nv.1.to_be_bytes()[..], &next.to_be_bytes()].concat();
    opened.state.commit_now(&[(COUNT, Some(&value))])?;
    tpm::count_up(nv).map_err(failed)
}

fn read(value: &[u8]) -> Option<(u32, u64)> {
    let (index, count) = value.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*index), u64::from_be_bytes(count.try_into().ok()?)))
}
