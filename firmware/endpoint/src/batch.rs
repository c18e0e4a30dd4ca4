//! One transaction in the making.

use crate::vault::Change;
use alloc::vec::Vec;
use zeroize::Zeroize;

/// Changes to be committed together. Values may hold keys and are wiped on drop.
#[derive(Default)]
pub(crate) struct Batch {
    changes: Vec<Change>,
}

impl Batch {
    pub(crate) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.changes.push((key, Some(value)));
    }

    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.changes.push((key, None));
    }

    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The value that `key` will have, if this changes it.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.changes.iter().rev().find(|(k, _)| k == key).and_then(|(_, value)| value.as_deref())
    }

    /// Bytes of keys and values.
    pub(crate) fn bytes(&self) -> usize {
        self.changes.iter().map(|(k, v)| k.len() + v.as_ref().map_or(0, Vec::len)).sum()
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        for (_, value) in &mut self.changes {
            value.zeroize();
        }
    }
}

impl core::fmt::Debug for Batch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Batch({} changes)", self.changes.len())
    }
}
