//! Strict reading and writing of bytes: big-endian integers, minimal varints, sections.

use core::fmt;

/// Why bytes do not follow the format (spec §30.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// Cut short: a field or section ends beyond the bytes.
    Truncated,
    /// Bytes follow where none belong.
    Trailing,
    /// A varint longer than it needs to be, or beyond 32 bits.
    Varint,
    /// Section types not strictly ascending, or one that must be there is missing.
    Sections,
    /// A section this version does not know is marked critical: newer software is needed.
    UnknownCritical {
        /// Its type.
        kind: u32,
    },
    /// A value out of its range.
    Value,
    /// Indices not strictly ascending, zero, or with the broadcast address as low byte.
    Indices,
    /// Longer than the limit.
    TooLong,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("cut short: copy the file again"),
            Self::Trailing => f.write_str("bytes follow the end: copy the file again"),
            Self::Varint => f.write_str("a length is not in its shortest form"),
            Self::Sections => f.write_str("sections missing, repeated or out of order"),
            Self::UnknownCritical { kind } => {
                write!(f, "section {kind} must be understood and is not: update the software")
            }
            Self::Value => f.write_str("a value is out of its range"),
            Self::Indices => f.write_str("indices are not strictly ascending or not allowed"),
            Self::TooLong => f.write_str("longer than the limit"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Reads from the front of a slice.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Over all of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left.
    #[must_use]
    pub const fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[b]| b)
    }

    /// Two bytes, big-endian.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes, big-endian.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes, big-endian.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    /// Name with a length byte: UTF-8, 1 to [`crate::limits::NAME_MAX`] bytes, nothing that breaks a line of output.
    ///
    /// # Errors
    /// [`DecodeError::Value`] for anything else.
    pub fn name(&mut self) -> Result<&'a str, DecodeError> {
        let len = usize::from(self.u8()?);
        checked_name(self.take(len)?)
    }

    /// LEB128, at most 32 bits, shortest form only.
    ///
    /// # Errors
    /// [`DecodeError::Varint`] for any other form.
    pub fn varint(&mut self) -> Result<u32, DecodeError> {
        let mut value: u32 = 0;
        for shift in [0u32, 7, 14, 21, 28] {
            let byte = self.u8()?;
            let bits = u32::from(byte & 0x7F);
            if shift == 28 && bits > 0x0F {
                return Err(DecodeError::Varint);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                let minimal = byte != 0 || shift == 0;
                return if minimal { Ok(value) } else { Err(DecodeError::Varint) };
            }
        }
        Err(DecodeError::Varint)
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// [`DecodeError::Trailing`].
    pub const fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Trailing) }
    }
}

/// Whether `bytes` may be a name: UTF-8, 1 to 32 bytes, no control characters and no `/`, not `.` or `..` (names
/// become folders).
pub(crate) fn checked_name(bytes: &[u8]) -> Result<&str, DecodeError> {
    let name = core::str::from_utf8(bytes).map_err(|_| DecodeError::Value)?;
    let fits = !name.is_empty() && name.len() <= crate::limits::NAME_MAX;
    let printable = !name.chars().any(|c| c.is_control() || c == '/' || c == '\\');
    if fits && printable && name != "." && name != ".." { Ok(name) } else { Err(DecodeError::Value) }
}

/// One section: type, whether a reader must know it, body.
pub(crate) struct Section<'a> {
    pub(crate) kind: u32,
    pub(crate) critical: bool,
    pub(crate) body: &'a [u8],
}

/// Sections to the end of the bytes, types strictly ascending.
pub(crate) struct Sections<'a> {
    reader: Reader<'a>,
    last: Option<u32>,
}

impl<'a> Sections<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(bytes), last: None }
    }

    /// The next section, `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Section<'a>>, DecodeError> {
        if self.reader.is_empty() {
            return Ok(None);
        }
        let tag = self.reader.varint()?;
        let kind = tag >> 1;
        if self.last.is_some_and(|last| last >= kind) {
            return Err(DecodeError::Sections);
        }
        self.last = Some(kind);
        let len = usize::try_from(self.reader.varint()?).map_err(|_| DecodeError::Truncated)?;
        Ok(Some(Section { kind, critical: tag & 1 == 1, body: self.reader.take(len)? }))
    }
}

/// What to do with a section nobody knows: skip it unless it is critical (spec §30.2).
pub(crate) const fn skip_unknown(section: &Section<'_>) -> Result<(), DecodeError> {
    if section.critical { Err(DecodeError::UnknownCritical { kind: section.kind }) } else { Ok(()) }
}

/// Writes to the front of a slice; what does not fit is an error, never a panic.
pub struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

/// The buffer is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the buffer is too small")
    }
}

impl core::error::Error for NoRoom {}

impl<'a> Writer<'a> {
    /// Over all of `out`.
    pub const fn new(out: &'a mut [u8]) -> Self {
        Self { out, at: 0 }
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`NoRoom`]; nothing is written then.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        let end = self.at.checked_add(bytes.len()).ok_or(NoRoom)?;
        self.out.get_mut(self.at..end).ok_or(NoRoom)?.copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }

    /// What was written so far.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        &self.out[..self.at]
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> &'a [u8] {
        &self.out[..self.at]
    }
}
