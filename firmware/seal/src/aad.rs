//! What the tag covers besides the content (spec §40.5): every immutable header field at full width, big-endian.

use crate::session::SessionId;
use picket_roster::NoRoom;
use picket_roster::codec::Writer;
use picket_wire::limits::{EXTENSION_MAX, WIRE_VERSION};

/// Longest AAD: mission 8, version 1, first byte 1, destination 2, source 2, epoch 4, sid 2, counter 4, extension.
pub(crate) const AAD_MAX: usize = 24 + EXTENSION_MAX;

/// Writes the AAD of message `counter` into `out`.
pub(crate) fn write<'o>(
    out: &'o mut [u8; AAD_MAX],
    id: &SessionId,
    first_byte: u8,
    counter: u32,
    extension: &[u8],
) -> Result<&'o [u8], NoRoom> {
    let mut w = Writer::new(out);
    w.put(&id.mission.0)?;
    w.put(&[WIRE_VERSION, first_byte])?;
    w.put(&id.to.0.to_be_bytes())?;
    w.put(&id.from.0.to_be_bytes())?;
    w.put(&id.epoch.to_be_bytes())?;
    w.put(&id.sid.to_be_bytes())?;
    w.put(&counter.to_be_bytes())?;
    w.put(extension)?;
    Ok(w.finish())
}
