//! The tree over all indices, and who is reached by which of its keys (spec §35.2): the complete-subtree method of Naor,
//! Naor and Lotspiech (2001).
//!
//! A node of depth d stands for the 2^(16−d) indices that begin with its d bits. Whoever has an index holds the keys of
//! the seventeen nodes above it, so that a set of nodes without a revoked index below reaches exactly the others.

use crate::station::usable;
use picket_wire::Index;

/// Depth of the leaves: one level for each bit of an index.
pub const DEPTH: u8 = 16;

/// Nodes from the root to a leaf.
pub const PATH_NODES: usize = DEPTH as usize + 1;

/// One node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Bits that all indices below it share: 0 is the root, 16 a leaf.
    pub depth: u8,
    /// Those bits, as a number.
    pub prefix: u16,
}

impl Node {
    /// The root.
    pub const ROOT: Self = Self { depth: 0, prefix: 0 };

    /// The node of this depth above `index`; deeper than a leaf there is none.
    #[must_use]
    pub const fn above(index: Index, depth: u8) -> Option<Self> {
        if depth > DEPTH {
            return None;
        }
        let prefix = (index.0 as u32) >> (DEPTH - depth);
        // At most sixteen bits.
        Some(Self { depth, prefix: prefix as u16 })
    }

    /// Whether `index` is below.
    #[must_use]
    pub fn covers(self, index: Index) -> bool {
        Self::above(index, self.depth) == Some(self)
    }

    /// First index below.
    const fn first(self) -> u32 {
        (self.prefix as u32) << (DEPTH - self.depth)
    }

    /// Last index below.
    const fn last(self) -> u32 {
        self.first() + (1 << (DEPTH - self.depth)) - 1
    }

    const fn child(self, bit: u16) -> Self {
        Self { depth: self.depth + 1, prefix: self.prefix << 1 | bit }
    }
}

/// The nodes that reach every index below `next` but the revoked ones, in ascending order of their indices. `revoked` is
/// ascending. Both ends compute the same nodes, so that none of them is named on air.
pub fn cover(next: u16, revoked: &[Index], mut each: impl FnMut(Node)) {
    descend(Node::ROOT, next, revoked, &mut each);
}

/// At most sixteen levels deep.
fn descend(node: Node, next: u16, revoked: &[Index], each: &mut impl FnMut(Node)) {
    if node.first() >= u32::from(next) {
        return;
    }
    let from = revoked.partition_point(|r| u32::from(r.0) < node.first());
    let until = revoked.partition_point(|r| u32::from(r.0) <= node.last());
    let inside = revoked.get(from..until).unwrap_or(&[]);
    if inside.is_empty() {
        // A leaf that can be nobody's index needs no key.
        if node.depth < DEPTH || usable(Index(node.prefix)) {
            each(node);
        }
    } else if node.depth < DEPTH {
        descend(node.child(0), next, inside, each);
        descend(node.child(1), next, inside, each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(next: u16, revoked: &[u16]) -> Vec<Node> {
        let revoked: Vec<Index> = revoked.iter().copied().map(Index).collect();
        let mut out = Vec::new();
        cover(next, &revoked, |n| out.push(n));
        out
    }

    #[test]
    fn nobody_revoked_is_one_node() {
        assert_eq!(nodes(65, &[]), [Node::ROOT]);
    }

    #[test]
    fn a_cover_is_small_and_in_order() {
        assert_eq!(nodes(65, &[20]).len(), 7);
        assert_eq!(nodes(65, &[64]).len(), 1);
        assert!(nodes(0xC000, &[1]).len() <= 16);
        assert!(nodes(300, &[3, 4, 200]).windows(2).all(|w| w[0].last() < w[1].first()));
    }

    #[test]
    fn an_index_is_below_one_node_of_each_depth() {
        let index = Index(0x1234);
        let path: Vec<Node> = (0..=DEPTH).filter_map(|d| Node::above(index, d)).collect();
        assert_eq!(path.len(), PATH_NODES);
        assert!(path.iter().all(|n| n.covers(index)));
        assert_eq!(path[16], Node { depth: 16, prefix: 0x1234 });
        assert_eq!(Node::above(index, 17), None);
    }
}
