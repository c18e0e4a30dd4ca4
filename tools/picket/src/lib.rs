//! `picket`: the tool people use. Provisioning, messages and the operator's view, as a library behind a thin `main`.

pub mod agent;
pub mod cli;
pub mod clockwork;
pub mod commands;
#[cfg(feature = "demo")]
pub mod demo;
pub mod duration;
pub mod error;
pub mod files;
pub mod home;
pub mod limits;
pub mod output;
pub mod passphrase;
pub mod provision;
pub mod qr;
pub mod refusals;
pub mod rows;
pub mod run;
pub mod runtime;
pub mod silence;
pub mod trust;
pub mod vault;
pub mod via;

pub use error::{Exit, Failure};
