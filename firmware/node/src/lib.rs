//! picket-node
