//! Stations on one channel, on a virtual clock.

use picket_channel::{Channel, Counters};
use picket_wire::time::{Duration, Instant};

use super::station::{Link, Parcel, Station};

/// Calls at one moment after which a station is taken to spin.
const SPIN: usize = 10_000;

/// One stretch of bytes that a link gave to its radio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// First bit on air.
    pub start: Instant,
    /// Last bit on air.
    pub end: Instant,
    /// The bytes, framing included.
    pub bytes: usize,
}

/// Everything in one run.
#[derive(Debug)]
pub struct World {
    /// The present.
    pub now: Instant,
    /// The channel, for faults.
    pub channel: Channel,
    /// The stations.
    pub stations: Vec<Station>,
    /// Every parcel queued so far, by number.
    pub parcels: Vec<Parcel>,
    /// What each station gave to its radio.
    pub bursts: Vec<Vec<Burst>>,
    wakes: Vec<Option<Instant>>,
    turn_round: Duration,
    /// Since when each station has been on air without a pause, and with how many bytes.
    runs: Vec<(Instant, usize)>,
}

impl World {
    /// Stations in range of each other on a clean channel.
    #[must_use]
    pub fn new(link: &Link, stations: usize, seed: u64) -> Self {
        Self {
            now: Instant::ZERO,
            channel: Channel::new(link.air(stations), seed),
            stations: (0..stations).map(|n| Station::new(n, stations, link)).collect(),
            parcels: Vec::new(),
            bursts: vec![Vec::new(); stations],
            wakes: vec![Some(Instant::ZERO); stations],
            turn_round: link.half.unwrap_or(Duration::ZERO),
            runs: vec![(Instant::ZERO, 0); stations],
        }
    }

    /// The same, and the stations have all spoken to each other and fallen silent: established links.
    ///
    /// # Panics
    /// When they cannot.
    #[must_use]
    pub fn established(link: &Link, stations: usize, seed: u64) -> Self {
        let mut world = Self::new(link, stations, seed);
        for from in 0..stations {
            for to in (0..stations).filter(|to| *to != from) {
                world.queue(Parcel { from, to, len: 30, precedence: picket_wire::Precedence::Routine });
            }
        }
        assert!(world.run(Duration::from_secs(600), Self::is_done), "a clean channel establishes links");
        world.rest(Duration::from_secs(30));
        world
    }

    /// Gives a station something to send; its number.
    pub fn queue(&mut self, parcel: Parcel) -> u64 {
        let number = self.parcels.len() as u64;
        self.parcels.push(parcel);
        self.stations[parcel.from].queue(number, &parcel);
        self.wakes[parcel.from] = Some(self.now);
        number
    }

    /// Gives a station one envelope for several others, to be sent in one transmission; the number that it arrives
    /// under.
    pub fn queue_for_all(&mut self, parcel: Parcel, to: &[usize]) -> u64 {
        let number = self.parcels.len() as u64;
        self.parcels.extend(to.iter().map(|to| Parcel { to: *to, ..parcel }));
        self.stations[parcel.from].queue_for_all(number, &parcel, to);
        self.wakes[parcel.from] = Some(self.now);
        number
    }

    /// Whether every sender knows that every parcel was taken.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.stations.iter().map(|s| s.accepted.len()).sum::<usize>() == self.parcels.len()
    }

    /// When the sender of a parcel learned that it was taken.
    #[must_use]
    pub fn accepted(&self, number: u64) -> Option<Instant> {
        let from = self.parcels.get(usize::try_from(number).ok()?)?.from;
        self.stations[from].accepted.get(&number).copied()
    }

    /// When a parcel arrived.
    #[must_use]
    pub fn arrived(&self, number: u64) -> Option<Instant> {
        let to = self.parcels.get(usize::try_from(number).ok()?)?.to;
        self.stations[to].arrived.iter().find(|(n, _)| *n == number).map(|(_, at)| *at)
    }

    /// When the first bit of the stretch went on air that ended a parcel.
    #[must_use]
    pub fn last_burst_of(&self, number: u64) -> Option<Burst> {
        let (at, from) = (self.arrived(number)?, self.parcels.get(usize::try_from(number).ok()?)?.from);
        self.bursts[from].iter().copied().find(|b| b.start < at && at <= b.end)
    }

    /// Bytes that all stations put on air so far.
    #[must_use]
    pub fn on_air(&self) -> u64 {
        (0..self.stations.len()).map(|n| self.channel.counters(n).sent).sum()
    }

    /// All stations' counters added up by `what`.
    #[must_use]
    pub fn total(&self, what: impl Fn(&Counters) -> u64) -> u64 {
        (0..self.stations.len()).map(|n| what(&self.channel.counters(n))).sum()
    }

    /// Parcels handed over more than once, anywhere: what must not be.
    #[must_use]
    pub fn twice(&self) -> usize {
        self.stations.iter().map(|s| s.twice).sum()
    }

    /// Lets time pass.
    pub fn rest(&mut self, time: Duration) {
        self.run(time, |_| false);
    }

    /// Runs until `done` or for `limit`; returns whether `done`.
    ///
    /// # Panics
    /// When a station spins: it wants to be served again and again at one moment.
    pub fn run(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            self.serve();
            if done(self) {
                return true;
            }
            let stations = self.wakes.iter().flatten().copied().min();
            let next = stations.into_iter().chain(self.channel.next_wake()).min().unwrap_or(Instant::FAR);
            if next > end {
                self.now = end;
                return false;
            }
            self.now = next.max(self.now);
            for heard in self.channel.poll(self.now) {
                self.stations[heard.to].hear(self.now, &heard.bytes);
                self.wakes[heard.to] = Some(self.now);
            }
        }
    }

    fn serve(&mut self) {
        for n in 0..self.stations.len() {
            if self.wakes[n].is_none_or(|at| at > self.now) {
                continue;
            }
            for turn in 0.. {
                assert!(turn < SPIN, "station {n} spins at {:?}", self.now);
                let Some(bytes) = self.stations[n].serve(self.now) else { break };
                self.transmit(n, &bytes);
            }
            let wake = self.stations[n].next_wake();
            assert!(wake.is_none_or(|at| at > self.now), "station {n} wants to be served again at {:?}", self.now);
            self.wakes[n] = wake;
        }
    }

    fn transmit(&mut self, from: usize, bytes: &[u8]) {
        let (bursts, run) = (&mut self.bursts[from], &mut self.runs[from]);
        let end = bursts.last().map_or(Instant::ZERO, |b| b.end);
        if end <= self.now {
            *run = (self.now + self.turn_round, 0);
        } else if self.channel.config().packets.is_some() {
            *run = (end, 0);
        }
        // Counted from the run's beginning, as the channel does: no error of rounding adds up.
        let rate = self.channel.config().rate_bps;
        let start = run.0 + Duration::of_air(run.1, rate);
        run.1 += bytes.len();
        bursts.push(Burst { start, end: run.0 + Duration::of_air(run.1, rate), bytes: bytes.len() });
        let taken = self.channel.transmit(self.now, from, bytes);
        assert_eq!(taken, bytes.len(), "the link paces itself: the radio's buffer never overflows");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_wire::Precedence;

    fn run(link: &Link, ber: f64, seed: u64) -> (Option<Instant>, u64) {
        let mut world = World::established(link, 2, seed);
        world.channel.set_ber(world.now, ber);
        let number = world.queue(Parcel { from: 0, to: 1, len: 2_000, precedence: Precedence::Routine });
        world.run(Duration::from_secs(600), World::is_done);
        assert_eq!(world.twice(), 0);
        assert!(world.last_burst_of(number).is_some());
        (world.accepted(number), world.on_air())
    }

    #[test]
    fn a_seed_replays_to_the_microsecond_and_another_differs() {
        let link = Link::cobs(9_600).half();
        assert_eq!(run(&link, 1e-4, 3), run(&link, 1e-4, 3));
        assert_ne!(run(&link, 5e-4, 3), run(&link, 5e-4, 4));
    }

    #[test]
    fn every_kind_of_link_delivers() {
        for link in [Link::cobs(1_200), Link::fec(9_600), Link::packets(9_600, 255)] {
            for link in [link, link.half()] {
                assert!(run(&link, 0.0, 1).0.is_some(), "{link:?}");
            }
        }
    }

    #[test]
    fn one_transmission_serves_several_stations() {
        let mut world = World::new(&Link::packets(9_600, 255), 3, 1);
        let parcel = Parcel { from: 0, to: 1, len: 5_000, precedence: Precedence::Routine };
        let number = world.queue_for_all(parcel, &[1, 2]);
        assert!(world.run(Duration::from_secs(60), World::is_done));
        assert!(world.stations[1..].iter().all(|s| s.arrived.len() == 1 && s.arrived[0].0 == number));
        assert!(world.on_air() < 7_500, "{} B on air", world.on_air());
    }
}
