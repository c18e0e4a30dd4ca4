//! Finding frames in received bytes (spec §52.4).

use super::head::{Head, may_begin};
use super::{Level, OVERHEAD, body, coded_len};
use crate::limits::CANDIDATES_MAX;
use alloc::vec::Vec;

/// What was found in received bytes.
///
/// Over time every byte pushed is told exactly once: a `Frame` that is kept tells
/// [`coded_len`](super::coded_len) of its length and level, a `Broken` tells [`OVERHEAD`](super::OVERHEAD) + `body`,
/// a `Noise` its number. A frame that is given back tells nothing; its bytes are told later, as what they turn out to
/// be. What lies before a frame is told after it: not until the frame is kept is it certain. One exception: a frame
/// whose end was cut off may be repaired all the same, in place of its last bytes the first of the next frame; these are
/// told with both. They are less than twice its `errors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A frame that decoded. That it is genuine is for the caller to verify: without parity anything decodes, with
    /// little of it much does.
    Frame {
        /// The frame.
        frame: Vec<u8>,
        /// The level it was sent with.
        level: Level,
        /// Bytes of its body, parity included.
        body: usize,
        /// How many of them were corrected.
        errors: usize,
    },
    /// A plausible header whose body is beyond repair; told once, when nothing better can begin inside it any more.
    Broken {
        /// The level it was sent with.
        level: Level,
        /// Bytes of its body, up to where another frame seems to begin.
        body: usize,
    },
    /// So many bytes belong to no frame.
    Noise(usize),
}

/// The receiver of a byte pipe: bytes in, frames out, each as soon as its last byte is there.
///
/// Every place where a header can be read is a *candidate* until its last byte has come; the first to decode wins,
/// whichever began first. So a false header, or one whose frame was cut, costs nothing of the frame that begins inside
/// it, and a false header inside a true frame costs nothing either, if the caller gives it back. What is found does not
/// depend on how the bytes are cut into pushes.
///
/// Held are the bytes from the first candidate on, at most [`CODED_MAX`](crate::limits::CODED_MAX), and those pushed
/// since.
#[derive(Debug, Default)]
pub struct Hunter {
    /// Bytes received; places below are counted from its beginning.
    bytes: Vec<u8>,
    /// The first byte that was not told yet; candidates may lie before it, within the end of a frame.
    front: usize,
    /// The first place that was not looked at yet.
    scanned: usize,
    /// In order of their places; at most [`CANDIDATES_MAX`].
    candidates: Vec<Candidate>,
    /// The first candidate, when its body was beyond repair. Not told until no frame can begin in its last bytes.
    broken: Option<Candidate>,
    /// The frame that was given out last, until the next call, and its errors.
    out: Option<(Candidate, usize)>,
    /// The frame that was kept, while what lies before it is told.
    kept: Option<(Candidate, usize)>,
}

/// A place where a header was read.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    start: usize,
    head: Head,
}

impl Candidate {
    fn end(&self) -> usize {
        self.start + coded_len(self.head.len(), self.head.level())
    }
}

impl Hunter {
    /// A receiver that has heard nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), front: 0, scanned: 0, candidates: Vec::new(), broken: None, out: None, kept: None }
    }

    /// Forgets everything received: the medium was away. What was not told is not told any more.
    pub fn restart(&mut self) {
        *self = Self::new();
    }

    /// Takes received bytes. [`Hunter::next`] is to be called until it gives `None` before more are pushed: until then
    /// they are only held.
    pub fn push(&mut self, bytes: &[u8]) {
        let given = [&self.out, &self.kept].into_iter().flatten().map(|(c, _)| c);
        let starts = self.candidates.iter().chain(&self.broken).chain(given).map(|c| c.start);
        let done = starts.fold(self.front.min(self.scanned), usize::min);
        self.bytes.drain(..done);
        self.front -= done;
        self.scanned -= done;
        let given = [&mut self.out, &mut self.kept].into_iter().flatten().map(|(c, _)| c);
        self.candidates.iter_mut().chain(&mut self.broken).chain(given).for_each(|c| c.start -= done);
        self.bytes.extend_from_slice(bytes);
    }

    /// The next find; `None` when more bytes are needed. A `Frame` is kept unless [`Hunter::reject`] is called before
    /// the next call.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Found> {
        self.kept = self.out.take().or(self.kept);
        if let Some((kept, errors)) = self.kept {
            if let Some(before) = self.settle(kept.start) {
                return Some(before);
            }
            self.kept = None;
            self.front = self.front.max(kept.end());
            // Its last bytes may have been cut off and repaired, and be the next frame's: then nearly all of them were
            // wrong.
            self.skip(kept.end().saturating_sub(2 * errors).max(kept.start + OVERHEAD));
        }
        loop {
            // One at a time, told before the next is tried: what is told must not depend on how bytes are pushed.
            if self.broken.is_some()
                && let Some(told) = self.settle(self.undecided())
            {
                return Some(told);
            }
            match self.step() {
                Step::Looked => (),
                Step::Complete(candidate) => {
                    if let Some(found) = self.try_decode(candidate) {
                        return Some(found);
                    }
                }
                Step::Dry => return self.settle(self.undecided()),
            }
        }
    }

    /// Gives back the frame of the last [`Hunter::next`]: it is not genuine, and a frame may begin one byte behind its
    /// start. Without such a frame nothing happens.
    pub fn reject(&mut self) {
        self.out = None;
    }

    /// Whether a plausible header was seen and its frame has not ended. To be asked when [`Hunter::next`] gave `None`.
    /// A false header, or one whose frame was cut, keeps it so until as many bytes came as it claims; silence does not
    /// end it.
    #[must_use]
    pub fn in_frame(&self) -> bool {
        !self.candidates.is_empty()
    }

    /// Looks at the next place or takes the next complete candidate out, whichever's bytes were there first.
    fn step(&mut self) -> Step {
        let ends_first = self.candidates.iter().enumerate().min_by_key(|(_, c)| c.end());
        let (at, end) = ends_first.map_or((0, usize::MAX), |(at, c)| (at, c.end()));
        if self.scanned + OVERHEAD <= end.min(self.bytes.len()) {
            self.look();
            Step::Looked
        } else if end <= self.bytes.len() {
            Step::Complete(self.candidates.remove(at))
        } else {
            Step::Dry
        }
    }

    /// Looks at one place.
    fn look(&mut self) {
        let start = self.scanned;
        self.scanned += 1;
        let Some(head) = self.bytes.get(start..).and_then(|b| b.first_chunk()).and_then(Head::read) else { return };
        self.candidates.push(Candidate { start, head });
        if self.candidates.len() > CANDIDATES_MAX {
            // The one that would end last: false headers that claim the longest frames are the cheapest to make.
            let last = self.candidates.iter().enumerate().max_by_key(|(_, c)| c.end());
            if let Some(at) = last.map(|(at, _)| at) {
                self.candidates.remove(at);
            }
        }
    }

    /// Tries a candidate, once and for all.
    fn try_decode(&mut self, candidate: Candidate) -> Option<Found> {
        let Candidate { start, head } = candidate;
        let coded = self.bytes.get(start + OVERHEAD..candidate.end())?;
        let body = coded.len();
        let Some((frame, errors)) = body::decode(coded, head.len(), head.level()) else {
            // Within another's bytes nothing is told of it: they will be told as the other's.
            let within = self.candidates.first().is_some_and(|c| c.start < start);
            self.broken = self.broken.or((!within).then_some(candidate));
            return None;
        };
        self.out = Some((candidate, errors));
        Some(Found::Frame { frame, level: head.level(), body, errors })
    }

    /// The first place of which it is not certain that no frame begins there.
    fn undecided(&self) -> usize {
        // More than a header's length is not waited for, so more need not be looked at.
        let tail = self.bytes.get(self.scanned..).unwrap_or_default();
        let ahead = tail.len().min(OVERHEAD);
        let open = (0..ahead).find(|at| tail.get(*at..).is_some_and(may_begin)).unwrap_or(ahead);
        let first = self.candidates.first().map_or(usize::MAX, |c| c.start);
        first.min(self.scanned + open)
    }

    /// Tells what lies before the place `limit`, a piece a call; `None` when there is nothing, or it is not certain.
    fn settle(&mut self, limit: usize) -> Option<Found> {
        match self.broken {
            Some(broken) if broken.start <= self.front => {
                let begins = self.kept.is_some() || self.candidates.first().is_some_and(|c| c.start == limit);
                if limit < broken.end() && !begins {
                    return None;
                }
                self.broken = None;
                let told = self.forget(broken.end().min(limit));
                match told.checked_sub(OVERHEAD) {
                    Some(body) => Some(Found::Broken { level: broken.head.level(), body }),
                    None => (told > 0).then_some(Found::Noise(told)),
                }
            }
            Some(broken) => Some(Found::Noise(self.forget(broken.start.min(limit)))),
            None if limit > self.front => Some(Found::Noise(self.forget(limit))),
            None => None,
        }
    }

    /// Everything before the place `to` is told, and no frame begins there; says how many bytes that told.
    fn forget(&mut self, to: usize) -> usize {
        let told = to.saturating_sub(self.front);
        self.front = self.front.max(to);
        self.skip(to);
        told
    }

    /// No frame begins before the place `to`.
    fn skip(&mut self, to: usize) {
        self.scanned = self.scanned.max(to);
        self.candidates.retain(|c| c.start >= to);
    }
}

/// What [`Hunter::step`] did.
enum Step {
    Looked,
    Complete(Candidate),
    Dry,
}
