//! Every limit of the wire format, with its reason.

/// Wire version in the top three bits of every frame's first byte; frames of another version are counted and dropped.
pub const WIRE_VERSION: u8 = 2;

/// Longest envelope in bytes (header, extension, ciphertext, tag): 64 KiB, what a member may seal at once.
/// Larger objects are cut into parts by the endpoint, so that one loss never costs more than this.
pub const ENVELOPE_MAX: usize = 65_536;

/// Shortest envelope: the 10-byte header and the 12-byte tag around no content.
pub const ENVELOPE_MIN: usize = HEADER_LEN + TAG_LEN;

/// Envelope header without extension, in bytes.
pub const HEADER_LEN: usize = 10;

/// End-to-end tag in bytes: NIST's draft revision of SP 800-38D drops anything shorter.
pub const TAG_LEN: usize = 12;

/// Truncated hop MAC in bytes: an online forger has one chance in 2³² a frame, and every try is counted.
pub const MAC_LEN: usize = 4;

/// Longest extension: lane slot byte, prekey byte, 32-byte x-coordinate.
pub const EXTENSION_MAX: usize = 34;

/// Clear and addressing bytes in front of an envelope in a hop frame: first byte, `to`, `from`.
pub const HOP_LEN: usize = 3;

/// Longest hop frame that carries a whole envelope (datagrams, broker payloads, streams).
pub const FRAME_MAX: usize = HOP_LEN + ENVELOPE_MAX + MAC_LEN;

/// Fragment header after the hop bytes: identity 2, turn and symbol id 2, hop byte and total length 3, symbol length 1,
/// lifetime 1.
pub const FRAGMENT_HEADER_LEN: usize = 9;

/// Bytes of an envelope's identity that follow it in the object that is cut into symbols.
pub const OBJECT_ID_LEN: usize = 8;

/// Most source symbols of an object: beyond it a decoding takes seconds on a small board. The largest envelope fits in
/// symbols of 17 bytes.
pub const SOURCE_SYMBOLS_MAX: usize = 4096;

/// Longest signed object: as long as an envelope, since the same code cuts it into symbols.
pub const OBJECT_MAX: usize = ENVELOPE_MAX;

/// Parcels that one acknowledgement may name: 30 bytes of names in one frame of 39; more would delay the first.
pub const ACK_MANY_MAX: usize = 15;

/// Rooms that one member may listen to: its word is then 122 bytes at most and fits the frame of a 184-byte packet radio.
pub const LISTENS_ROOMS_MAX: usize = 16;

/// Longest control body in bytes: a word of listening with its signature, rounded up: decoding needs a buffer of this size on the stack.
pub const CONTROL_MAX: usize = 160;

/// Least bytes the header mask is sampled from. Five, not RFC 9001's sixteen, so that an acknowledgement stays at ten
/// bytes and a fragment may carry one; four of them are the MAC, so equal samples (at most 2⁻⁴⁰ a pair) show only
/// whether two short headers differ.
pub const SAMPLE_MIN: usize = 5;

/// Most bytes the header mask is sampled from: one AES block.
pub const SAMPLE_MAX: usize = 16;

/// Greatest hop limit (four bits): more custodians than any mission of one authority needs.
pub const HOP_LIMIT_MAX: u8 = 15;

/// Longest station or mission name in bytes (UTF-8).
pub const NAME_MAX: usize = 32;
