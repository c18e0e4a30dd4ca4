//! Reed–Solomon blocks over GF(2⁸).

/// More bytes of a block are wrong than its parity can find; the block is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uncorrectable;
