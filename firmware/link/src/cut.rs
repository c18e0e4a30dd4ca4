//! An envelope on its way in fragments: which pieces are out, lost, or known to have arrived (spec §50.5).

use crate::limits::REPORT_WINDOW;

/// Sending state. Bit maps are relative to `base`; all below it has arrived.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    size: usize,
    total: usize,
    count: u16,
    base: u16,
    have: u64,
    flying: u64,
    /// When each flying piece was sent, as a running number, by index modulo the window.
    orders: [u32; REPORT_WINDOW as usize],
    order: u32,
    /// Most pieces on their way at once.
    limit: u32,
    /// Pieces sent since one asked for a report.
    unasked: u32,
    polled: bool,
    /// The first piece was sent. It holds the hop byte and lifetime of this offer, so it goes even if the neighbour
    /// has it from an earlier one.
    started: bool,
}

/// What a report changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Pieces newly known to have arrived.
    pub(crate) arrived: u32,
    /// Pieces found lost.
    pub(crate) lost: u32,
    /// Everything has arrived.
    pub(crate) all: bool,
}

impl Cut {
    /// Cuts `total` bytes into equal pieces of at most `most` bytes, of which at most `limit` are on their way at once.
    pub(crate) fn new(total: usize, most: usize, limit: u32) -> Self {
        // At least 2, so that 64 KiB never needs more than 32 768 indices.
        let most = most.max(2);
        let size = total.div_ceil(total.div_ceil(most).max(1)).max(1);
        let count = u16::try_from(total.div_ceil(size)).unwrap_or(u16::MAX);
        Self {
            size,
            total,
            count,
            base: 0,
            have: 0,
            flying: 0,
            orders: [0; REPORT_WINDOW as usize],
            order: 0,
            limit: limit.max(2),
            unasked: 0,
            polled: false,
            started: false,
        }
    }

    /// Byte range of piece `index`.
    pub(crate) fn range(&self, index: u16) -> core::ops::Range<usize> {
        let from = (usize::from(index) * self.size).min(self.total);
        from..(from + self.size).min(self.total)
    }

    /// Data bytes of a full piece.
    pub(crate) const fn piece(&self) -> usize {
        self.size
    }

    /// Begins again: whatever the neighbour has put together was not this offer.
    pub(crate) fn restart(&mut self) {
        *self = Self::new(self.total, self.size, self.limit);
    }

    /// Whether a piece was ever sent.
    pub(crate) const fn started(&self) -> bool {
        self.started
    }

    /// Whether nothing of it is known to have arrived.
    pub(crate) const fn untouched(&self) -> bool {
        self.base == 0 && self.have == 0
    }

    fn sendable(&self) -> u64 {
        let left = self.count.saturating_sub(self.base);
        let mask = if left >= REPORT_WINDOW { u64::MAX } else { (1u64 << left) - 1 };
        !(self.have | self.flying) & mask
    }

    /// The next piece to send.
    pub(crate) fn next(&self) -> Option<u16> {
        if !self.started {
            return Some(0);
        }
        (self.sendable_count() > 0).then(|| self.base + self.sendable().trailing_zeros() as u16)
    }

    /// How many pieces may be sent before something must be heard.
    pub(crate) fn sendable_count(&self) -> u32 {
        let first = u32::from(!self.started && (self.base > 0 || self.sendable() & 1 == 0));
        first + self.sendable().count_ones().min(self.limit.saturating_sub(self.flying.count_ones()))
    }

    /// Whether the next piece is to ask for a report: the first one (some may be there from an earlier offer), the
    /// last one for now, and twice in a window.
    pub(crate) fn should_ask(&self) -> bool {
        !self.started || self.sendable_count() == 1 || (self.unasked + 1) * 2 >= self.limit
    }

    /// `index` was sent; `asking` when it asks for a report. Returns whether it went out before.
    pub(crate) fn sent(&mut self, index: u16, asking: bool) -> bool {
        self.started = true;
        let Some(bit) = index.checked_sub(self.base).filter(|&b| b < REPORT_WINDOW) else {
            return false;
        };
        let slot = usize::from(index % REPORT_WINDOW);
        let again = self.orders[slot] != 0;
        self.order = self.order.saturating_add(1);
        self.orders[slot] = self.order;
        self.flying |= 1 << bit;
        self.unasked = if asking { 0 } else { self.unasked + 1 };
        again
    }

    /// A poll was sent: the next report tells of everything sent so far.
    pub(crate) const fn polled(&mut self) {
        self.polled = true;
    }

    /// Nothing was heard: the first piece not known to have arrived goes out again.
    pub(crate) const fn rewind(&mut self) {
        self.flying &= self.flying.wrapping_sub(1);
    }

    /// Takes in a report. What was sent before a piece that it names is lost; so is everything not named when nothing
    /// of ours was on its way as the report was made: `settled` (half duplex), or asked for by a poll.
    pub(crate) fn report(&mut self, base: u16, have: u64, settled: bool) -> Progress {
        let settled = core::mem::take(&mut self.polled) || settled;
        if base < self.base && !settled {
            return Progress { arrived: 0, lost: 0, all: false };
        }
        let before = self.flying.count_ones();
        let newest = self.newest_arrived(base, have);
        self.shift(base, have);
        let arrived = before.saturating_sub(self.flying.count_ones());
        let lost = self.drop_lost(newest, settled);
        Progress { arrived, lost, all: self.base >= self.count }
    }

    /// Running number of the piece sent last among those that a report shows to have arrived.
    fn newest_arrived(&self, base: u16, have: u64) -> u32 {
        bits(self.flying)
            .map(|bit| self.base + bit)
            .filter(|&i| i < base || i - base < REPORT_WINDOW && have >> (i - base) & 1 == 1)
            .map(|i| self.orders[usize::from(i % REPORT_WINDOW)])
            .max()
            .unwrap_or(0)
    }

    fn shift(&mut self, base: u16, have: u64) {
        let base = base.min(self.count);
        if base < self.base {
            // The receiver forgot what it had (restart): begin again from what it says.
            self.flying = 0;
            self.orders = [0; REPORT_WINDOW as usize];
        } else {
            let by = base - self.base;
            for gone in self.base..base.min(self.base.saturating_add(REPORT_WINDOW)) {
                self.orders[usize::from(gone % REPORT_WINDOW)] = 0;
            }
            self.flying = self.flying.checked_shr(u32::from(by)).unwrap_or(0);
        }
        self.base = base;
        self.have = have & !1;
        self.flying &= !self.have;
    }

    fn drop_lost(&mut self, newest: u32, settled: bool) -> u32 {
        let mut lost = 0;
        for bit in bits(self.flying) {
            let order = self.orders[usize::from((self.base + bit) % REPORT_WINDOW)];
            if settled || order < newest {
                self.flying &= !(1 << bit);
                lost += 1;
            }
        }
        lost
    }
}

fn bits(map: u64) -> impl Iterator<Item = u16> {
    (0..REPORT_WINDOW).filter(move |&b| map >> b & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_equal_and_cover_everything() {
        for total in 1..400 {
            for most in 1..40 {
                let cut = Cut::new(total, most, 64);
                let mut at = 0;
                for i in 0..cut.count {
                    let range = cut.range(i);
                    assert_eq!(range.start, at);
                    assert!(!range.is_empty() && range.len() <= most.max(2));
                    assert!(i + 1 == cut.count || range.len() == cut.size);
                    at = range.end;
                }
                assert_eq!(at, total);
            }
        }
        assert!(Cut::new(65_536, 1, 64).count <= 0x8000);
    }

    #[test]
    fn a_gap_is_resent_and_later_reports_of_it_are_not_a_second_loss() {
        let mut cut = Cut::new(1000, 10, 64);
        for i in 0..8 {
            assert_eq!(cut.next(), Some(i));
            cut.sent(i, false);
        }
        // 3 is missing, 4–6 have arrived, 7 is on its way.
        let progress = cut.report(3, 0b1110, false);
        assert_eq!((progress.arrived, progress.lost), (6, 1));
        assert_eq!(cut.next(), Some(3));
        assert!(cut.sent(3, false));
        assert_eq!(cut.report(3, 0b11110, false).lost, 0, "7 arrived, the new 3 is later than that");
        assert_eq!(cut.next(), Some(8));
    }

    #[test]
    fn a_settled_report_loses_all_it_does_not_name() {
        let mut cut = Cut::new(100, 10, 64);
        while let Some(i) = cut.next() {
            cut.sent(i, i == 9);
        }
        assert_eq!(cut.clone().report(0, 0b10, false).lost, 1, "2 to 9 may still arrive");
        cut.polled();
        assert_eq!(cut.report(0, 0b10, false), Progress { arrived: 1, lost: 9, all: false });
        assert_eq!(cut.sendable_count(), 9);
        assert!(cut.report(10, 0, false).all);
        assert!(cut.report(u16::MAX, u64::MAX, false).all);
    }

    #[test]
    fn the_first_piece_goes_even_if_it_is_there_already() {
        let mut cut = Cut::new(100, 10, 64);
        cut.polled();
        cut.report(9, 0, true);
        assert_eq!((cut.next(), cut.sendable_count()), (Some(0), 2));
        cut.sent(0, false);
        assert_eq!(cut.next(), Some(9));
        cut.sent(9, true);
        assert_eq!(cut.next(), None);
        cut.restart();
        assert_eq!(cut.sendable_count(), 10);
    }

    #[test]
    fn no_more_than_the_limit_is_on_its_way_and_a_report_is_asked_for_in_time() {
        let mut cut = Cut::new(1000, 10, 8);
        let mut asks = 0;
        while let Some(i) = cut.next() {
            let asking = cut.should_ask();
            asks += u32::from(asking);
            cut.sent(i, asking);
        }
        assert_eq!((cut.flying.count_ones(), asks), (8, 3));
        cut.report(4, 0, false);
        assert_eq!(cut.sendable_count(), 4);
    }

    #[test]
    fn a_receiver_that_forgot_is_served_again() {
        let mut cut = Cut::new(1000, 10, 64);
        for _ in 0..20 {
            if let Some(i) = cut.next() {
                cut.sent(i, false);
            }
        }
        cut.report(15, 0, false);
        assert_eq!(cut.report(0, 0, false).arrived, 0);
        assert_eq!(cut.base, 15, "an old report changes nothing unless asked for");
        cut.polled();
        cut.report(0, 0, false);
        assert_eq!(cut.next(), Some(0));
    }
}
