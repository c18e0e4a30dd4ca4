//! Frames from bytes and back (spec §50.1, §50.2).

use crate::api::Framing;
use crate::limits::RUN_MAX;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use picket_codes::shield::{self, Hunter, Level};

/// What was found in received bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A run between two delimiters (without them), or a packet. Never empty.
    Run(Cow<'a, [u8]>),
    /// So many bytes belong to a run longer than any frame, or to nothing at all.
    Overlong(usize),
    /// A frame that was decoded from `body` coded bytes, `errors` of which were wrong.
    Coded { frame: Vec<u8>, level: Level, body: usize, errors: usize },
    /// A frame beyond repair.
    Broken { level: Level, body: usize },
}

/// The accumulator of a byte stream. An overflow stays an overflow until the next delimiter.
#[derive(Debug)]
pub(crate) struct Framer {
    framing: Framing,
    run: Vec<u8>,
    overflow: bool,
    delimiter_owed: bool,
    hunter: Hunter,
}

impl Framer {
    pub(crate) const fn new(framing: Framing) -> Self {
        Self { framing, run: Vec::new(), overflow: false, delimiter_owed: true, hunter: Hunter::new() }
    }

    /// Forgets a half-received run; the next transmission starts with a delimiter, because the other side may hold
    /// half a frame of ours.
    pub(crate) fn restart(&mut self) {
        self.run.clear();
        self.overflow = false;
        self.delimiter_owed = true;
        self.hunter.restart();
    }

    /// What was found last is no frame of anybody: a frame may begin inside it.
    pub(crate) fn reject(&mut self) {
        self.hunter.reject();
    }

    /// Whether a frame has begun and not ended.
    pub(crate) fn in_frame(&self) -> bool {
        self.overflow || !self.run.is_empty() || self.hunter.in_frame()
    }

    /// Takes the next find off the front of `bytes`; `None` when they are used up.
    pub(crate) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Found<'a>> {
        match self.framing {
            Framing::Packet => next_packet(bytes),
            Framing::Fec => {
                self.hunter.push(core::mem::take(bytes));
                self.hunter.next().map(Found::from)
            }
            Framing::Cobs => loop {
                let end = bytes.iter().position(|&b| b == 0);
                let Some(end) = end else {
                    return self.keep(core::mem::take(bytes));
                };
                let (piece, rest) = bytes.split_at(end);
                *bytes = &rest[1..];
                if let Some(found) = self.end(piece) {
                    return Some(found);
                }
            },
        }
    }

    fn keep<'a>(&mut self, tail: &[u8]) -> Option<Found<'a>> {
        if self.overflow {
            return (!tail.is_empty()).then_some(Found::Overlong(tail.len()));
        }
        if self.run.len() + tail.len() > RUN_MAX {
            let dropped = self.run.len() + tail.len();
            self.run = Vec::new();
            self.overflow = true;
            return Some(Found::Overlong(dropped));
        }
        self.run.extend_from_slice(tail);
        None
    }

    fn end<'a>(&mut self, piece: &'a [u8]) -> Option<Found<'a>> {
        let len = self.run.len() + piece.len();
        if core::mem::take(&mut self.overflow) {
            return (len > 0).then_some(Found::Overlong(len));
        }
        if len > RUN_MAX {
            self.run = Vec::new();
            return Some(Found::Overlong(len));
        }
        if self.run.is_empty() {
            return (len > 0).then_some(Found::Run(Cow::Borrowed(piece)));
        }
        self.run.extend_from_slice(piece);
        Some(Found::Run(Cow::Owned(core::mem::take(&mut self.run))))
    }

    /// The medium may have been left in the middle of a frame.
    pub(crate) const fn owe_delimiter(&mut self) {
        self.delimiter_owed = matches!(self.framing, Framing::Cobs);
    }

    /// Appends `frame` to `out` as the medium takes it, coded at `level` where it is coded at all.
    pub(crate) fn put(&mut self, out: &mut Vec<u8>, frame: &[u8], level: Level) {
        match self.framing {
            Framing::Packet => out.extend_from_slice(frame),
            Framing::Fec => {
                // False for frames longer than it takes, which `Shape` rules out.
                shield::put(out, frame, level);
            }
            Framing::Cobs => {
                if core::mem::take(&mut self.delimiter_owed) {
                    out.push(0);
                }
                let at = out.len();
                // Two spare bytes: the encoder opens another block after a full last one.
                out.resize(at + cobs::max_encoding_length(frame.len()) + 2, 0);
                let len = cobs::encode(frame, &mut out[at..]);
                out.truncate(at + len);
                out.push(0);
            }
        }
    }
}

impl From<shield::Found> for Found<'_> {
    fn from(found: shield::Found) -> Self {
        match found {
            shield::Found::Frame { frame, level, body, errors } => Self::Coded { frame, level, body, errors },
            shield::Found::Broken { level, body } => Self::Broken { level, body },
            shield::Found::Noise(bytes) => Self::Overlong(bytes),
        }
    }
}

fn next_packet<'a>(bytes: &mut &'a [u8]) -> Option<Found<'a>> {
    let packet = core::mem::take(bytes);
    match packet.len() {
        0 => None,
        len if len > RUN_MAX => Some(Found::Overlong(len)),
        _ => Some(Found::Run(Cow::Borrowed(packet))),
    }
}

/// Decodes a run into `frame` (cleared first); false when it is no COBS block sequence.
pub(crate) fn decode(framing: Framing, run: &[u8], frame: &mut Vec<u8>) -> bool {
    frame.clear();
    match framing {
        Framing::Packet | Framing::Fec => {
            frame.extend_from_slice(run);
            true
        }
        Framing::Cobs => {
            frame.resize(run.len(), 0);
            match cobs::decode(run, frame) {
                Ok(report) => {
                    frame.truncate(report.frame_size());
                    true
                }
                Err(_) => false,
            }
        }
    }
}

/// Positions behind the start of `run` at which a frame with a first byte accepted by `first` may begin and end
/// exactly with the run: noise, a cut frame or a damaged delimiter before a frame does not cost that frame.
pub(crate) fn later_starts(run: &[u8], first: impl Fn(u8) -> bool) -> Vec<usize> {
    // From behind, so that the work is one step a byte whatever the bytes are: blocks from `at` end with the run if
    // those after the block at `at` do.
    let mut ends = alloc::vec![false; run.len() + 1];
    ends[run.len()] = true;
    let mut starts = Vec::new();
    for at in (1..run.len()).rev() {
        let next = at + usize::from(run[at]).max(1);
        ends[at] = ends.get(next).copied().unwrap_or(false);
        if ends[at] && run.get(at + 1).is_some_and(|&byte| first(byte)) {
            starts.push(at);
        }
    }
    starts.reverse();
    starts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn encoded(frame: &[u8]) -> Vec<u8> {
        let mut framer = Framer::new(Framing::Cobs);
        framer.delimiter_owed = false;
        let mut out = Vec::new();
        framer.put(&mut out, frame, Level::ALL[0]);
        out
    }

    fn runs(framer: &mut Framer, mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(found) = framer.next(&mut bytes) {
            if let Found::Run(run) = found {
                let mut frame = Vec::new();
                if decode(Framing::Cobs, &run, &mut frame) {
                    all.push(frame);
                }
            }
        }
        all
    }

    #[test]
    fn a_54_byte_frame_takes_56_bytes() {
        assert_eq!(encoded(&[7; 54]).len(), 56);
    }

    #[test]
    fn frames_of_every_length_come_back_however_cut() {
        for len in (1..600).chain([1016, 1017, 65_543]) {
            let frame: Vec<u8> = (0..len)
                .map(|i| (i * 7 % 256) as u8 & if len % 3 == 0 { 0xFE } else { 0xFF } | u8::from(len % 5 == 0))
                .collect();
            let bytes = encoded(&frame);
            assert!(bytes.len() <= RUN_MAX + 1);
            let mut framer = Framer::new(Framing::Cobs);
            let cut = len * 31 % bytes.len();
            let mut got = runs(&mut framer, &bytes[..cut]);
            got.extend(runs(&mut framer, &bytes[cut..]));
            assert_eq!(got, [frame]);
        }
    }

    #[test]
    fn overflow_stays_overflow_until_the_delimiter() {
        let mut framer = Framer::new(Framing::Cobs);
        let noise = alloc::vec![1u8; RUN_MAX + 1];
        let mut rest = &noise[..];
        assert_eq!(framer.next(&mut rest), Some(Found::Overlong(RUN_MAX + 1)));
        assert!(framer.run.capacity() == 0);
        let mut more = encoded(b"tail of it");
        more.extend(encoded(b"good"));
        assert_eq!(runs(&mut framer, &more), [b"good".to_vec()]);
    }

    #[test]
    fn a_frame_behind_noise_is_among_the_later_starts() {
        let frame = [0x24, 0, 5, 9, 0, 1, 2, 3, 4, 5, 6, 7];
        let mut run = alloc::vec![0x13, 0x77, 0xFE];
        run.extend(encoded(&frame));
        run.pop();
        let starts = later_starts(&run, |b| b == 0x24);
        assert!(starts.contains(&3), "{starts:?}");
    }
}
