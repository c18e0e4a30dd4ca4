//! Media that misbehave by seed, for tests of this crate and of those above it.
