//! `picket home …` and `picket zeroize`: keys at rest, and their end.

use crate::cli::{DeadManArgs, DuressArgs, HomeOnlyArgs, HomeProtectArgs, With, ZeroizeArgs};
use crate::error::Failure;
use crate::home::{KEY, alive, key, wiping};
use crate::output::Output;
use crate::passphrase::Source;
use picket_safe::deadman::Verdict;
use picket_safe::slots::Protection;
use picket_safe::wipe::Manner;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

/// How often a guard looks.
const GUARD_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// `picket home status`.
///
/// # Errors
/// Usage, where there is no home; damage.
pub fn status(args: &HomeOnlyArgs, out: &Output) -> Result<(), Failure> {
    wiping::resume(&args.home)?;
    let file = key::read(&args.home)?;
    let verdict = alive::check(&args.home)?;
    let (protection, cost) = (file.protection(), file.cost());
    out.object(&serde_json::json!({
        "protection": word(protection),
        "argon2id": (protection == Protection::Passphrase)
            .then(|| serde_json::json!({"memory_kib": cost.memory, "passes": cost.passes, "lanes": cost.lanes})),
        "dead_man_left_ms": verdict.map(left),
    }))?;
    let mut text = format!("home       {}", key::in_words(protection));
    if protection == Protection::Passphrase {
        text.push_str(&format!(", {} MiB, {} passes", cost.memory / 1024, cost.passes));
    }
    if let Some(verdict) = verdict {
        text.push_str(&format!("\ndead man   wiped in {} without an unlock", hours(left(verdict))));
    }
    out.say(&text)?;
    warn_of(verdict, &args.home, out);
    Ok(())
}

/// `picket home protect`.
///
/// # Errors
/// Locked, damaged, usage.
pub fn protect(args: &HomeProtectArgs, out: &Output) -> Result<(), Failure> {
    let home = &args.home.home;
    wiping::resume(home)?;
    alive::check(home)?;
    let wrapping = match args.with {
        With::File => key::Wrapping::File,
        With::Tpm => key::Wrapping::Tpm,
        With::Passphrase => {
            let passphrase = Source { file: args.new_passphrase_file.clone() }.choose()?;
            key::Wrapping::Passphrase(passphrase, key::tuned(args.unlock_time.0)?)
        }
    };
    key::protect(home, &args.home.source(), &wrapping)?;
    let file = key::read(home)?;
    out.object(&serde_json::json!({"protection": word(file.protection())}))?;
    out.say(&format!("The home at {} is now {}.", home.display(), key::in_words(file.protection())))
}

/// `picket home duress`.
///
/// # Errors
/// Locked, damaged, usage.
pub fn duress(args: &DuressArgs, out: &Output) -> Result<(), Failure> {
    let home = &args.home.home;
    wiping::resume(home)?;
    alive::check(home)?;
    let passphrase = match args.remove {
        true => None,
        false => Some(Source { file: args.duress_passphrase_file.clone() }.choose()?),
    };
    key::set_duress(home, &args.home.source(), passphrase.as_ref())?;
    out.object(&serde_json::json!({"duress": passphrase.is_some()}))?;
    out.say(match passphrase {
        Some(_) => {
            "The duress passphrase is set: given at any prompt, it destroys this home and looks like a wrong one."
        }
        None => "There is no duress passphrase.",
    })
}

/// `picket home dead-man`.
///
/// # Errors
/// Locked, damaged, usage.
pub fn dead_man(args: &DeadManArgs, out: &Output) -> Result<(), Failure> {
    let home = &args.home.home;
    wiping::resume(home)?;
    key::unlock(home, &args.home.source())?;
    let limit = args.time.0.map(|span| u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX));
    alive::set(home, limit)?;
    out.object(&serde_json::json!({"dead_man_ms": limit}))?;
    out.say(&match limit {
        Some(limit) => format!(
            "The home is wiped after {} without an unlock.\n  next: have `picket home guard --home {}` run, or it is only \
             noticed at the next command",
            hours(limit),
            home.display()
        ),
        None => "The home is not wiped by time.".into(),
    })
}

/// `picket home guard`.
///
/// # Errors
/// Damage; locked, once the home was wiped.
pub fn guard(args: &HomeOnlyArgs, out: &Output) -> Result<(), Failure> {
    let mut warned = false;
    loop {
        wiping::resume(&args.home)?;
        if !args.home.join(KEY).exists() {
            return Err(crate::home::no_home(&args.home));
        }
        let verdict = alive::check(&args.home)?;
        if !warned {
            warned = warn_of(verdict, &args.home, out);
        }
        std::thread::sleep(GUARD_EVERY);
    }
}

/// `picket zeroize`.
///
/// # Errors
/// Usage, when it is not confirmed or there is no home; whatever the disk refuses.
pub fn zeroize(args: &ZeroizeArgs, out: &Output) -> Result<(), Failure> {
    let home = &args.home;
    if !home.join(KEY).exists() {
        return Err(crate::home::no_home(home));
    }
    if !args.yes {
        confirm(home)?;
    }
    let kept = wiping::wipe(home, Manner::Open)?;
    if let Some(why) = kept {
        out.warn(&format!("the TPM still has its half of the key, which opens nothing by itself: {why}"));
    }
    out.object(&serde_json::json!({"zeroized": home}))?;
    out.say(&format!("The home at {} is wiped. Its keys are gone; have the device enrolled again.", home.display()))
}

fn confirm(home: &Path) -> Result<(), Failure> {
    let refused = || {
        Failure::usage(
            format!("{} was not wiped: it was not confirmed", home.display()),
            "type yes when asked, or give --yes",
        )
    };
    if !io::stdin().is_terminal() {
        return Err(refused());
    }
    let question = format!("Destroy all keys and messages in {}? This cannot be undone. Type yes: ", home.display());
    let mut line = String::new();
    let mut stderr = io::stderr().lock();
    let asked = stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush());
    asked.and_then(|()| io::stdin().lock().read_line(&mut line)).map_err(|e| Failure::internal(e.to_string()))?;
    if line.trim() == "yes" { Ok(()) } else { Err(refused()) }
}

const fn word(protection: Protection) -> &'static str {
    match protection {
        Protection::File => "file",
        Protection::Passphrase => "passphrase",
        Protection::Tpm => "tpm",
    }
}

const fn left(verdict: Verdict) -> u64 {
    match verdict {
        Verdict::Fine(left) | Verdict::Warning(left) => left,
        Verdict::Due => 0,
    }
}

/// Says that the end is near.
fn warn_of(verdict: Option<Verdict>, home: &Path, out: &Output) -> bool {
    let Some(Verdict::Warning(left)) = verdict else { return false };
    out.warn(&format!(
        "WARNING: the home at {} is WIPED in {} unless its owner unlocks it (any command does)",
        home.display(),
        hours(left)
    ));
    true
}

fn hours(ms: u64) -> String {
    let minutes = ms / 60_000;
    if minutes < 120 { format!("{minutes} min") } else { format!("{} h", minutes / 60) }
}
