//! Every limit of the codes, with its reason.

/// Longest Reed–Solomon block over GF(2⁸), parity included: the field has 255 elements to name places with.
pub const BLOCK_MAX: usize = 255;

/// Most parity bytes of a block: half of it repairs one wrong byte in four. A channel with more is not worth its air.
pub const PARITY_MAX: usize = 128;

/// Longest frame that a shield carries: twelve bits of length, one Golay word.
pub const FRAME_MAX: usize = 4095;

/// Longest coded frame: [`FRAME_MAX`] bytes in 33 blocks with 128 bytes of parity each, sync and header before them.
pub const CODED_MAX: usize = 9 + FRAME_MAX + 33 * PARITY_MAX;

/// Headers whose frame has not ended yet. A true one is alone, or has one or two false ones around it (noise makes one
/// in three million bytes); 64 bound the work a forger can cause to 64 × 128 field operations a byte.
pub const CANDIDATES_MAX: usize = 64;

/// Longest object of the fountain: the largest envelope (64 KiB) and what may be wrapped around it.
pub const OBJECT_MAX: usize = 70_000;

/// Most source symbols of an object. A decoding of so many takes 20 ms on a desk and ten times that on a small board,
/// and a peer that sends nonsense can cause [`SURPLUS_MAX`] of them. 70 000 bytes fit in symbols of 18 bytes and more.
pub const SOURCE_MAX: usize = 4096;

/// Greatest symbol number: fifteen bits travel.
pub const ESI_MAX: u16 = 0x7FFF;

/// Symbols kept beyond the source's number. Two more than needed fail once in a million; if 64 do not help, symbols
/// are false or belong to another object.
pub const SURPLUS_MAX: usize = 64;

/// Bytes after which an error is forgotten by two thirds: an estimate follows the channel within two seconds at
/// 9 600 bit/s, and still has twenty errors to count at a byte error probability of one in a hundred.
pub(crate) const MEMORY: f64 = 2_000.0;

/// Bytes without error that are remembered: more makes no difference to any choice.
pub(crate) const CLEAN_MAX: f64 = 200_000.0;

/// Least byte error probability thought possible: below it no frame is lost in the life of a battery.
pub(crate) const Q_MIN: f64 = 1e-8;

/// Greatest byte error probability told: beyond it no level helps.
pub(crate) const Q_MAX: f64 = 0.5;
