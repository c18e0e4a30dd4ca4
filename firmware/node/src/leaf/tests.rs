//! Tests of the leaf.
