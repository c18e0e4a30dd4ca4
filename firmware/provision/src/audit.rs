//! The log of the authority's acts: append-only, each entry chained to the one before and signed by AK (spec §30.15).
//!
//! ```text
//! log   = magic 8 ‖ format 2 ‖ AK 33 ‖ entry …
//! entry = number 4 ‖ previous 32 ‖ time 8 ‖ act 1 ‖ name length 1 ‖ name ‖ detail 4 ‖ output 32 ‖ signature 64
//! head  = magic 8 ‖ format 2 ‖ count 4 ‖ hash 32 ‖ signature 64
//! ```

use crate::limits::AUDIT_MAX;
use alloc::vec::Vec;
use core::fmt;
use picket_roster::codec::{DecodeError, Reader};
use picket_roster::file::FileKind;
use picket_roster::{AuthorityKey, PublicKey, SignerError};
use sha2::{Digest, Sha256};

/// The log.
pub const LOG: FileKind = FileKind { magic: *b"PKAUDIT\n", version: 1 };
/// Its head, kept apart.
pub const HEAD: FileKind = FileKind { magic: *b"PKAUHEAD", version: 1 };

/// Bytes before the first entry.
pub const LOG_HEADER_LEN: usize = picket_roster::file::HEADER_LEN + 33;

const DOMAIN: &[u8] = b"PICKET-audit";
const HEAD_DOMAIN: &[u8] = b"PICKET-audit-head";
const SIGNATURE: usize = 64;

/// What the authority did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// Made the mission. Name: the mission's. Output: AK's public half.
    Create,
    /// Enrolled a device. Detail: its index. Output: its request.
    Enrol,
    /// Signed a roster. Detail: its version. Output: its hash.
    Roster,
    /// Wrote a keyfill. Detail: the version of the roster inside. Output: the file.
    Keyfill,
    /// Revoked a device. Detail: its index. Output: what was signed.
    Revoke,
    /// Removed a station from the roster. Detail: its index.
    Remove,
    /// Put the authority's key under another protection. Detail: 0 none, 1 passphrase. Output: the key file.
    Protect,
    /// Moved the authority's roots to a token. Output: the key file.
    KeyMoved,
    /// Began this log, in a mission that is older. Detail: version of its roster. Output: its hash.
    Begin,
    /// Listed a device's keys of further epochs. Detail: its index. Output: its request.
    Extend,
}

/// One act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its place in the log, from 1.
    pub number: u32,
    /// When, in Unix seconds, by the authority's clock; none when it is not known.
    pub time: Option<u64>,
    /// What.
    pub act: Act,
    /// Whom or what it is about; the mission's own acts have its name.
    pub name: &'a str,
    /// See [`Act`].
    pub detail: u32,
    /// SHA-256 of what came out; zeros where nothing did.
    pub output: [u8; 32],
}

/// Where a log breaks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Number of the entry, 0 for what is before the first.
    pub entry: u32,
    /// Why.
    pub why: Why,
}

/// Why a log is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its beginning: another kind of file, a newer format, or another authority's.
    Beginning,
    /// An entry does not follow the format.
    Format(DecodeError),
    /// An entry has another number than its place: some are missing, too many or in another order.
    Number,
    /// An entry does not name the hash of the one before.
    Chain,
    /// An entry is not signed by AK.
    Signature,
    /// The log ends before its head says: entries were cut off.
    CutOff,
    /// The log goes on after its head.
    Beyond,
    /// The head is damaged or not signed by AK.
    Head,
    /// The last entry is not the one that the head names.
    Other,
}

/// The end of a log, to which acts are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    count: u32,
    hash: [u8; 32],
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why {
            Why::Beginning => f.write_str("the log's beginning is damaged, or it is another authority's"),
            Why::Format(e) => write!(f, "entry {} does not follow the format: {e}", self.entry),
            Why::Number => write!(f, "entry {} is not in its place: removed, added or swapped", self.entry),
            Why::Chain => write!(f, "entry {} does not follow the one before it", self.entry),
            Why::Signature => write!(f, "entry {} is not signed by the authority", self.entry),
            Why::CutOff => write!(f, "the log ends before entry {}: entries were cut off", self.entry),
            Why::Beyond => write!(f, "entry {} is after the log's head: it was added by somebody else", self.entry),
            Why::Head => f.write_str("the log's head is damaged, or not signed by the authority"),
            Why::Other => write!(f, "entry {} is not the one that the log's head names", self.entry),
        }
    }
}

impl core::error::Error for Broken {}

impl Act {
    const ALL: [Self; 10] = [
        Self::Create,
        Self::Enrol,
        Self::Roster,
        Self::Keyfill,
        Self::Revoke,
        Self::Remove,
        Self::Protect,
        Self::KeyMoved,
        Self::Begin,
        Self::Extend,
    ];

    /// Its byte.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Create => 1,
            Self::Enrol => 2,
            Self::Roster => 3,
            Self::Keyfill => 4,
            Self::Revoke => 5,
            Self::Remove => 6,
            Self::Protect => 7,
            Self::KeyMoved => 8,
            Self::Begin => 9,
            Self::Extend => 10,
        }
    }

    /// A stable word for machines.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Enrol => "enrol",
            Self::Roster => "roster",
            Self::Keyfill => "keyfill",
            Self::Revoke => "revoke",
            Self::Remove => "remove",
            Self::Protect => "protect",
            Self::KeyMoved => "key_moved",
            Self::Begin => "begin",
            Self::Extend => "extend",
        }
    }

    fn from_byte(byte: u8) -> Result<Self, DecodeError> {
        Self::ALL.into_iter().find(|act| act.byte() == byte).ok_or(DecodeError::Value)
    }
}

/// What a log of this authority begins with.
#[must_use]
pub fn log_header(authority: &PublicKey) -> Vec<u8> {
    [&LOG.header()[..], &authority.0].concat()
}

impl Chain {
    /// The end of a log without entries.
    #[must_use]
    pub fn begin(authority: &PublicKey) -> Self {
        Self { count: 0, hash: hash(&log_header(authority)) }
    }

    /// Entries so far.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Hash of the last entry; of the log's beginning when there is none.
    #[must_use]
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Signs the next entry and returns its bytes; the entry's number is the chain's own.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn append(&mut self, authority: &AuthorityKey, entry: &Entry<'_>) -> Result<Vec<u8>, SignerError> {
        let number = self.count.saturating_add(1);
        let mut out = Vec::with_capacity(146 + entry.name.len());
        out.extend_from_slice(&number.to_be_bytes());
        out.extend_from_slice(&self.hash);
        out.extend_from_slice(&entry.time.unwrap_or(0).to_be_bytes());
        out.push(entry.act.byte());
        // A name of the roster or mission: 32 bytes at most.
        out.push(u8::try_from(entry.name.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(entry.name.as_bytes());
        out.extend_from_slice(&entry.detail.to_be_bytes());
        out.extend_from_slice(&entry.output);
        let signature = authority.sign(DOMAIN, &out)?;
        out.extend_from_slice(&signature);
        *self = Self { count: number, hash: hash(&out) };
        Ok(out)
    }

    /// The head file, signed.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn head(&self, authority: &AuthorityKey) -> Result<Vec<u8>, SignerError> {
        let mut out = HEAD.header().to_vec();
        out.extend_from_slice(&self.count.to_be_bytes());
        out.extend_from_slice(&self.hash);
        let signature = authority.sign(HEAD_DOMAIN, &out)?;
        out.extend_from_slice(&signature);
        Ok(out)
    }

    /// Reads a head file and verifies it.
    ///
    /// # Errors
    /// [`Why::Head`].
    pub fn from_head(bytes: &[u8], authority: &PublicKey) -> Result<Self, Broken> {
        let broken = Broken { entry: 0, why: Why::Head };
        let (signed, signature) = bytes.split_last_chunk::<SIGNATURE>().ok_or(broken)?;
        let mut r = Reader::new(HEAD.open(signed).map_err(|_| broken)?);
        let mut read = || Ok::<_, DecodeError>(Self { count: r.u32()?, hash: r.array()? });
        let chain = read().map_err(|_| broken)?;
        r.end().map_err(|_| broken)?;
        authority.verify(HEAD_DOMAIN, signed, signature).map_err(|_| broken)?;
        Ok(chain)
    }
}

/// The entries of a log, without a look at chain, signatures and head: to show them, and for fuzzing.
///
/// # Errors
/// [`Broken`] at the first that does not follow the format.
pub fn entries(log: &[u8]) -> Result<Vec<Entry<'_>>, Broken> {
    let (_, body) = open(log)?;
    let mut reader = Reader::new(body);
    let mut found = Vec::new();
    while !reader.is_empty() {
        let place = u32::try_from(found.len()).unwrap_or(u32::MAX).saturating_add(1);
        let (entry, ..) = read(&mut reader).map_err(|e| Broken { entry: place, why: Why::Format(e) })?;
        found.push(entry);
    }
    Ok(found)
}

/// Checks a whole log against its head and the authority: every entry's form, place, chain and signature.
///
/// # Errors
/// [`Broken`] at the first entry that does not hold.
pub fn check<'a>(log: &'a [u8], head: &[u8], authority: &PublicKey) -> Result<Vec<Entry<'a>>, Broken> {
    let (key, body) = open(log)?;
    if key != *authority {
        return Err(Broken { entry: 0, why: Why::Beginning });
    }
    let end = Chain::from_head(head, authority)?;
    let mut reader = Reader::new(body);
    let mut chain = Chain::begin(authority);
    let mut found = Vec::new();
    while !reader.is_empty() {
        let entry = next(&mut reader, &mut chain, authority)?;
        if entry.number > end.count {
            return Err(Broken { entry: entry.number, why: Why::Beyond });
        }
        found.push(entry);
    }
    if chain.count < end.count {
        return Err(Broken { entry: chain.count + 1, why: Why::CutOff });
    }
    if chain != end {
        return Err(Broken { entry: chain.count, why: Why::Other });
    }
    Ok(found)
}

/// One more entry, held against the chain so far.
fn next<'a>(reader: &mut Reader<'a>, chain: &mut Chain, authority: &PublicKey) -> Result<Entry<'a>, Broken> {
    let place = chain.count.saturating_add(1);
    let broken = |why| Broken { entry: place, why };
    let before = reader.rest();
    let (entry, previous, signature) = read(reader).map_err(|e| broken(Why::Format(e)))?;
    let whole = before.get(..before.len() - reader.rest().len()).unwrap_or_default();
    let signed = whole.get(..whole.len().saturating_sub(SIGNATURE)).unwrap_or_default();
    if entry.number != place {
        return Err(broken(Why::Number));
    }
    if previous != chain.hash {
        return Err(broken(Why::Chain));
    }
    authority.verify(DOMAIN, signed, &signature).map_err(|_| broken(Why::Signature))?;
    *chain = Chain { count: place, hash: hash(whole) };
    Ok(entry)
}

fn open(log: &[u8]) -> Result<(PublicKey, &[u8]), Broken> {
    let broken = Broken { entry: 0, why: Why::Beginning };
    if log.len() > AUDIT_MAX {
        return Err(broken);
    }
    let mut reader = Reader::new(LOG.open(log).map_err(|_| broken)?);
    let key = PublicKey(reader.array().map_err(|_| broken)?);
    Ok((key, reader.rest()))
}

fn read<'a>(r: &mut Reader<'a>) -> Result<(Entry<'a>, [u8; 32], [u8; SIGNATURE]), DecodeError> {
    let (number, previous) = (r.u32()?, r.array()?);
    let time = Some(r.u64()?).filter(|t| *t > 0);
    let act = Act::from_byte(r.u8()?)?;
    let name = r.name()?;
    let (detail, output, signature) = (r.u32()?, r.array()?, r.array()?);
    Ok((Entry { number, time, act, name, detail, output }, previous, signature))
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
