//! An object from any symbols of it that arrive: RFC 6330 (RaptorQ), one source block (spec §52.6).
//!
//! An object of `len` bytes is cut into K = ⌈len / T⌉ *source symbols* of T bytes, numbered from 0; those with numbers
//! from K on are *repair symbols*. Any K of them usually suffice: K fail in one case of a hundred, K + 1 in one of ten
//! thousand, K + 2 in one of a million.

use alloc::vec::Vec;

/// The sender's side of one object.
#[derive(Debug)]
pub struct Encoder {
    source: Vec<u8>,
    symbol: u8,
}

impl Encoder {
    /// For `object` in symbols of `symbol` bytes. An object that is empty, longer than
    /// [`OBJECT_MAX`](crate::limits::OBJECT_MAX) or of more than [`SOURCE_MAX`](crate::limits::SOURCE_MAX) symbols,
    /// and a symbol of no bytes, make an encoder without symbols: its `k` is 0.
    #[must_use]
    pub fn new(object: &[u8], symbol: u8) -> Self {
        Self { source: object.to_vec(), symbol }
    }

    /// Number of source symbols, K.
    #[must_use]
    pub fn k(&self) -> u16 {
        self.source.len().checked_div(usize::from(self.symbol)).unwrap_or(0) as u16
    }

    /// Appends symbol `esi` to `out`; the last source symbol is filled up with zeros. The first repair symbol costs a
    /// matrix. False when there is no such symbol (above [`ESI_MAX`](crate::limits::ESI_MAX), or K is 0).
    pub fn symbol(&mut self, esi: u16, out: &mut Vec<u8>) -> bool {
        let _ = (esi, out);
        false
    }
}

/// What became of a symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was there already, or the object is complete.
    Duplicate,
    /// It is kept; more are needed.
    Stored,
    /// It is not of this object: another length, a number above [`ESI_MAX`](crate::limits::ESI_MAX), or one of more
    /// than K + [`SURPLUS_MAX`](crate::limits::SURPLUS_MAX). In the last case something false is among those held:
    /// the caller drops the decoder and begins anew.
    Wrong,
    /// The object, exactly as long as it was announced. Whether it is the right one is for the caller to verify.
    Complete(Vec<u8>),
}

/// The receiver's side of one object.
#[derive(Debug)]
pub struct Decoder {
    len: usize,
    symbol: u8,
}

impl Decoder {
    /// For an object of `len` bytes in symbols of `symbol` bytes; `None` where [`Encoder::new`] gives no symbols.
    #[must_use]
    pub fn new(len: usize, symbol: u8) -> Option<Self> {
        Some(Self { len, symbol })
    }

    /// Takes symbol `esi`.
    pub fn take(&mut self, esi: u16, data: &[u8]) -> Taken {
        let _ = (esi, data, self.len, self.symbol);
        Taken::Wrong
    }

    /// Symbols that are needed at least; 0 when the object is complete, never less than 1 before.
    #[must_use]
    pub fn needed(&self) -> u16 {
        1
    }

    /// Different symbols received so far.
    #[must_use]
    pub fn received(&self) -> u16 {
        0
    }
}
