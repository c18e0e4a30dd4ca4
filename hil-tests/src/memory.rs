//! What lies in the memory of a running program, and whether the pages it lies in may be swapped.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// A secret that was found.
#[derive(Debug)]
pub struct Found {
    /// Its name.
    pub what: String,
    /// The pages, as the kernel calls them, and their flags.
    pub pages: String,
    /// Locked, and left out of core files.
    pub kept: bool,
}

/// Looks for each secret, as it is and byte by byte from the end, in everything that process `pid` can read. Needs root.
///
/// # Panics
/// When the process, or its memory, cannot be looked at.
#[must_use]
pub fn search(pid: u32, secrets: &[(String, Vec<u8>)]) -> Vec<Found> {
    let memory = File::open(format!("/proc/{pid}/mem")).expect("root may look at the memory of any process");
    let mut found = Vec::new();
    for pages in mappings(pid) {
        let mut bytes = vec![0; pages.bytes];
        // What the kernel lends to every process (vvar) is not to be read.
        if memory.read_exact_at(&mut bytes, pages.low).is_err() {
            continue;
        }
        for (what, secret) in secrets {
            let backwards: Vec<u8> = secret.iter().rev().copied().collect();
            if contains(&bytes, secret) || contains(&bytes, &backwards) {
                let flag = |wanted| pages.flags.split(' ').any(|f| f == wanted);
                let (name, flags) = (&pages.name, &pages.flags);
                found.push(Found {
                    what: what.clone(),
                    pages: format!("{name}: {flags}"),
                    kept: flag("lo") && flag("dd"),
                });
            }
        }
    }
    found
}

struct Mapping {
    low: u64,
    bytes: usize,
    name: String,
    flags: String,
}

fn mappings(pid: u32) -> Vec<Mapping> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps")).expect("root may look at any process");
    let mut all: Vec<Mapping> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        if let Some(flags) = line.strip_prefix("VmFlags: ") {
            if let Some(last) = all.last_mut() {
                flags.trim().clone_into(&mut last.flags);
            }
        } else if let Some((low, high)) = first.split_once('-') {
            let address = |hex| u64::from_str_radix(hex, 16).expect("addresses are hexadecimal");
            let bytes = usize::try_from(address(high) - address(low)).expect("it fits, as it does there");
            let name = words.nth(4).unwrap_or("anonymous").to_owned();
            all.push(Mapping { low: address(low), bytes, name, flags: String::new() });
        }
    }
    all.retain(|m| m.flags.split(' ').any(|f| f == "rd"));
    all
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    // By its first eight bytes, then whole: an unoptimised build goes through many MB.
    let (Some(head), Some(first)) = (wanted.first_chunk::<8>(), wanted.first()) else { return false };
    let mut at = 0;
    while let Some(next) = bytes.get(at..).and_then(|rest| rest.iter().position(|b| b == first)) {
        at += next;
        if bytes[at..].starts_with(head) && bytes[at..].starts_with(wanted) {
            return true;
        }
        at += 1;
    }
    false
}
