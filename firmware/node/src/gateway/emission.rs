//! Emission control of a gateway: one gate for each band, what a change of state stops at once, and what is recorded of
//! airtime before it is spent (spec §57).

use super::debts::Debts;
use super::ports::Port;
use super::{Count, Gateway};
use crate::io::{Air, EmissionConfig, LinkId, Output, UplinkId};
use crate::limits::STORE_RETRY;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use picket_link::gate::Traffic;
use picket_link::gate::airtime::Record;
use picket_link::{Emcon, Gate};
use picket_store::Medium;
use picket_wire::Precedence;
use picket_wire::time::{Duration, Instant};

/// Everything about what may leave.
#[derive(Debug)]
pub(super) struct Emissions {
    emcon: Emcon,
    gates: Gates,
    /// When the last byte handed over before the state came into force has left the air.
    quiet_at: Instant,
    /// What the record under way asked for, band by band.
    recording: Option<Vec<Duration>>,
    /// A record could not be written: not tried again before.
    record_after: Instant,
    emitting_uplinks: BTreeSet<UplinkId>,
    pub(super) debts: Debts,
}

#[derive(Debug)]
struct Gates {
    cable: Gate,
    open: Gate,
    bands: Vec<Gate>,
}

impl Gates {
    fn of(&mut self, air: Air) -> &mut Gate {
        match air {
            Air::Cable => &mut self.cable,
            // A band that nobody configured has no budget: it is still an emission.
            Air::Band(n) if usize::from(n) < self.bands.len() => &mut self.bands[usize::from(n)],
            Air::Band(_) | Air::Open => &mut self.open,
        }
    }

    fn peek(&self, air: Air) -> &Gate {
        match air {
            Air::Cable => &self.cable,
            Air::Band(n) => self.bands.get(usize::from(n)).unwrap_or(&self.open),
            Air::Open => &self.open,
        }
    }
}

impl Emissions {
    pub(super) fn new(config: &EmissionConfig) -> Self {
        let open = Gate::radio().with_urgent(config.minimize);
        let bands = config.bands.iter().map(|band| band.clone().with_urgent(config.minimize)).collect();
        let mut all = Self {
            emcon: config.emcon,
            gates: Gates { cable: Gate::cable(), open, bands },
            quiet_at: Instant::ZERO,
            recording: None,
            record_after: Instant::ZERO,
            emitting_uplinks: config.emitting_uplinks.iter().copied().collect(),
            debts: Debts::default(),
        };
        all.set(config.emcon);
        all
    }

    fn set(&mut self, emcon: Emcon) {
        self.emcon = emcon;
        self.gates.open.set(emcon);
        for band in &mut self.gates.bands {
            band.set(emcon);
        }
    }

    /// The gate of such a link.
    pub(super) fn gate(&mut self, air: Air) -> &mut Gate {
        self.gates.of(air)
    }

    /// Whether such traffic may leave by such a link, airtime aside.
    pub(super) fn allows(&self, air: Air, traffic: Traffic) -> bool {
        self.gates.peek(air).forbids(traffic).is_none()
    }

    /// Whether nothing may leave by such a link.
    pub(super) fn closed(&self, air: Air) -> bool {
        self.gates.peek(air).is_closed()
    }

    /// Whether an uplink must be disconnected. An IP path may itself be a radio: only in silence it always must.
    pub(super) fn uplink_closed(&self, uplink: UplinkId) -> bool {
        match self.emcon {
            Emcon::Silent => true,
            Emcon::ReceiveOnly => self.emitting_uplinks.contains(&uplink),
            Emcon::Free | Emcon::Minimize => false,
        }
    }

    /// When a record that failed is tried again.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        let wanted = self.recording.is_none() && self.wants_record();
        Some(self.record_after).filter(|_| wanted)
    }

    fn wants_record(&self) -> bool {
        self.gates.bands.iter().filter_map(Gate::airtime).any(picket_link::gate::Airtime::wants_block)
    }
}

/// Whether silence has been reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The state in force.
    pub emcon: Emcon,
    /// Time until what was handed over before has left the air; zero when it has.
    pub stopping: Duration,
    /// Answers kept until release.
    pub owed: usize,
}

/// What a band's budget looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BandUse {
    /// Airtime an hour.
    pub limit: Duration,
    /// Used in the last hour.
    pub used: Duration,
    /// What routine traffic may still use.
    pub left: Duration,
    /// What flash and override may still use.
    pub left_urgent: Duration,
}

impl<M: Medium> Gateway<M> {
    /// Where emission control stands.
    #[must_use]
    pub fn silence(&self, now: Instant) -> Silence {
        let stopping = match self.emission.emcon {
            Emcon::Free | Emcon::Minimize => Duration::ZERO,
            Emcon::ReceiveOnly | Emcon::Silent => self.emission.quiet_at.since(now),
        };
        Silence { emcon: self.emission.emcon, stopping, owed: self.emission.debts.len() }
    }

    /// A band's budget; `None` where there is none.
    #[must_use]
    pub fn band(&self, now: Instant, band: u16) -> Option<BandUse> {
        let airtime = self.emission.gates.bands.get(usize::from(band))?.airtime()?;
        Some(BandUse {
            limit: airtime.limit(),
            used: airtime.used(now),
            left: airtime.left(now, Precedence::Routine),
            left_urgent: airtime.left(now, Precedence::Override),
        })
    }

    /// What is to be written down at an orderly end, after which nothing more is sent.
    #[must_use]
    pub fn last_airtime(&self, now: Instant) -> Vec<Record> {
        let bands = self.emission.gates.bands.iter();
        bands.map(|gate| gate.airtime().map(|airtime| airtime.last_record(now)).unwrap_or_default()).collect()
    }

    /// A state comes into force: at once, and whatever is on its way out is stopped.
    pub(super) fn set_emcon(&mut self, now: Instant, emcon: Emcon) {
        self.emission.set(emcon);
        let ids: Vec<LinkId> = self.ports.keys().copied().collect();
        for id in ids {
            self.refresh_port(now, id);
        }
        let closed: Vec<UplinkId> = self.uplinks.up().filter(|id| self.emission.uplink_closed(*id)).collect();
        for id in closed {
            self.uplink_down(now, id, closed_by(emcon));
        }
    }

    /// Whether the relay may use a port, and whether it may show presence, follows from its medium and from emission
    /// control together.
    pub(super) fn refresh_port(&mut self, now: Instant, id: LinkId) {
        let Some(port) = self.ports.get_mut(&id) else { return };
        let closed = self.emission.closed(port.air);
        let may_show = self.emission.allows(port.air, Traffic::Presence);
        port.show(now, may_show);
        if !may_show {
            for offer in self.telling.hush(id) {
                port.link.withdraw(offer);
            }
        }
        if closed {
            port.link.hush();
            port.busy = false;
            self.emission.quiet_at = self.emission.quiet_at.max(port.link.silent_at()).max(now);
            self.out.push_back(Output::Recall(id));
        }
        let usable = port.is_up() && !closed;
        if core::mem::replace(&mut port.usable, usable) != usable {
            if usable {
                self.relay.port_up(now, id.0);
            } else {
                self.relay.port_down(now, id.0);
            }
        }
    }

    /// A port that exists from now on. In silence: what a former run of ours left in a modem may still be on air.
    pub(super) fn port_added(&mut self, now: Instant, id: LinkId, port: Port) {
        if self.emission.closed(port.air) {
            self.emission.quiet_at = self.emission.quiet_at.max(now + port.link.longest_air());
        }
        self.ports.insert(id, port);
    }

    /// The last word about what leaves: outputs that were made before the state changed do not outlive it.
    pub(super) fn may_leave(&mut self, output: &Output) -> bool {
        let leaves = match output {
            Output::Transmit(id, _) => self.ports.get(id).is_some_and(|port| !self.emission.closed(port.air)),
            Output::Publish { uplink, .. }
            | Output::Subscribe(uplink, _)
            | Output::Unsubscribe(uplink, _)
            | Output::Settle(uplink, _) => !self.emission.uplink_closed(*uplink),
            Output::Recall(_) | Output::RecordAirtime(_) | Output::Sync(_) | Output::Object(_) | Output::Report(_) => {
                true
            }
        };
        if !leaves {
            self.counters.add(Count::OutputsStopped);
        }
        leaves
    }

    /// Asks for a record of airtime when a band wants to spend more than is written down.
    pub(super) fn record_airtime(&mut self, now: Instant) {
        let emission = &mut self.emission;
        if emission.recording.is_some() || now < emission.record_after || !emission.wants_record() {
            return;
        }
        let bands = emission.gates.bands.iter();
        let records: Vec<Record> =
            bands.map(|gate| gate.airtime().map(|airtime| airtime.record(now)).unwrap_or_default()).collect();
        emission.recording = Some(records.iter().map(|record| record.asked).collect());
        self.out.push_back(Output::RecordAirtime(records));
    }

    pub(super) fn airtime_recorded(&mut self, now: Instant, durable: bool) {
        let Some(asked) = self.emission.recording.take() else { return };
        if !durable {
            self.counters.add(Count::AirtimeNotRecorded);
            self.emission.record_after = now + STORE_RETRY;
            return;
        }
        for (gate, asked) in self.emission.gates.bands.iter_mut().zip(asked) {
            if let Some(airtime) = gate.airtime_mut() {
                airtime.granted(asked);
            }
        }
    }

    /// The gates' refusals, under their own names.
    pub(super) fn gate_counters(&self, all: &mut alloc::collections::BTreeMap<String, u64>) {
        let gates = &self.emission.gates;
        for gate in gates.bands.iter().chain([&gates.open, &gates.cable]) {
            let r = gate.refusals();
            let rows = [
                ("gate_held_silent", r.silent),
                ("gate_held_receive_only", r.receive_only),
                ("gate_held_minimize", r.minimize),
                ("gate_held_airtime", r.airtime),
                ("gate_held_too_long", r.too_long),
                ("gate_held_not_recorded", r.not_recorded),
                ("gate_unpermitted", r.unpermitted),
            ];
            for (name, n) in rows.into_iter().filter(|(_, n)| *n > 0) {
                *all.entry(String::from(name)).or_insert(0) += n;
            }
        }
    }
}

/// Why an uplink is away, for people.
pub(super) fn closed_by(emcon: Emcon) -> String {
    alloc::format!("emission control: {emcon}")
}
