//! Zeroize (spec §75.3): the wrapping key first, then everything else, finished by the next start wherever the power
//! failed.
//!
//! ```text
//!         mark durable         key destroyed, durable        rest gone           key file gone
//! Whole ───────────────► Marked ─────────────────► Keyless ───────────► Emptied ───────────────► Gone
//!                          └───────────────── resume: from the first step on ──────────────┘
//! ```
//!
//! The mark is four bytes of the key file itself: any of them that is not zero says that a wipe has begun. It goes one
//! sync ahead of the key, as a torn overwrite could not be told from damage otherwise. A cut before it is durable finds
//! the device whole, or wiping; nothing in between.

use crate::Draw;
use crate::disk::{self, Disk, gone};
use crate::limits::{DEPTH_MAX, EMPTY_ROUNDS};
use crate::slots::{self, KeyFile, LEN, MARK, Owner, Protection, SECRETS};
use std::io;
use std::path::{Path, PathBuf};

/// What is to be wiped.
#[derive(Clone, Debug)]
pub struct Device {
    /// The folder that holds everything.
    pub folder: PathBuf,
    /// The key file in it.
    pub key: PathBuf,
    /// Whose.
    pub owner: Owner,
    /// Files with secrets in clear, anywhere: written over before they are removed.
    pub clear: Vec<PathBuf>,
}

/// How a wipe is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Nothing is left.
    Open,
    /// A key file that opens with nothing is left, and ciphertext: it looks locked (a duress passphrase was given).
    Quiet,
}

/// What became of the half of a wrapping key that a TPM holds.
pub type Extinguish<'a> = &'a mut dyn FnMut((u32, u32)) -> Result<(), String>;

const OPEN: [u8; 4] = [0xFF; 4];
const QUIET: [u8; 4] = [0x0F; 4];

/// Whether a wipe has begun and is not finished.
///
/// # Errors
/// When the key file is there and cannot be read.
pub fn is_pending(disk: &dyn Disk, device: &Device) -> io::Result<bool> {
    Ok(read(disk, device)?.is_some_and(|bytes| slots::is_marked(&bytes)))
}

/// Notes that the wipe has begun, then destroys the wrapping key; both durable when this returns. From then on nothing
/// opens what is left. Says what a TPM would not let go of: its half alone opens nothing.
///
/// # Errors
/// When the medium fails. Call it again.
pub fn destroy_key(
    disk: &mut dyn Disk,
    device: &Device,
    manner: Manner,
    draw: Draw,
    extinguish: Extinguish<'_>,
) -> io::Result<Option<String>> {
    let mark = match manner {
        Manner::Open => OPEN,
        Manner::Quiet => QUIET,
    };
    match read(disk, device)? {
        Some(bytes) if bytes.len() == LEN && slots::header(&bytes).0.is_some() => {
            if !slots::is_marked(&bytes) {
                disk.write_at(&device.key, MARK.start as u64, &mark)?;
                disk.sync(&device.key)?;
            }
            overwrite(disk, device, &bytes, draw, extinguish)
        }
        Some(_) | None => {
            // No key file, or a ruin of one: a file that says nothing but that the wipe has begun, whole or not at all.
            disk::replace(disk, &device.key, &slots::only_marked(device.owner, mark))?;
            Ok(None)
        }
    }
}

fn overwrite(
    disk: &mut dyn Disk,
    device: &Device,
    bytes: &[u8],
    draw: Draw,
    extinguish: Extinguish<'_>,
) -> io::Result<Option<String>> {
    let (_, protection, _, nv) = slots::header(bytes);
    // Before the numbers of its indices are written over.
    let left = match protection {
        Protection::Tpm => extinguish(nv).err(),
        Protection::File | Protection::Passphrase => None,
    };
    let mut noise = [0; LEN - SECRETS.start];
    // Zeros destroy as well as noise where there is no randomness.
    let _ = draw(&mut noise);
    disk.write_at(&device.key, SECRETS.start as u64, &noise)?;
    disk.sync(&device.key)?;
    Ok(left)
}

/// Does the rest of a wipe that has begun.
///
/// # Errors
/// When the medium fails; the next start goes on.
pub fn finish(disk: &mut dyn Disk, device: &Device, draw: Draw) -> io::Result<()> {
    // One that cannot be written over keeps the mark, and nothing else, from going.
    let scrubbed: Vec<io::Result<()>> = device.clear.iter().map(|path| disk::scrub(disk, path)).collect();
    let Some(bytes) = read(disk, device)? else { return Ok(()) };
    if bytes.get(MARK) == Some(&QUIET) {
        return leave_decoy(disk, device, &bytes, draw);
    }
    for _ in 0..EMPTY_ROUNDS {
        if !empty(disk, &device.folder, &device.key, DEPTH_MAX)? {
            break;
        }
    }
    scrubbed.into_iter().collect::<io::Result<()>>()?;
    gone(disk.remove(&device.key))?;
    disk.sync_folder(&device.folder)
}

/// Finishes what was begun, before anything else. `true` if there was something to finish.
///
/// # Errors
/// When the medium fails.
pub fn resume(disk: &mut dyn Disk, device: &Device, draw: Draw, extinguish: Extinguish<'_>) -> io::Result<bool> {
    let Some(bytes) = read(disk, device)?.filter(|bytes| slots::is_marked(bytes)) else { return Ok(false) };
    if bytes.len() == LEN {
        overwrite(disk, device, &bytes, draw, extinguish)?;
    }
    finish(disk, device, draw)?;
    Ok(true)
}

/// The decoy shows the cost that the file showed before.
fn leave_decoy(disk: &mut dyn Disk, device: &Device, bytes: &[u8], draw: Draw) -> io::Result<()> {
    let (owner, _, cost, _) = slots::header(bytes);
    let decoy = KeyFile::decoy(owner.unwrap_or(device.owner), cost, draw).map_err(io::Error::other)?;
    disk::replace(disk, &device.key, decoy.bytes())
}

/// Removes what is in the folder but the key file; `true` if anything was there.
fn empty(disk: &mut dyn Disk, folder: &Path, key: &Path, depth: usize) -> io::Result<bool> {
    let entries = match disk.list(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e),
    };
    let mut found = false;
    for entry in entries.into_iter().filter(|e| e.path != key) {
        found = true;
        if !entry.folder {
            gone(disk.remove(&entry.path))?;
        } else if depth > 0 {
            empty(disk, &entry.path, key, depth - 1)?;
            gone(disk.remove_folder(&entry.path))?;
        }
    }
    if found {
        disk.sync_folder(folder)?;
    }
    Ok(found)
}

fn read(disk: &dyn Disk, device: &Device) -> io::Result<Option<Vec<u8>>> {
    match disk.read(&device.key, 1 << 20) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;
