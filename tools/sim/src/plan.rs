//! What happens in a run: drawn from the seed, or given.

use crate::rooms::RoomAct;
use picket_channel::{Burst, Rng};
use picket_link::Framing;
use picket_wire::Precedence;
use picket_wire::time::{Duration, Instant};

/// Something that goes wrong, or right again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// The radio loses everything, or no longer.
    RadioOutage(bool),
    /// Bit error rate of the radio.
    RadioNoise(f64),
    /// Burst noise of the radio, or none any longer.
    RadioBursts(Option<Burst>),
    /// A gateway's broker connection is cut, or may come back.
    UplinkCut(usize, bool),
    /// A gateway is killed: written bytes stay.
    KillGateway(usize),
    /// A gateway loses power: bytes that were not synced are dropped, reordered or torn.
    PowerCut(usize),
    /// It is started again.
    StartGateway(usize),
    /// A member's device is killed and started again at once.
    RestartMember(usize),
    /// A member attaches to this gateway.
    Move(usize, usize),
    /// A member's device loses power at a write to come: this many from now, before or after it reached the medium.
    CutMember(usize, u64, bool),
    /// A member's home is copied.
    CopyMember(usize),
    /// A member's device goes on with the copy made last.
    RestoreMember(usize),
}

/// Which gateways hear each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// All of them, on one channel.
    Shared,
    /// Each its two neighbours, on a channel of each pair's own.
    Ring,
}

/// A message to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// Who.
    pub from: usize,
    /// To whom.
    pub to: usize,
    /// How urgent.
    pub precedence: Precedence,
    /// How long the text is, in bytes.
    pub bytes: usize,
}

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Seed of everything random.
    pub seed: u64,
    /// Gateways.
    pub gateways: usize,
    /// Members; member n starts attached to gateway n modulo gateways.
    pub members: usize,
    /// Which gateways hear each other.
    pub topology: Topology,
    /// Air rate of the radio, bit/s.
    pub air_bps: u32,
    /// Half duplex.
    pub half_duplex: bool,
    /// How the radio's bytes become frames; never packets.
    pub framing: Framing,
    /// There is a broker.
    pub broker: bool,
    /// Homes are put back to copies: they and their peers may notice.
    pub restores: bool,
    /// The authority revokes somebody.
    pub revokes: bool,
    /// What goes wrong and when.
    pub faults: Vec<(Instant, Fault)>,
    /// What is written and when.
    pub writes: Vec<(Instant, Write)>,
    /// What is done in the room, and when.
    pub acts: Vec<(Instant, RoomAct)>,
    /// When the run is stopped if not everything has arrived before.
    pub end: Instant,
}

/// Faults stop at this time in drawn plans.
pub(crate) const QUIET_AFTER: Instant = Instant(600 * 1_000_000);

impl Plan {
    /// A clean world: two gateways, two members, a 9600 bit/s half-duplex radio and a broker.
    #[must_use]
    pub fn quiet(seed: u64) -> Self {
        Self {
            seed,
            gateways: 2,
            members: 2,
            topology: Topology::Shared,
            air_bps: 9600,
            half_duplex: true,
            framing: Framing::Cobs,
            broker: true,
            restores: false,
            revokes: false,
            faults: Vec::new(),
            writes: Vec::new(),
            acts: Vec::new(),
            end: Instant::ZERO + Duration::from_secs(4 * 3600),
        }
    }

    /// One more message.
    #[must_use]
    pub fn write(mut self, at_s: u64, from: usize, to: usize, precedence: Precedence, bytes: usize) -> Self {
        self.writes.push((at(at_s), Write { from, to, precedence, bytes }));
        self
    }

    /// Something done in the room.
    #[must_use]
    pub fn act(mut self, at_s: u64, act: RoomAct) -> Self {
        self.acts.push((at(at_s), act));
        self
    }

    /// One more fault.
    #[must_use]
    pub fn fault(mut self, at_s: u64, fault: Fault) -> Self {
        self.faults.push((at(at_s), fault));
        self
    }

    /// The same over coded frames, with this bit error rate from the start to the end.
    #[must_use]
    pub fn noisy(seed: u64, ber: f64) -> Self {
        let plan = Self { framing: Framing::Fec, ..Self::quiet(seed) };
        plan.fault(0, Fault::RadioNoise(ber))
    }

    /// The same as [`Plan::drawn`] over coded frames. A radio that is noisy all the time, as nobody mends one, and more
    /// trouble of the radio's own, come from a sequence of their own: everything else is what the seed means there.
    #[must_use]
    pub fn drawn_noisy(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0xFEC);
        let ber: f64 = [0.0, 1e-4, 3e-4, 1e-3][rng.below(4) as usize];
        let mut plan = Self { framing: Framing::Fec, ..Self::drawn(seed) };
        for (_, fault) in &mut plan.faults {
            if let Fault::RadioNoise(noise) = fault {
                // Ten times what frames that are not coded get, and back to what is always there.
                *noise = ber.max(*noise * 10.0);
            }
        }
        plan = plan.fault(0, Fault::RadioNoise(ber));
        for _ in 0..3 {
            plan.draw_weather(&mut rng);
        }
        plan.fault(QUIET_AFTER.0 / 1_000_000, Fault::RadioBursts(None))
    }

    /// Bursts for some minutes, or a radio that is away for a moment again and again.
    fn draw_weather(&mut self, rng: &mut Rng) {
        let start = rng.below(450);
        if rng.chance(0.5) {
            let (every, long) = (200 + rng.below(4_000), 5 + rng.below(60));
            let burst = Burst { enter: 1.0 / every as f64, leave: 1.0 / long as f64, ber: 0.1 };
            self.faults.push((at(start), Fault::RadioBursts(Some(burst))));
            self.faults.push((at(start + 30 + rng.below(120)), Fault::RadioBursts(None)));
        } else {
            let pause = Duration::from_millis(2_000 + rng.below(10_000));
            let away = Duration::from_millis(100 + rng.below(900));
            for n in 0..10 {
                let begin = at(start) + pause.times(n);
                self.faults.push((begin, Fault::RadioOutage(true)));
                self.faults.push((begin + away, Fault::RadioOutage(false)));
            }
        }
    }

    /// Ten minutes of trouble and forty messages, drawn from the seed; then the world is mended.
    #[must_use]
    pub fn drawn(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x5EED);
        let mut plan = Self::quiet(seed);
        plan.half_duplex = rng.chance(0.6);
        plan.broker = rng.chance(0.7);
        plan.air_bps = [1200, 9600, 57_600][rng.below(3) as usize];
        for _ in 0..40 {
            let from = rng.below(2) as usize;
            let precedence = Precedence::ALL[rng.below(6) as usize];
            let bytes = if rng.chance(0.05) { 3000 } else { 1 + rng.below(120) as usize };
            plan = plan.write(rng.below(580), from, 1 - from, precedence, bytes);
        }
        for _ in 0..6 {
            plan.draw_trouble(&mut rng);
        }
        plan.mend();
        plan
    }

    fn draw_trouble(&mut self, rng: &mut Rng) {
        let start = rng.below(500);
        let long = 1 + rng.below(90);
        let which = rng.below(2) as usize;
        let (begin, end) = match rng.below(7) {
            0 => (Fault::RadioOutage(true), Fault::RadioOutage(false)),
            1 => (Fault::RadioNoise(1e-4), Fault::RadioNoise(0.0)),
            2 => (Fault::UplinkCut(which, true), Fault::UplinkCut(which, false)),
            3 => (Fault::KillGateway(which), Fault::StartGateway(which)),
            4 => (Fault::PowerCut(which), Fault::StartGateway(which)),
            5 => (Fault::RestartMember(which), Fault::RestartMember(which)),
            _ => (Fault::Move(which, rng.below(2) as usize), Fault::Move(which, which)),
        };
        self.faults.push((at(start), begin));
        self.faults.push((at(start + long), end));
    }

    pub(crate) fn mend(&mut self) {
        for gateway in 0..self.gateways {
            self.faults.push((QUIET_AFTER, Fault::StartGateway(gateway)));
            self.faults.push((QUIET_AFTER, Fault::UplinkCut(gateway, false)));
        }
        self.faults.push((QUIET_AFTER, Fault::RadioOutage(false)));
        self.faults.push((QUIET_AFTER, Fault::RadioNoise(0.0)));
    }
}

pub(crate) fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}
