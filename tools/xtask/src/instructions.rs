//! Counting instructions: the emulator tells which blocks it translates and which it runs, and how long a block is. The
//! sum is what the processor would have executed, on every machine the same.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Tell what is translated, and every block that runs: not linked together, for then only the first is told.
const TELL: [&str; 2] = ["-d", "in_asm,exec,nochain"];

/// Instructions of one run of `program args`, under `emulator`.
///
/// # Errors
/// When it does not run to its end, or tells nothing.
pub fn count(mut emulator: Command, program: &std::path::Path, args: &[&str]) -> Result<u64, String> {
    let shown = format!("{} {}", program.display(), args.join(" "));
    emulator.args(TELL).arg(program).args(args).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = emulator.spawn().map_err(|e| format!("{:?}: {e}", emulator.get_program()))?;
    let told = child.stderr.take().ok_or("the emulator tells nothing")?;
    let counted = read(BufReader::with_capacity(1 << 20, told));
    let status = child.wait().map_err(|e| e.to_string())?;
    match counted {
        Ok(count) if status.success() && count > 0 => Ok(count),
        Ok(_) => Err(format!("{shown} did not run to its end under the emulator ({status})")),
        Err(why) => Err(format!("{shown}: {why}")),
    }
}

/// A block is told as `IN:` and a line for each instruction, `0xADDRESS:  …`; its run as
/// `Trace 0: 0x… [base/ADDRESS/flags/flags]`.
fn read(mut told: impl BufRead) -> Result<u64, String> {
    let mut lengths: HashMap<u64, u64> = HashMap::new();
    // The block that is being told: where it begins, once its first instruction is there.
    let mut block = None;
    let mut count = 0;
    let mut line = Vec::new();
    while told.read_until(b'\n', &mut line).map_err(|e| e.to_string())? > 0 {
        let unknown = || format!("the emulator's line is not understood: {}", String::from_utf8_lossy(&line));
        if line.starts_with(b"Trace ") {
            let mut parts = line.splitn(3, |byte| *byte == b'/');
            let at = parts.nth(1).and_then(hex).ok_or_else(unknown)?;
            count += lengths.get(&at).ok_or_else(unknown)?;
        } else if let Some(rest) = line.strip_prefix(b"0x") {
            let end = rest.iter().position(|byte| *byte == b':').unwrap_or(0);
            let here = rest.get(..end).and_then(hex).ok_or_else(unknown)?;
            let at = *block.get_or_insert(here);
            // Told again, a block replaces what was told of it.
            let length = lengths.entry(at).or_default();
            *length = if here == at { 1 } else { *length + 1 };
        } else if line.starts_with(b"IN:") {
            block = None;
        } else if line.starts_with(b"Stopped") {
            return Err("a block was left half way, and the count would be wrong".into());
        }
        line.clear();
    }
    Ok(count)
}

fn hex(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "----------------\nIN: \n0x00400440:  d280001d  movz     x29, #0\n0x00400444:  14000001  b  #0x400448\n\n\
        Trace 0: 0x7f7b48000100 [0000000001009331/0000000000400440/00000001/00000200] \n\
        Trace 0: 0x7f7b48000100 [0000000001009331/0000000000400440/00000001/00000200] \n\
        ----------------\nIN: \n0x00400440:  d280001d  movz     x29, #0\n\n\
        Trace 0: 0x7f7b48000200 [0000000001009331/0000000000400440/00000001/00000200] \n";

    #[test]
    fn a_block_counts_as_long_as_it_was_told_last() {
        assert_eq!(read(TOLD.as_bytes()), Ok(2 + 2 + 1));
    }

    #[test]
    fn what_is_not_understood_is_no_count() {
        let unknown = "Trace 0: 0x7f7b48000100 [0000000001009331/0000000000400448/00000001/00000200]\n";
        assert!(read([TOLD, unknown].concat().as_bytes()).is_err());
        assert!(read([TOLD, "Stopped execution of TB chain before 0x1\n"].concat().as_bytes()).is_err());
        assert!(read("Trace 0: 0x7f7b48000100\n".as_bytes()).is_err());
    }
}
