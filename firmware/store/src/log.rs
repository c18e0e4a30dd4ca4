//! The segmented log under both stores.

/// Number of a record, unique within a store for ever, in order of writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// A promise to be redeemed by `synced`: stands for everything written before it was handed out. Ordered: a later
/// ticket covers an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);
