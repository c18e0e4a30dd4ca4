//! Fuzz targets as plain functions: each takes any bytes and must return. A panic is a finding.

mod codes;
mod formats;
mod links;
mod provisioning;
mod safes;
mod stores;

pub use codes::{codes_fountain, codes_hunter};
pub use formats::{
    extension_formats, roster_formats, seal_content, seal_rooms, seal_state, signed_objects, wire_control,
    wire_envelope, wire_frame,
};
pub use links::{link_bytes, link_pair};
pub use provisioning::{provision_formats, provision_parts};
pub use safes::safe_formats;
pub use stores::{store_queue, store_table};

/// A target: its name and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 18] = [
    ("signed_objects", signed_objects),
    ("wire_frame", wire_frame),
    ("wire_envelope", wire_envelope),
    ("wire_control", wire_control),
    ("roster_formats", roster_formats),
    ("extension_formats", extension_formats),
    ("seal_content", seal_content),
    ("seal_rooms", seal_rooms),
    ("seal_state", seal_state),
    ("codes_hunter", codes_hunter),
    ("codes_fountain", codes_fountain),
    ("link_bytes", link_bytes),
    ("link_pair", link_pair),
    ("provision_formats", provision_formats),
    ("provision_parts", provision_parts),
    ("store_queue", store_queue),
    ("store_table", store_table),
    ("safe_formats", safe_formats),
];
