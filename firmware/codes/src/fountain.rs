//! An object from any symbols of it that arrive: RFC 6330 (RaptorQ), one source block (spec §52.6).
//!
//! An object of `len` bytes is cut into K = ⌈`len` / T⌉ *source symbols* of T bytes, numbered from 0; those with
//! numbers from K on are *repair symbols*. Any K of them usually suffice: K fail in one case of a hundred, K + 1 in one
//! of ten thousand, K + 2 in one of a million.
//!
//! ```
//! use picket_codes::fountain::{Decoder, Encoder, Taken};
//! let object = b"an object longer than one symbol";
//! let mut encoder = Encoder::new(object, 8);
//! let mut decoder = Decoder::new(object.len(), 8).ok_or("sizes")?;
//! let mut arrived = None;
//! for esi in (1..encoder.k()).chain([200, 300, 400]) {
//!     let mut symbol = Vec::new();
//!     encoder.symbol(esi, &mut symbol);
//!     if let Taken::Complete(whole) = decoder.take(esi, &symbol) {
//!         arrived = Some(whole);
//!     }
//! }
//! assert_eq!(arrived.as_deref(), Some(&object[..]));
//! # Ok::<(), &str>(())
//! ```

use crate::limits::{ESI_MAX, OBJECT_MAX, SOURCE_MAX, SURPLUS_MAX};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use raptorq::{EncodingPacket, ObjectTransmissionInformation, PayloadId, SourceBlockDecoder, SourceBlockEncoder};

/// The sender's side of one object.
pub struct Encoder {
    /// The source symbols, the last one filled up with zeros.
    source: Vec<u8>,
    symbol: u8,
    k: u16,
    /// Made for the first repair symbol: most objects arrive without one.
    repair: Option<SourceBlockEncoder>,
}

impl Encoder {
    /// For `object` in symbols of `symbol` bytes.
    ///
    /// An object that is empty, longer than [`OBJECT_MAX`] or of more than [`SOURCE_MAX`] symbols, and a symbol of no
    /// bytes, make an encoder without symbols: its `k` is 0.
    #[must_use]
    pub fn new(object: &[u8], symbol: u8) -> Self {
        let k = source_symbols(object.len(), symbol).unwrap_or(0);
        let padded = usize::from(k) * usize::from(symbol);
        let mut source = Vec::with_capacity(padded);
        source.extend_from_slice(object);
        source.resize(padded, 0);
        Self { source, symbol, k, repair: None }
    }

    /// Number of source symbols, K.
    #[must_use]
    pub const fn k(&self) -> u16 {
        self.k
    }

    /// Appends symbol `esi` to `out`. The first repair symbol costs a matrix. False when there is no such symbol (above
    /// [`ESI_MAX`], or K is 0): then nothing is written.
    pub fn symbol(&mut self, esi: u16, out: &mut Vec<u8>) -> bool {
        if self.k == 0 || esi > ESI_MAX {
            return false;
        }
        let Some(nth) = esi.checked_sub(self.k) else {
            let size = usize::from(self.symbol);
            out.extend(self.source.iter().skip(usize::from(esi) * size).take(size));
            return true;
        };
        let Self { source, symbol, .. } = self;
        let repair = self.repair.get_or_insert_with(|| SourceBlockEncoder::new(0, &config(*symbol), source));
        repair.repair_packets(u32::from(nth), 1).iter().for_each(|p| out.extend_from_slice(p.data()));
        true
    }
}

/// Sizes only: what is carried is nobody's business.
impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("k", &self.k).field("symbol", &self.symbol).finish_non_exhaustive()
    }
}

/// What became of a symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was there already, or the object is complete.
    Duplicate,
    /// It is kept; more are needed.
    Stored,
    /// It is not of this object: of another length, numbered above [`ESI_MAX`], or one of more than K +
    /// [`SURPLUS_MAX`] different ones. In the last case something false is among those held: the caller drops the
    /// decoder and begins anew.
    Wrong,
    /// The object, exactly as long as it was announced. Whether it is the right one is for the caller to verify: a
    /// false symbol makes a false object.
    Complete(Vec<u8>),
}

/// The receiver's side of one object. It holds at most K + [`SURPLUS_MAX`] symbols, and none when it is complete.
pub struct Decoder {
    len: usize,
    symbol: u8,
    k: u16,
    /// Symbols by their numbers.
    held: BTreeMap<u16, Vec<u8>>,
    /// Different symbols received, also when they are no longer held.
    received: u16,
    complete: bool,
}

impl Decoder {
    /// For an object of `len` bytes in symbols of `symbol` bytes; `None` where [`Encoder::new`] gives no symbols.
    #[must_use]
    pub fn new(len: usize, symbol: u8) -> Option<Self> {
        let k = source_symbols(len, symbol)?;
        Some(Self { len, symbol, k, held: BTreeMap::new(), received: 0, complete: false })
    }

    /// Takes symbol `esi`. From the Kth on each new one makes an attempt at decoding, which costs a matrix unless all
    /// source symbols are there.
    pub fn take(&mut self, esi: u16, data: &[u8]) -> Taken {
        if data.len() != usize::from(self.symbol) || esi > ESI_MAX {
            return Taken::Wrong;
        }
        if self.complete || self.held.contains_key(&esi) {
            return Taken::Duplicate;
        }
        if self.held.len() >= usize::from(self.k) + SURPLUS_MAX {
            return Taken::Wrong;
        }
        self.held.insert(esi, data.to_vec());
        self.received += 1;
        if self.received < self.k {
            return Taken::Stored;
        }
        let Some(mut object) = self.decode() else { return Taken::Stored };
        object.truncate(self.len);
        self.complete = true;
        self.held = BTreeMap::new();
        Taken::Complete(object)
    }

    /// Symbols that are needed at least; 0 when the object is complete, never less than 1 before.
    #[must_use]
    pub fn needed(&self) -> u16 {
        if self.complete { 0 } else { self.k.saturating_sub(self.received).max(1) }
    }

    /// Different symbols received so far.
    #[must_use]
    pub const fn received(&self) -> u16 {
        self.received
    }

    /// All source symbols in a row, from at least K symbols; `None` when these do not determine them.
    fn decode(&self) -> Option<Vec<u8>> {
        if self.held.range(..self.k).count() == usize::from(self.k) {
            return Some(self.held.values().take(usize::from(self.k)).flatten().copied().collect());
        }
        let len = u64::from(self.k) * u64::from(self.symbol);
        let mut decoder = SourceBlockDecoder::new(0, &config(self.symbol), len);
        let packet =
            |(esi, data): (&u16, &Vec<u8>)| EncodingPacket::new(PayloadId::new(0, u32::from(*esi)), data.clone());
        decoder.decode(self.held.iter().map(packet))
    }
}

/// Sizes only, as of [`Encoder`].
impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("Decoder");
        all.field("k", &self.k).field("symbol", &self.symbol).field("received", &self.received);
        all.field("complete", &self.complete).finish_non_exhaustive()
    }
}

/// K, if an object of `len` bytes can be carried in symbols of `symbol` bytes.
fn source_symbols(len: usize, symbol: u8) -> Option<u16> {
    let possible = symbol > 0 && (1..=OBJECT_MAX).contains(&len);
    let k = possible.then(|| len.div_ceil(usize::from(symbol)))?;
    (k <= SOURCE_MAX).then_some(k as u16)
}

/// What the codec wants to know: the size of symbols, no sub-blocks, no alignment. Length and number of blocks are
/// checked against each other only where both are given; [`source_symbols`] keeps K within what a block may have.
fn config(symbol: u8) -> ObjectTransmissionInformation {
    ObjectTransmissionInformation::new(0, u16::from(symbol), 0, 1, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 % 253) as u8 ^ (i >> 8) as u8).collect()
    }

    fn symbol(encoder: &mut Encoder, esi: u16) -> Vec<u8> {
        let mut out = Vec::new();
        assert!(encoder.symbol(esi, &mut out));
        out
    }

    /// Feeds symbols until the object is complete; it and how many that took.
    fn transfer(object: &[u8], size: u8, esis: impl IntoIterator<Item = u16>) -> Option<(Vec<u8>, u16)> {
        let mut encoder = Encoder::new(object, size);
        let mut decoder = Decoder::new(object.len(), size)?;
        for esi in esis {
            let before = decoder.received();
            match decoder.take(esi, &symbol(&mut encoder, esi)) {
                Taken::Complete(whole) => {
                    assert_eq!((decoder.needed(), decoder.received()), (0, before + 1));
                    return Some((whole, decoder.received()));
                }
                Taken::Stored => assert!(decoder.needed() >= 1 && decoder.received() == before + 1),
                other => assert_eq!(other, Taken::Duplicate),
            }
        }
        None
    }

    #[test]
    fn source_symbols_alone_need_no_matrix_and_give_the_exact_length() {
        for (len, size) in [(1, 1), (1, 255), (255, 255), (256, 255), (1000, 7), (4096, 1), (70_000, 255)] {
            let object = object(len);
            let k = len.div_ceil(usize::from(size)) as u16;
            assert_eq!(transfer(&object, size, (0..k).rev()), Some((object, k)));
        }
        assert!(Encoder::new(&object(100), 10).repair.is_none());
    }

    #[test]
    fn repair_symbols_alone_make_the_object() {
        for (len, size) in [(1, 1), (3, 200), (400, 40), (5_000, 49), (20_000, 240)] {
            let object = object(len);
            let k = len.div_ceil(usize::from(size)) as u16;
            let (whole, took) = transfer(&object, size, (k..=ESI_MAX).step_by(5)).unwrap_or_default();
            assert!(whole == object && took <= k + 3, "{len}/{size}: {took} for {k}");
        }
    }

    #[test]
    fn any_half_of_source_and_repair_symbols_makes_the_object() {
        let object = object(12_000);
        for turn in 0..20u16 {
            let esis = (0..400u16).filter(|i| (i * 7 + turn) % 5 < 3 && i % 20 != turn);
            let (whole, took) = transfer(&object, 64, esis).unwrap_or_default();
            assert!(whole == object && took <= 191, "{turn}: {took}");
        }
    }

    #[test]
    fn what_is_no_symbol_of_the_object_is_told() {
        let mut decoder = Decoder::new(100, 10).unwrap_or_else(|| panic!("sizes"));
        assert_eq!(decoder.take(0, &[0; 9]), Taken::Wrong);
        assert_eq!(decoder.take(0, &[]), Taken::Wrong);
        assert_eq!(decoder.take(ESI_MAX + 1, &[0; 10]), Taken::Wrong);
        assert_eq!(decoder.take(ESI_MAX, &[0; 10]), Taken::Stored);
        assert_eq!(decoder.take(ESI_MAX, &[1; 10]), Taken::Duplicate);
        assert_eq!((decoder.received(), decoder.needed()), (1, 9));
    }

    #[test]
    fn a_complete_decoder_holds_nothing_and_takes_nothing() {
        let mut decoder = Decoder::new(5, 5).unwrap_or_else(|| panic!("sizes"));
        assert_eq!(decoder.take(0, b"whole"), Taken::Complete(b"whole".to_vec()));
        assert_eq!(decoder.take(1, b"again"), Taken::Duplicate);
        assert_eq!(decoder.take(1, b"short again"), Taken::Wrong);
        assert!(decoder.held.is_empty());
        assert_eq!((decoder.received(), decoder.needed()), (1, 0));
    }

    #[test]
    fn a_decoder_that_gets_nowhere_is_bounded() {
        // As if every attempt had failed.
        let mut decoder = Decoder::new(100, 10).unwrap_or_else(|| panic!("sizes"));
        decoder.held = (0..10 + SURPLUS_MAX as u16).map(|esi| (100 + esi, vec![0; 10])).collect();
        decoder.received = 10 + SURPLUS_MAX as u16;
        assert_eq!(decoder.take(0, &[0; 10]), Taken::Wrong);
        assert_eq!(decoder.take(100, &[0; 10]), Taken::Duplicate);
        assert_eq!(decoder.needed(), 1);
    }

    #[test]
    fn sizes_beyond_the_limits_make_no_symbols() {
        for (len, size) in [(0, 1), (1, 0), (OBJECT_MAX + 1, 255), (SOURCE_MAX + 1, 1), (usize::MAX, 255)] {
            assert!(Decoder::new(len, size).is_none(), "{len} {size}");
        }
        for (len, size) in [(0, 1), (1, 0), (OBJECT_MAX + 1, 255), (SOURCE_MAX + 1, 1)] {
            let (mut encoder, mut out) = (Encoder::new(&vec![0; len], size), Vec::new());
            assert_eq!(encoder.k(), 0);
            assert!(!encoder.symbol(0, &mut out) && out.is_empty());
        }
        assert!(!Encoder::new(&[1], 1).symbol(ESI_MAX + 1, &mut Vec::new()));
    }

    #[test]
    fn false_symbols_make_a_false_object_and_no_panic() {
        let mut encoder = Encoder::new(&object(500), 20);
        let mut decoder = Decoder::new(500, 20).unwrap_or_else(|| panic!("sizes"));
        let ends = (10..200u16).map(|esi| {
            let data = if esi % 3 == 0 { vec![esi as u8; 20] } else { symbol(&mut encoder, esi) };
            decoder.take(esi, &data)
        });
        let completes: Vec<usize> =
            ends.filter_map(|t| if let Taken::Complete(o) = t { Some(o.len()) } else { None }).collect();
        assert_eq!(completes, [500]);
    }
}
