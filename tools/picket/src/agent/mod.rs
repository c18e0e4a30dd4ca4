//! Several processes, one home: the first holds it and serves the others.

mod clients;
mod comparing;
mod desk;
mod extend;
mod load;
mod notes;
pub mod protocol;
mod rooms;
mod server;
pub mod session;
mod way;
