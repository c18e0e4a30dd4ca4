//! Every limit of the link, with its reason.

use picket_wire::limits::FRAME_MAX;
use picket_wire::time::Duration;

/// Longest run of bytes between two delimiters that can still be a frame: the longest frame with its COBS overhead
/// (one byte per 254, one more for a full last block). Beyond it the run is noise until the next delimiter.
pub(crate) const RUN_MAX: usize = FRAME_MAX + FRAME_MAX / 254 + 2;

/// Bytes of hop header, fragment header and MAC around a frame's symbols.
pub(crate) const FRAGMENT_OVERHEAD: usize = 16;

/// Symbols that a full frame of a byte pipe holds: frames follow the noise in steps of one, and each symbol costs the
/// receiver some memory and arithmetic.
pub(crate) const SYMBOLS_PER_FRAME: usize = 16;

/// Shortest symbol: 64 KiB are then 1 366 of them, which a small board decodes in some tens of milliseconds.
pub(crate) const SYMBOL_MIN: usize = 48;

/// Signed objects being put together at once: nobody has verified anything of them, and two kinds are all there are.
pub(crate) const OBJECT_PARTIALS: usize = 2;

/// Frames of a signed object queued at a time: others get the channel in between.
pub(crate) const OBJECT_FRAMES: usize = 8;

/// Frames of signed objects that may wait for air.
pub(crate) const OBJECTS_QUEUE_MAX: usize = 16;

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

/// Envelopes arriving in symbols per neighbour: one for each precedence that may preempt another, and two spare.
pub(crate) const INCOMING_PER_PEER: usize = 8;

/// The same per link: 32 of 64 KiB are 2 MiB and a little for the code, what a small board can spare; decoding the
/// largest takes 1.8 MB more for some milliseconds, one at a time.
pub(crate) const INCOMING_MAX: usize = 32;

/// Completed envelopes remembered, so that late symbols do not begin them anew.
pub(crate) const FINISHED: usize = 8;

/// How long they are remembered: longer than any retransmission's time-out; short, because another envelope may have
/// the same prefix.
pub(crate) const FINISHED_FOR: Duration = Duration::from_secs(10);

/// Offers finished or withdrawn that a late answer can still be matched with (as stale).
pub(crate) const FINISHED_OFFERS: usize = 64;

/// A report is volunteered after so many frames of symbols on full-duplex media; after two when some were not heard.
pub(crate) const REPORT_EVERY: u16 = 16;

/// Frames of symbols on their way without a report where the air rate sets no limit.
pub(crate) const UNREPORTED_MAX: u32 = 64;

/// Framing `fec`: first frame of a transfer on a channel of unknown noise, coded bytes. Its report tells the noise.
pub(crate) const PROBE_FRAME: usize = 180;

/// Framing `fec`: share of wrong bytes that the first frames of a transfer withstand: one bit in a hundred.
pub(crate) const PROBE_NOISE: f32 = 0.078;

/// Framing `fec`: steps (eight an octave) by which the noise has changed when it is reported unasked.
pub(crate) const NOISE_NEWS: u8 = 5;

/// Framing `fec`: bytes on air that the loss of a single frame costs besides its own: the time-out, mostly.
pub(crate) const LOST_FRAME_COST: f32 = 400.0;

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

/// Coded bytes of a report, on a bad channel: what is on air between two bursts of the same station.
pub(crate) const REPORT_BYTES: usize = 40;

/// Time lost between two bursts besides turn-round and report: the host's timers on both sides.
pub(crate) const TURN_MARGIN: Duration = Duration::from_millis(40);

/// A third station heard this lately makes the channel crowded: a few bursts of others in between.
pub(crate) const CROWDED_FOR: Duration = Duration::from_secs(60);

/// Waits drawn on a crowded channel, in half slots: two of three stations rarely draw the same of eight.
pub(crate) const CONTENTION_MIN: u64 = 8;

/// How often that window doubles when turns stay unanswered: 64 half slots are as long as a burst.
pub(crate) const CONTENTION_SHIFTS: u32 = 3;

/// A channel that is noise for longer than this without one sensible frame is talked into regardless.
pub(crate) const NOISE_MAX: Duration = Duration::from_secs(5);

/// Air time of frames of symbols sent in full duplex without a report: what an outage may cost in vain.
pub(crate) const UNREPORTED_AIR: Duration = Duration::from_secs(4);

/// At least so many frames though: a report every four of them must not hold up the rest.
pub(crate) const UNREPORTED_MIN: u32 = 8;

/// How long after an authentic frame broken ones are taken for its sender's: a few frames of air.
pub(crate) const TALKER_FOR: Duration = Duration::from_secs(5);

/// Ways tried to read an acknowledgement of several parcels whose names are ambiguous: four such names.
pub(crate) const CHOICES_MAX: usize = 16;

/// One slot of a link's history.
pub(crate) const HISTORY_SLOT: Duration = Duration::from_secs(60);

/// Slots kept: an hour, as the airtime budgets count it; 6 kB a link.
pub const HISTORY_SLOTS: usize = 60;

/// How often a neighbour is told of a group's symbols before it is served alone.
pub(crate) const ANNOUNCEMENTS_EACH: u8 = 2;

/// Announcements remembered: one for each envelope that may be arriving.
pub(crate) const ANNOUNCED_MAX: usize = INCOMING_MAX;

/// Symbols sent of one offer at most, for each that it has: a loss of nine in ten on both ways is served; whoever asks
/// for more lies, or had better be offered it another time. The owner withdraws what takes too long.
pub(crate) const SYMBOLS_ALLOWED: u32 = 20;

/// After that as many as it has, so often: a twentieth of a channel that carries it in six seconds.
pub(crate) const GRANT_EVERY: Duration = Duration::from_secs(120);

/// And so many besides, for short transfers.
pub(crate) const SYMBOLS_ALLOWED_MORE: u32 = 512;

/// A neighbour silent for so long may be forbidden to speak: everything is sent to it once without an answer.
pub(crate) const BLIND_AFTER: Duration = Duration::from_secs(60);

/// Longest pause between two such passes; they double up to it.
pub(crate) const BLIND_MAX: Duration = Duration::from_secs(960);

/// Symbols beyond those needed in a blind pass: a quarter, against a loss of a fifth, and two.
pub(crate) const BLIND_SHARE: u16 = 4;

/// Announcements to a silent neighbour before the others of its group need not wait for it: together some seconds.
pub(crate) const AWAITED_PROBES: u32 = 5;

/// Framing `fec`: a neighbour's word of the noise counts like so many bytes of our own observation: what it says comes
/// from more, but of a while ago.
pub(crate) const TOLD_WEIGHT: f32 = 1_500.0;

/// Body of a poll.
pub(crate) const POLL_LEN: usize = 3;

/// Longest body of an announcement: type, eight bytes of identity, a length of three.
pub(crate) const ANNOUNCE_LEN: usize = 12;

/// A probe that left so lately may have ended the silence that it probed.
pub(crate) const PROBE_GRACE: Duration = Duration::from_millis(500);

/// Questions in a row that a neighbour may leave unanswered in the middle of a transfer before it counts as silent: with
/// half of all frames lost it is wrongly taken for silent once in ten.
pub(crate) const TRANSFER_GRACE: u32 = 8;
