//! Every limit of the link, with its reason.

use picket_wire::limits::FRAME_MAX;
use picket_wire::time::Duration;

/// Longest run of bytes between two delimiters that can still be a frame: the longest frame with its COBS overhead
/// (one byte per 254, one more for a full last block). Beyond it the run is noise until the next delimiter.
pub(crate) const RUN_MAX: usize = FRAME_MAX + FRAME_MAX / 254 + 2;

/// Bytes of hop header, fragment header and MAC around a fragment's data.
pub(crate) const FRAGMENT_OVERHEAD: usize = 14;

/// Bytes of hop header and MAC around a whole envelope.
pub(crate) const WHOLE_OVERHEAD: usize = 7;

/// Largest datagram payload over IPv4: a packet medium without a stated `mtu` takes no more.
pub(crate) const PACKET_MAX: usize = 65_507;

/// Frames on slow byte pipes may always be this long (COBS included), however long they take on air: below it,
/// headers eat too much of the channel.
pub(crate) const FRAME_FLOOR: usize = 255;

/// Longest frame on paced byte pipes (COBS included), however fast they are: at 1 200 bytes the overhead is below two
/// per cent, and a bit error rate of 1e-4 still lets four frames of ten through; one second of a 250 kbit/s channel
/// would let none.
pub(crate) const FRAME_CEILING: usize = 1_200;

/// Shortest frame loss may shrink fragments to: at 64 bytes a fifth is overhead; shorter gains nothing.
pub(crate) const SHRUNK_MIN: usize = 64;

/// Bytes that one `poll_transmit` may give on an unpaced stream: one large write instead of many small ones.
pub(crate) const BATCH: usize = 64 * 1024;

/// Parcels outstanding per neighbour on unpaced media: a group commit of the receiver (tens of milliseconds at 50 000
/// parcels a second) must fit in it.
pub(crate) const STREAM_PARCELS: usize = 2_048;

/// Bytes outstanding per neighbour on unpaced media: several of the largest envelopes.
pub(crate) const STREAM_BYTES: usize = 1024 * 1024;

/// Parcels outstanding per neighbour on paced media; their bytes are the real limit.
pub(crate) const PACED_PARCELS: usize = 256;

/// Air time of outstanding parcels per neighbour on paced media, seconds: a whole half-duplex burst and what follows
/// it while acknowledgements are on their way.
pub(crate) const PACED_WINDOW_S: usize = 8;

/// Least window of paced media in bytes: dozens of short texts even at 300 bit/s.
pub(crate) const PACED_BYTES_MIN: usize = 4_096;

/// Air time of one half-duplex burst: long enough that the hand-over costs two per cent, short enough that the other
/// side's urgent traffic does not wait for ever.
pub(crate) const BURST: Duration = Duration::from_secs(6);

/// Neighbours remembered. More stations than one channel can carry; the quietest without offers is forgotten first.
pub(crate) const PEERS_MAX: usize = 512;

/// Parcels heard whose answer is remembered, so that a retransmission is answered without disturbing the owner:
/// twice the largest window of a neighbour.
pub(crate) const MEMORY_MAX: usize = 4_096;

/// A parcel that its owner has not answered for this long is handed over again when it is heard again: the owner may
/// have lost it in a restart of its own.
pub(crate) const PENDING_MAX: Duration = Duration::from_secs(10);

/// Answers waiting for air. Beyond it the least urgent is dropped: its parcel will be offered again and answered then.
pub(crate) const ANSWERS_MAX: usize = 8_192;

/// Control messages waiting for air, per link: a burst of claims; the owner keeps what does not fit.
pub(crate) const CONTROL_QUEUE_MAX: usize = 64;

/// Reports waiting for air.
pub(crate) const REPORTS_MAX: usize = 64;

/// Reassemblies per neighbour: one for each precedence that may preempt another, and two spare.
pub(crate) const REASSEMBLIES_PER_PEER: usize = 8;

/// Reassemblies per link: 32 of 64 KiB are 2 MiB, what a small board can spare.
pub(crate) const REASSEMBLIES_MAX: usize = 32;

/// Completed reassemblies remembered, so that late fragments do not begin them anew.
pub(crate) const FINISHED_CUTS: usize = 8;

/// How long they are remembered: longer than any retransmission's time-out; short, because another envelope may have
/// the same prefix.
pub(crate) const FINISHED_CUTS_FOR: Duration = Duration::from_secs(10);

/// Offers finished or withdrawn that a late answer can still be matched with (as stale).
pub(crate) const FINISHED_OFFERS: usize = 64;

/// Fragments in one report and thus the selective-repeat window.
pub(crate) const REPORT_WINDOW: u16 = 64;

/// A report is volunteered after so many fragments on full-duplex media: four reports a window keep it moving.
pub(crate) const REPORT_EVERY: u16 = 16;

/// `base` of a report that says "all of it has arrived, the answer follows": above every fragment index.
pub(crate) const REPORT_ALL: u16 = 0x7FFF;

/// How often [`crate::Event::Heard`] is repeated for one neighbour.
pub(crate) const HEARD_EVERY: Duration = Duration::from_secs(1);

/// Longest pause between two probes of a silent neighbour, jitter excluded: everything must flow within five seconds
/// of an outage's end.
pub(crate) const PROBE_MAX: Duration = Duration::from_secs(4);

/// Most jitter added to a probe's pause.
pub(crate) const PROBE_JITTER: Duration = Duration::from_millis(500);

/// The first probes of a silent neighbour are the parcel itself (if short); later ones are twelve-byte polls.
pub(crate) const DATA_PROBES: u32 = 2;

/// Longest parcel that serves as a probe itself.
pub(crate) const DATA_PROBE_MAX: usize = 256;

/// Candidates tried per run of bytes when a frame is searched behind noise: each costs a forger nothing and us a
/// decoding and an HMAC. False ones are about one in a hundred bytes at most.
pub(crate) const SALVAGE_TRIALS: usize = 32;

/// How far ahead of its air time a frame is handed to the medium: covers a late timer of the host, and is the most
/// the modem's own queue holds.
pub(crate) const PACE_AHEAD: Duration = Duration::from_millis(10);

/// Silence after which the other side's burst is over when it did not say so: above the scheduling jitter of a host.
pub(crate) const GAP: Duration = Duration::from_millis(60);

/// The same in the middle of a frame: a stalled sender is likelier than a dead one.
pub(crate) const GAP_IN_FRAME: Duration = Duration::from_millis(250);

/// Half-duplex slot: twice the latency (and jitter) that two stations' clocks of the last activity may differ by.
pub(crate) const SLOT: Duration = Duration::from_millis(200);

/// Slots after which a silent channel is free for everyone.
pub(crate) const SLOTS_UNTIL_OPEN: u64 = 4;

/// A channel that is noise for longer than this without one sensible frame is talked into regardless.
pub(crate) const NOISE_MAX: Duration = Duration::from_secs(5);

/// Air time of fragments sent in full duplex without a report: what an outage may cost in vain.
pub(crate) const UNREPORTED_AIR: Duration = Duration::from_secs(4);

/// At least so many fragments though: a report every four of them must not hold up the rest.
pub(crate) const UNREPORTED_MIN: u32 = 8;
