//! Bytes as people hand them over.

use std::fmt;

/// Why text is not hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HexError {
    /// A character that is neither a digit nor a separator.
    Character(char),
    /// Half a byte is missing.
    Odd,
}

impl fmt::Display for HexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character(c) => write!(f, "{c:?} is no hex digit; for a file of raw bytes use --raw"),
            Self::Odd => f.write_str("an odd number of hex digits"),
        }
    }
}

impl std::error::Error for HexError {}

/// Bytes from hex digits; white space, `:`, `,`, `-` and `0x` between them are ignored.
///
/// # Errors
/// What is in the way.
pub fn from_hex(text: &str) -> Result<Vec<u8>, HexError> {
    let text = text.replace("0x", "");
    let digits: String = text.chars().filter(|c| !c.is_whitespace() && !":,-".contains(*c)).collect();
    if let Some(c) = digits.chars().find(|c| !c.is_ascii_hexdigit()) {
        return Err(HexError::Character(c));
    }
    hex::decode(digits).map_err(|_| HexError::Odd)
}

/// A 32-byte key from 64 hex digits.
///
/// # Errors
/// A sentence that says what was expected.
pub fn key(text: &str) -> Result<[u8; 32], String> {
    from_hex(text).ok().and_then(|b| b.try_into().ok()).ok_or_else(|| "a key is 64 hex digits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{HexError, from_hex, key};

    #[test]
    fn hex_is_read_as_people_paste_it() {
        assert_eq!(from_hex("0x2c, 0x0a\n ff:00-01"), Ok(vec![0x2c, 0x0a, 0xff, 0, 1]));
        assert_eq!(from_hex(""), Ok(vec![]));
        assert_eq!(from_hex("abc"), Err(HexError::Odd));
        assert_eq!(from_hex("zz"), Err(HexError::Character('z')));
        assert!(key("00").is_err());
    }
}
