//! The table's one record: a transaction (§60.8).

use alloc::vec::Vec;

use crate::log::format::be32;

const REMOVED: u32 = u32::MAX;

/// A change of one key inside a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Op<'a> {
    pub key: &'a [u8],
    /// Where the value is, or that the key goes.
    pub value: Option<Place>,
}

/// Where a value is within the payload of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub at: u32,
    pub len: u32,
    pub sum: u32,
}

/// Head and body of the record for these changes.
pub(super) fn encode(changes: &[(&[u8], Option<&[u8]>)]) -> (Vec<u8>, Vec<u8>) {
    let (mut head, mut body) = (Vec::new(), Vec::new());
    for (key, value) in changes {
        head.push(key.len() as u8);
        head.extend_from_slice(key);
        head.extend_from_slice(&value.map_or(REMOVED, |v| v.len() as u32).to_be_bytes());
        head.extend_from_slice(&value.map_or(0, crc32fast::hash).to_be_bytes());
        body.extend_from_slice(value.unwrap_or_default());
    }
    (head, body)
}

/// The changes a head lists.
pub(super) fn ops(head: &[u8]) -> Ops<'_> {
    Ops { rest: head, at: head.len() as u32 }
}

/// See [`ops`].
#[derive(Clone, Debug)]
pub(super) struct Ops<'a> {
    rest: &'a [u8],
    at: u32,
}

impl<'a> Iterator for Ops<'a> {
    type Item = Op<'a>;

    fn next(&mut self) -> Option<Op<'a>> {
        let (len, rest) = self.rest.split_first()?;
        let (key, rest) = rest.split_at_checked(usize::from(*len))?;
        let (fixed, rest) = rest.split_at_checked(8)?;
        self.rest = rest;
        let (len, sum) = (be32(fixed, 0), be32(fixed, 4));
        if len == REMOVED {
            return Some(Op { key, value: None });
        }
        let at = self.at;
        self.at = self.at.checked_add(len)?;
        Some(Op { key, value: Some(Place { at, len, sum }) })
    }
}

impl Place {
    /// Whether the value is what was written, in a record with this head and body.
    pub fn intact(&self, head: &[u8], body: &[u8]) -> bool {
        self.bytes(head, body).is_some_and(|value| crc32fast::hash(value) == self.sum)
    }

    /// The value.
    pub fn bytes<'a>(&self, head: &[u8], body: &'a [u8]) -> Option<&'a [u8]> {
        let start = (self.at as usize).checked_sub(head.len())?;
        body.get(start..start.checked_add(self.len as usize)?)
    }
}
