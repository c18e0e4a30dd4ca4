//! `cargo xtask bench arm`: what sealing costs on a board, in instructions, beside the same on this kind of machine. The
//! table is kept in `hil-tests/benches/arm.md`; counts may differ from the kept ones by [`TOLERANCE`], because compilers
//! do.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

use crate::cargo::{self, cargo};
use crate::cross::{self, AARCH64, ARMV7, PORTABLE};
use crate::instructions;
use crate::needs::{self, Set};

const KEPT: &str = "hil-tests/benches/arm.md";
/// Parts of a hundred by which a count may differ.
const TOLERANCE: u64 = 5;
/// Turns of a loop of two instructions.
const TURNS: u64 = 10_000;
/// Peers of a whole epoch change.
const PEERS: u64 = 64;
/// Static: an emulator needs nothing else.
const STATIC: &str = "-C target-feature=+crt-static";

/// The four programs counted, as they head the table's columns.
const COLUMNS: [&str; 4] = ["x86-64", "aarch64", "aarch64, portable code", "armv7"];

const HEAD: &str = "# What sealing costs on a board, in instructions

Written by `cargo xtask bench arm --bless`. `cargo xtask bench arm` counts again and fails when a count differs by more
than 5 %.

";

const FOOT: &str = "
## How it is counted

`firmware/seal/benches/figures` does the work a known number of times and twice that; the difference of both counts,
divided, is the work alone. QEMU 7.2's emulators of one process tell every block of instructions they run and how long it
is; instructions are added up, not time. The loop's turns are two instructions each, by its assembly: any other figure
there means that something else was counted. An epoch change is one for one peer, and 63 times the difference between
one for three peers and one for one.

- x86-64: the toolchain in use; AES-NI and PCLMULQDQ. Its instructions for SHA-256 are not emulated, so that the count
  is one with SHA-256 in portable code, and higher than what a processor with them executes.
- aarch64: the distribution's compiler, release profile; a Cortex-A53 with AES, PMULL and SHA-2, which the crates look for
  at run time: no flag is needed.
- aarch64, portable code: built without those instructions (`--cfg aes_backend=\"soft\"` and its like): what the crates
  choose on a processor that lacks them, as those of a Raspberry Pi 4 and older ones. That choice itself was not seen: the
  emulator knows no such processor.
- armv7: a Cortex-A7; there is portable code only.
";

/// A row: what is counted.
struct Row {
    title: &'static str,
    counts: Vec<u64>,
}

/// Counts, prints, and compares with what is kept; or keeps it.
///
/// # Errors
/// When something does not build or run, or a count is another than the one kept.
pub fn bench(args: &[String]) -> Result<(), String> {
    needs::install_missing(Set::Boards);
    let rows = rows(&programs()?)?;
    let table = table(&rows);
    println!("{table}\n{}", times(&rows)?);
    let kept = cargo::root().join(KEPT);
    if args.iter().any(|arg| arg == "--bless") {
        return std::fs::write(&kept, format!("{HEAD}{table}{FOOT}")).map_err(|e| format!("{KEPT}: {e}"));
    }
    let before = std::fs::read_to_string(&kept).map_err(|e| format!("{KEPT}: {e}"))?;
    let off = differences(&before, &rows);
    off.iter().for_each(|line| println!("{line}"));
    if off.is_empty() { Ok(()) } else { Err(format!("not what {KEPT} says; if right: cargo xtask bench arm --bless")) }
}

/// How a program is run, and which; in the order of [`COLUMNS`].
type Counted = (fn() -> Command, PathBuf);

fn programs() -> Result<[Counted; 4], String> {
    let bench = |mut build: Command| cross::bench_program(&mut build, "picket-seal", "figures");
    let here = || {
        let mut build = cargo();
        build.arg("bench");
        build
    };
    let portable = format!("{STATIC} {PORTABLE}");
    Ok([
        (cross::emulated_here, bench(here())?),
        (|| AARCH64.emulated(), bench(AARCH64.cargo("boards", STATIC, &["bench"])?)?),
        (|| AARCH64.emulated(), bench(AARCH64.cargo("portable", &portable, &["bench"])?)?),
        (|| ARMV7.emulated(), bench(ARMV7.cargo("boards", STATIC, &["bench"])?)?),
    ])
}

fn rows(programs: &[Counted]) -> Result<Vec<Row>, String> {
    let count = |(emulator, program): &Counted, case: &str, times: u64| {
        instructions::count(emulator(), program, &["--count", case, &times.to_string()])
    };
    let row = |title, each: &dyn Fn(&Counted) -> Result<u64, String>| {
        let counts = programs.iter().map(each).collect::<Result<_, String>>()?;
        Ok::<_, String>(Row { title, counts })
    };
    let each = |case: &'static str, times: u64| {
        move |p: &Counted| Ok((count(p, case, 2 * times)?.saturating_sub(count(p, case, times)?)) / times)
    };
    let turns = row("a loop of 10 000 turns: 20 000", &|p| Ok(each("loop", TURNS)(p)? * TURNS))?;
    if turns.counts.iter().any(|count| *count != 2 * TURNS) {
        return Err(format!("a loop of {} instructions was counted as {:?}", 2 * TURNS, turns.counts));
    }
    let change = |p: &Counted| {
        let (none, one, three) = (count(p, "epoch", 0)?, count(p, "epoch", 1)?, count(p, "epoch", 3)?);
        Ok(one.saturating_sub(none) + three.saturating_sub(one) * (PEERS - 1) / 2)
    };
    Ok(vec![
        turns,
        row("seal a text of 20 B", &each("seal", 100))?,
        row("open it", &each("open", 100))?,
        row("one in-band session, sender's side", &each("in-band", 1))?,
        row("epoch change for 64 peers, 128 sessions", &change)?,
    ])
}

fn table(rows: &[Row]) -> String {
    let mut out = format!("| instructions | {} |\n|---|{}\n", COLUMNS.join(" | "), "---:|".repeat(COLUMNS.len()));
    for row in rows {
        let counts: Vec<String> = row.counts.iter().map(|count| spaced(*count)).collect();
        // Writing to a string does not fail.
        let _ = writeln!(out, "| {} | {} |", row.title, counts.join(" | "));
    }
    out
}

/// Times: measured here; estimated for a board of 1.2 GHz. No time is kept.
fn times(rows: &[Row]) -> Result<String, String> {
    let mut build = cargo();
    let program = cross::bench_program(build.arg("bench"), "picket-seal", "figures")?;
    let output = Command::new(&program).output().map_err(|e| format!("{}: {e}", program.display()))?;
    let measured = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut out = String::from(
        "| times | x86-64, measured here | aarch64, estimate | portable code, estimate | armv7, estimate |\n\
         |---|---:|---:|---:|---:|\n",
    );
    for row in rows.iter().skip(1) {
        let here = measured.lines().find(|line| line.contains(row.title)).and_then(|line| line.rsplit('|').nth(1));
        let boards: Vec<String> = row.counts.iter().skip(1).map(|count| estimate(*count)).collect();
        let _ = writeln!(out, "| {} | {} | {} |", row.title, here.unwrap_or("–").trim(), boards.join(" | "));
    }
    out.push_str("\nEstimates: instructions at 1.2 GHz (Cortex-A53), one a cycle. No board was measured.\n");
    Ok(out)
}

/// One instruction a cycle at 1.2 GHz.
fn estimate(count: u64) -> String {
    let micros = count / 1_200;
    if micros < 10_000 {
        format!("{micros} µs")
    } else {
        format!("{}.{:02} s", micros / 1_000_000, micros % 1_000_000 / 10_000)
    }
}

/// With a space after each three digits.
fn spaced(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// What differs from the table that is kept, by more than compilers do.
fn differences(kept: &str, rows: &[Row]) -> Vec<String> {
    let differs = |row: &Row| {
        let before = kept.lines().find(|line| line.contains(row.title)).unwrap_or_default();
        let cells: Vec<u64> = before.split('|').skip(2).filter_map(|cell| cell.replace(' ', "").parse().ok()).collect();
        let close = |(old, new): (&u64, &u64)| old.abs_diff(*new) * 100 <= old * TOLERANCE;
        let same = cells.len() == row.counts.len() && cells.iter().zip(&row.counts).all(close);
        (!same).then(|| format!("{}: {:?} counted, {cells:?} kept", row.title, row.counts))
    };
    rows.iter().filter_map(differs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_may_differ_as_compilers_do_and_no_further() {
        let row = |first| Row { title: "seal", counts: vec![first, 1_234_567] };
        let kept = table(&[row(10_000)]);
        assert!(kept.contains("| seal | 10 000 | 1 234 567 |"), "{kept}");
        assert_eq!(differences(&kept, &[row(10_500)]), Vec::<String>::new());
        assert_eq!(differences(&kept, &[row(10_501)]).len(), 1);
        assert_eq!(differences(&kept, &[row(9_499)]).len(), 1);
        assert_eq!(differences("", &[row(1)]).len(), 1);
    }

    #[test]
    fn what_is_kept_says_how_it_is_counted() {
        let kept = std::fs::read_to_string(cargo::root().join(KEPT)).unwrap_or_default();
        assert!(kept.starts_with(HEAD) && kept.ends_with(FOOT), "cargo xtask bench arm --bless");
    }
}
