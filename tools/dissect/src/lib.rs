//! Explains bytes of the hop protocol, field by field: frames, bare envelopes, broker payloads, COBS streams.
//!
//! Without keys a report shows what an eavesdropper sees; with the network key a frame is unmasked and broadcasts are
//! verified; with link keys frames between two neighbours are. Nothing here can open what is sealed end to end.

mod body;
mod frame;
pub mod input;
mod report;

pub use frame::{Keys, broker_payload, envelope, packet};
pub use report::{Report, Row, Verdict};

/// Cuts a COBS stream at its zero bytes and explains every frame; noise between frames is reported as such.
#[must_use]
pub fn stream(bytes: &[u8], keys: &Keys) -> Vec<Report> {
    let mut at = 0;
    let mut reports = Vec::new();
    for chunk in bytes.split(|b| *b == 0) {
        if !chunk.is_empty() {
            let mut report = unstuffed(chunk, keys);
            report.offset = at;
            reports.push(report);
        }
        at += chunk.len() + 1;
    }
    reports
}

fn unstuffed(chunk: &[u8], keys: &Keys) -> Report {
    let mut raw = vec![0; chunk.len()];
    match cobs::decode(chunk, &mut raw) {
        Ok(done) => packet(&raw[..done.frame_size()], keys),
        Err(_) => Report::unreadable("noise", chunk, "no COBS frame: noise, or cut short"),
    }
}
