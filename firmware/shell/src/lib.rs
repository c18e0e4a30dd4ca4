//! picket-shell
pub mod medium;
