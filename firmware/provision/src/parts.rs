//! A file as numbered lines of text, each short enough for a QR code (spec §30.13).
//!
//! `PICKETQ1/<id>/<n>/<m>/<data>`: all of it in the alphabet of QR's alphanumeric mode. The id is the checksum.

use crate::limits::{PART_BYTES, PART_BYTES_MAX, PART_TEXT_MAX, PARTED_MAX, PARTS_MAX};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What every part begins with.
pub const PREFIX: &str = "PICKETQ1/";

/// Bytes of the checksum that names a set of parts.
const ID_LEN: usize = 8;

/// Why a part is not taken, or a set not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartError {
    /// The file is empty, or too long to travel in parts.
    Length,
    /// Not one of our parts.
    NotAPart,
    /// One of our parts, damaged: scan it again.
    Damaged {
        /// Its number, where that could be read.
        number: u16,
    },
    /// A part of another file than those before it.
    OtherSet,
    /// A part that says another count or other data than one before it.
    Contradiction {
        /// Its number.
        number: u16,
    },
    /// Parts are missing still.
    Incomplete {
        /// How many.
        missing: u16,
    },
    /// All parts are there and the whole has another checksum: one was read wrongly.
    Checksum,
}

/// What a part that was taken changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// A new one.
    New,
    /// One that was there already.
    Again,
}

/// Parts of one file, in whatever order they come. What it holds is erased on drop.
#[derive(Default)]
pub struct Collector {
    set: Option<([u8; ID_LEN], u16)>,
    parts: BTreeMap<u16, Zeroizing<Vec<u8>>>,
}

struct Part {
    id: [u8; ID_LEN],
    number: u16,
    count: u16,
    data: Zeroizing<Vec<u8>>,
}

impl fmt::Display for PartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => write!(f, "a file travels in parts if it has 1 to {PARTED_MAX} bytes: carry it as a file"),
            Self::NotAPart => write!(f, "not a part: parts begin with {PREFIX}"),
            Self::Damaged { number: 0 } => f.write_str("a part is damaged: scan it again"),
            Self::Damaged { number } => write!(f, "part {number} is damaged: scan it again"),
            Self::OtherSet => {
                f.write_str("a part of another file than those before it: scan the parts of one file only")
            }
            Self::Contradiction { number } => {
                write!(f, "part {number} contradicts what was scanned before: begin again with all parts")
            }
            Self::Incomplete { missing } => write!(f, "{missing} parts are missing"),
            Self::Checksum => f.write_str("the parts do not make the file they name: begin again with all parts"),
        }
    }
}

impl core::error::Error for PartError {}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Collector({} of {})", self.parts.len(), self.count())
    }
}

/// The parts of a file, in order.
///
/// # Errors
/// [`PartError::Length`].
pub fn split(file: &[u8]) -> Result<Vec<Zeroizing<String>>, PartError> {
    let count = u16::try_from(file.len().div_ceil(PART_BYTES)).map_err(|_| PartError::Length)?;
    if !(1..=PARTS_MAX).contains(&count) {
        return Err(PartError::Length);
    }
    let id = BASE32_NOPAD.encode(&checksum(file));
    let part = |(n, data): (u16, &[u8])| {
        let data = Zeroizing::new(BASE32_NOPAD.encode(data));
        Zeroizing::new(format!("{PREFIX}{id}/{n}/{count}/{}", *data))
    };
    Ok((1..).zip(file.chunks(PART_BYTES)).map(part).collect())
}

/// Whether a text looks like a part, so that whoever reads a file can tell what it is.
#[must_use]
pub fn looks_like_one(text: &[u8]) -> bool {
    text.trim_ascii_start().get(..PREFIX.len()).is_some_and(|p| p.eq_ignore_ascii_case(PREFIX.as_bytes()))
}

impl Collector {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one part, as scanned or pasted.
    ///
    /// # Errors
    /// [`PartError`]; what was collected before stays as it was.
    pub fn add(&mut self, text: &str) -> Result<Added, PartError> {
        let part = Part::read(text.trim())?;
        match self.set {
            None => self.set = Some((part.id, part.count)),
            Some((id, _)) if id != part.id => return Err(PartError::OtherSet),
            Some((_, count)) if count != part.count => {
                return Err(PartError::Contradiction { number: part.number });
            }
            Some(_) => (),
        }
        match self.parts.get(&part.number) {
            Some(before) if *before == part.data => Ok(Added::Again),
            Some(_) => Err(PartError::Contradiction { number: part.number }),
            None => {
                self.parts.insert(part.number, part.data);
                Ok(Added::New)
            }
        }
    }

    /// How many parts the file has; 0 before the first one is there.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.set.map_or(0, |(_, count)| count)
    }

    /// Numbers of the parts that are missing, ascending.
    pub fn missing(&self) -> impl Iterator<Item = u16> + '_ {
        (1..=self.count()).filter(|n| !self.parts.contains_key(n))
    }

    /// Whether every part is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.count() > 0 && self.missing().next().is_none()
    }

    /// The file.
    ///
    /// # Errors
    /// [`PartError::Incomplete`], [`PartError::Checksum`].
    pub fn finish(&self) -> Result<Zeroizing<Vec<u8>>, PartError> {
        let (id, _) = self.set.ok_or(PartError::Incomplete { missing: 0 })?;
        let missing = u16::try_from(self.missing().count()).unwrap_or(u16::MAX);
        if missing > 0 {
            return Err(PartError::Incomplete { missing });
        }
        let mut file = Zeroizing::new(Vec::with_capacity(self.parts.values().map(|p| p.len()).sum()));
        self.parts.values().for_each(|part| file.extend_from_slice(part));
        if checksum(&file) == id { Ok(file) } else { Err(PartError::Checksum) }
    }
}

impl Part {
    fn read(text: &str) -> Result<Self, PartError> {
        if text.len() > PART_TEXT_MAX || !looks_like_one(text.as_bytes()) {
            return Err(PartError::NotAPart);
        }
        let text = Zeroizing::new(text.to_ascii_uppercase());
        let mut fields = text.get(PREFIX.len()..).unwrap_or_default().splitn(4, '/');
        let mut field = || fields.next().ok_or(PartError::Damaged { number: 0 });
        let (id, number, count, data) = (field()?, field()?, field()?, field()?);
        let number = decimal(number).ok_or(PartError::Damaged { number: 0 })?;
        let damaged = PartError::Damaged { number };
        let count = decimal(count).ok_or(damaged)?;
        let id = BASE32_NOPAD.decode(id.as_bytes()).ok().and_then(|id| id.try_into().ok()).ok_or(damaged)?;
        let data = Zeroizing::new(BASE32_NOPAD.decode(data.as_bytes()).map_err(|_| damaged)?);
        let fits = (1..=count).contains(&number) && (1..=PART_BYTES_MAX).contains(&data.len());
        if fits { Ok(Self { id, number, count, data }) } else { Err(damaged) }
    }
}

/// 1 to 999 in its only form.
fn decimal(text: &str) -> Option<u16> {
    let shortest = text.len() <= 3 && !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|n| shortest && (1..=PARTS_MAX).contains(n))
}

fn checksum(file: &[u8]) -> [u8; ID_LEN] {
    let digest = Sha256::digest(file);
    core::array::from_fn(|n| digest.get(n).copied().unwrap_or(0))
}
