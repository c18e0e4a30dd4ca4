//! The extended Golay code.
