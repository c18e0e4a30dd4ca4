//! Frames of kind 3: objects that their own signatures prove (spec §35.5). In the clear, without hop MAC or mask, so that
//! whoever holds no network key of the present generation reads them too.
//!
//! ```text
//! 010 000 11 ‖ 00 ‖ n × (kind 1 ‖ version 4)                                                 what I have
//! 010 000 11 ‖ 01 ‖ object                                                                   an object, whole
//! 010 000 11 ‖ 02 ‖ kind 1 ‖ version 4 ‖ id 4 ‖ total 3 ‖ T 1 ‖ symbol id 2 ‖ symbols        symbols of one (§20.6)
//! ```

use crate::MissionId;
use crate::frame::{ESI_MAX, FrameError, Kind};
use crate::limits::{OBJECT_MAX, SOURCE_SYMBOLS_MAX, WIRE_VERSION};
use sha2::{Digest, Sha256};

/// Bytes before a whole object.
pub const WHOLE_LEN: usize = 2;
/// Bytes before symbols.
pub const SYMBOLS_LEN: usize = 17;
/// Longest list of what is held.
pub const HAVE_MAX: usize = 2 + 5 * ObjectKind::ALL.len();
/// What stands where a publisher's index would, before a whole object at a broker: nobody's index.
pub const AT_BROKER: [u8; 2] = [0xFF, 0xFF];

const FIRST: u8 = WIRE_VERSION << 5 | Kind::Signed as u8;
const HAVE: u8 = 0;
const WHOLE: u8 = 1;
const SYMBOLS: u8 = 2;

/// What an object is: its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ObjectKind {
    /// A revocation; its version is the generation of the network key that it leads to.
    Revoke = 1,
    /// A whole roster; its version is the roster's.
    Roster = 2,
}

/// The versions somebody holds, 0 where it holds none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Have {
    versions: [u32; ObjectKind::ALL.len()],
}

/// Symbols of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SymbolsHead {
    /// What it says it is.
    pub kind: ObjectKind,
    /// And of which version.
    pub version: u32,
    /// [`object_id`] of the whole.
    pub id: [u8; 4],
    /// Length of the whole.
    pub total: u32,
    /// Bytes of a symbol.
    pub symbol: u8,
    /// Id of the first symbol here.
    pub esi: u16,
}

/// A frame of kind 3. Nothing of it is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed<'a> {
    /// What the sender has.
    Have(Have),
    /// An object.
    Whole(&'a [u8]),
    /// Symbols of one, with consecutive ids.
    Symbols(SymbolsHead, &'a [u8]),
}

impl ObjectKind {
    /// All of them, by their bytes.
    pub const ALL: [Self; 2] = [Self::Revoke, Self::Roster];

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

impl Have {
    /// The version held.
    #[must_use]
    pub fn version(&self, kind: ObjectKind) -> u32 {
        self.versions.get(kind as usize - 1).copied().unwrap_or(0)
    }

    /// Sets it.
    pub fn set(&mut self, kind: ObjectKind, version: u32) {
        if let Some(at) = self.versions.get_mut(kind as usize - 1) {
            *at = version;
        }
    }
}

/// Whether a frame that begins so is of kind 3 and this version.
#[must_use]
pub const fn is_signed(first: u8) -> bool {
    first >> 5 == WIRE_VERSION && first & 0b11 == Kind::Signed as u8
}

/// What an object says it is, and of which version; `None` for what is none. Nothing is verified.
#[must_use]
pub fn object_version(object: &[u8]) -> Option<(ObjectKind, u32)> {
    if object.len() > OBJECT_MAX {
        return None;
    }
    let (first, rest) = object.split_first()?;
    let kind = ObjectKind::of(*first)?;
    let version = match kind {
        ObjectKind::Revoke => u32::from(*rest.first()?),
        // Magic and format precede it.
        ObjectKind::Roster => u32::from_be_bytes(*rest.get(10..)?.first_chunk()?),
    };
    (version > 0).then_some((kind, version))
}

/// What tells objects of the same kind and version apart while their symbols are collected: four bytes of SHA-256.
#[must_use]
pub fn object_id(object: &[u8]) -> [u8; 4] {
    let hash = Sha256::new_with_prefix(b"PICKET-object").chain_update(object).finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// The broker topic of objects of a kind: the same in every generation, as whoever missed one must find it.
#[must_use]
pub fn object_topic(mission: MissionId, kind: ObjectKind) -> [u8; 16] {
    let hash = Sha256::new_with_prefix(b"PICKET-objects").chain_update(mission.0).chain_update([kind as u8]).finalize();
    let mut name = [0; 16];
    name.copy_from_slice(&hash[..16]);
    name
}

impl<'a> Signed<'a> {
    /// Reads a frame.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn parse(frame: &'a [u8]) -> Result<Self, FrameError> {
        let (first, rest) = frame.split_first().ok_or(FrameError::Short)?;
        if !is_signed(*first) {
            return Err(FrameError::Version(first >> 5));
        }
        let (form, rest) = rest.split_first().ok_or(FrameError::Short)?;
        match *form {
            HAVE => parse_have(rest).map(Self::Have),
            WHOLE if rest.len() > OBJECT_MAX => Err(FrameError::Long),
            WHOLE if object_version(rest).is_some() => Ok(Self::Whole(rest)),
            SYMBOLS => parse_symbols(rest),
            _ => Err(FrameError::Kind(Kind::Signed)),
        }
    }

    /// Writes a frame; returns its length, `None` when it does not fit.
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        let mut at = 0;
        let mut put = |bytes: &[u8]| -> Option<()> {
            out.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
            at += bytes.len();
            Some(())
        };
        match self {
            Self::Have(have) => {
                put(&[FIRST, HAVE])?;
                for kind in ObjectKind::ALL.into_iter().filter(|k| have.version(*k) > 0) {
                    put(&[kind as u8])?;
                    put(&have.version(kind).to_be_bytes())?;
                }
            }
            Self::Whole(object) => {
                put(&[FIRST, WHOLE])?;
                put(object)?;
            }
            Self::Symbols(head, symbols) => {
                put(&[FIRST, SYMBOLS, head.kind as u8])?;
                put(&head.version.to_be_bytes())?;
                put(&head.id)?;
                put(&head.total.to_be_bytes()[1..])?;
                put(&[head.symbol])?;
                put(&head.esi.to_be_bytes())?;
                put(symbols)?;
            }
        }
        Some(at)
    }
}

/// Kinds strictly ascending; those this version does not know are skipped.
fn parse_have(bytes: &[u8]) -> Result<Have, FrameError> {
    let (entries, rest) = bytes.as_chunks::<5>();
    let ascending = entries.windows(2).all(|w| w[0][0] < w[1][0]);
    if !rest.is_empty() || !ascending {
        return Err(FrameError::Kind(Kind::Signed));
    }
    let mut have = Have::default();
    for [kind, a, b, c, d] in entries {
        if let Some(kind) = ObjectKind::of(*kind) {
            have.set(kind, u32::from_be_bytes([*a, *b, *c, *d]));
        }
    }
    Ok(have)
}

fn parse_symbols(bytes: &[u8]) -> Result<Signed<'_>, FrameError> {
    let ([kind, version @ .., i0, i1, i2, i3, t0, t1, t2, symbol, e0, e1], symbols) =
        bytes.split_first_chunk::<15>().ok_or(FrameError::Short)?;
    let bad = FrameError::Kind(Kind::Signed);
    let head = SymbolsHead {
        kind: ObjectKind::of(*kind).ok_or(bad)?,
        version: u32::from_be_bytes(*version),
        id: [*i0, *i1, *i2, *i3],
        total: u32::from_be_bytes([0, *t0, *t1, *t2]),
        symbol: *symbol,
        esi: u16::from_be_bytes([*e0, *e1]),
    };
    let size = usize::from(head.symbol);
    let count = symbols.len().checked_div(size).ok_or(bad)?;
    let total = head.total as usize;
    let sane = head.version > 0
        && (1..=OBJECT_MAX).contains(&total)
        && total.div_ceil(size) <= SOURCE_SYMBOLS_MAX
        && count > 0
        && symbols.len() == count * size
        && usize::from(head.esi) + count <= usize::from(ESI_MAX) + 1;
    if sane { Ok(Signed::Symbols(head, symbols)) } else { Err(bad) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn round_trip(signed: &Signed<'_>) -> Vec<u8> {
        let mut out = [0; 600];
        let len = signed.write(&mut out).unwrap();
        assert_eq!(Signed::parse(&out[..len]).as_ref(), Ok(signed));
        out[..len].to_vec()
    }

    #[test]
    fn every_form_reads_back() {
        let mut have = Have::default();
        assert_eq!(round_trip(&Signed::Have(have)), [0x43, 0]);
        have.set(ObjectKind::Roster, 0x0102_0304);
        assert_eq!(round_trip(&Signed::Have(have)), [0x43, 0, 2, 1, 2, 3, 4]);
        have.set(ObjectKind::Revoke, 7);
        assert_eq!(round_trip(&Signed::Have(have)).len(), HAVE_MAX);
        assert_eq!(round_trip(&Signed::Whole(&[1, 9, 0])), [0x43, 1, 1, 9, 0]);
        let head = SymbolsHead { kind: ObjectKind::Revoke, version: 9, id: [4; 4], total: 246, symbol: 20, esi: 3 };
        assert_eq!(round_trip(&Signed::Symbols(head, &[5; 40])).len(), SYMBOLS_LEN + 40);
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let twice = [0x43, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 2];
        let unknown_form = [0x43, 9, 1, 2, 3];
        let no_object = [0x43, 1, 7, 1];
        let other_version = [0x63, 0];
        for bad in [&[][..], &[0x43], &[0x43, 0, 1], &twice, &unknown_form, &no_object, &other_version, &[0x43, 2, 1]] {
            assert!(Signed::parse(bad).is_err(), "{bad:?}");
        }
        let head = SymbolsHead { kind: ObjectKind::Revoke, version: 9, id: [4; 4], total: 246, symbol: 20, esi: 3 };
        for bad in [
            SymbolsHead { total: 0, ..head },
            SymbolsHead { total: 65_537, ..head },
            SymbolsHead { symbol: 0, ..head },
            SymbolsHead { symbol: 7, ..head },
            SymbolsHead { version: 0, ..head },
            SymbolsHead { esi: ESI_MAX, ..head },
        ] {
            let mut out = [0; 100];
            let len = Signed::Symbols(bad, &[5; 40]).write(&mut out).unwrap();
            assert!(Signed::parse(&out[..len]).is_err(), "{bad:?}");
        }
        assert!(Signed::parse(&[0x43, 0, 9, 0, 0, 0, 1]).is_ok(), "a kind of the future");
    }

    #[test]
    fn the_generation_of_kind_3_says_nothing() {
        for bits in 0..8u8 {
            assert!(is_signed(0x43 | bits << 2));
        }
        assert!(!is_signed(0x40) && !is_signed(0x63));
    }
}
