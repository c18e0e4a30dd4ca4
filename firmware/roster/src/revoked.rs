//! Who is revoked (spec §35.4): indices that are refused everywhere, for ever.

use crate::limits::REVOKED_MAX;
use core::fmt;
use picket_wire::Index;

/// An ascending set of revoked indices, at most [`REVOKED_MAX`].
#[derive(Clone, PartialEq, Eq)]
pub struct Revoked {
    indices: [Index; REVOKED_MAX],
    len: usize,
}

/// There is no room for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Default for Revoked {
    fn default() -> Self {
        Self { indices: [Index(0); REVOKED_MAX], len: 0 }
    }
}

impl fmt::Debug for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.as_slice().iter().map(|i| i.0)).finish()
    }
}

impl Revoked {
    /// The indices, ascending.
    #[must_use]
    pub fn as_slice(&self) -> &[Index] {
        self.indices.get(..self.len).unwrap_or(&[])
    }

    /// Whether `index` is revoked.
    #[must_use]
    pub fn contains(&self, index: Index) -> bool {
        self.as_slice().binary_search(&index).is_ok()
    }

    /// Whether every index of `other` is here too.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        other.as_slice().iter().all(|i| self.contains(*i))
    }

    /// Adds one; false when it was there.
    ///
    /// # Errors
    /// [`Full`]; nothing changed then.
    pub fn insert(&mut self, index: Index) -> Result<bool, Full> {
        let Err(at) = self.as_slice().binary_search(&index) else { return Ok(false) };
        let end = self.len.checked_add(1).filter(|end| *end <= REVOKED_MAX).ok_or(Full)?;
        if let Some(tail) = self.indices.get_mut(at..end) {
            tail.rotate_right(1);
            if let Some(first) = tail.first_mut() {
                *first = index;
            }
        }
        self.len = end;
        Ok(true)
    }

    /// Adds all of `other`.
    ///
    /// # Errors
    /// [`Full`]; some may have been added then.
    pub fn extend(&mut self, other: &Self) -> Result<(), Full> {
        other.as_slice().iter().try_for_each(|i| self.insert(*i).map(|_| ()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_ascending_bounded_and_without_doubles() {
        let mut set = Revoked::default();
        for i in [5u16, 1, 9, 5, 3] {
            let fresh = !set.contains(Index(i));
            assert_eq!(set.insert(Index(i)), Ok(fresh));
        }
        assert_eq!(set.as_slice(), [1, 3, 5, 9].map(Index));
        let mut other = Revoked::default();
        other.insert(Index(3)).unwrap();
        assert!(set.includes(&other) && !other.includes(&set));
        for i in 0..REVOKED_MAX {
            let _full_in_the_end = set.insert(Index(100 + i as u16));
        }
        assert_eq!(set.insert(Index(7)), Err(Full));
        assert_eq!(set.as_slice().len(), REVOKED_MAX);
    }
}
