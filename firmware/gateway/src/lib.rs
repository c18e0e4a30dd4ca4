//! `picketd`, the gateway's daemon: configuration, broker client and operator socket around the node.
//!
//! The node decides (`picket_node::Gateway`), the shell touches the world (`picket_shell`); this crate joins them in
//! one loop ([`daemon`]). No code that could open an envelope is linked here.

mod airtime;
pub mod config;
pub mod control;
pub mod daemon;
pub mod emcon;
pub mod keys;
pub mod links;
pub mod mission;
pub mod mqtt;
mod notify;
mod sync;
pub mod tls;
