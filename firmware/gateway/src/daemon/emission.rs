//! The daemon's side of emission control: an order from the operator at the box, or from the command line, and what is
//! shown of it (spec §57). Nothing that arrives over a link or from a broker leads here.

use super::Daemon;
use crate::config;
use crate::control;
use picket_node::gate::Emcon;
use picket_node::operator::{BandStatus, Certainty, EmconStatus, LinkSilence, LinkStatus, Reply};
use picket_node::{Air, Input};

impl Daemon {
    /// An order; without a state it is only shown.
    pub(super) fn order(&mut self, state: Option<&str>) -> Reply {
        match state.map(str::parse::<Emcon>) {
            None => Reply::Emcon(self.emcon()),
            Some(Ok(state)) => {
                self.put_in_force(state);
                Reply::Emcon(self.emcon())
            }
            Some(Err(e)) => control::error("bad_request", &format!("the state {e}"), "name one of them"),
        }
    }

    /// Stops first, and only then writes down; releases only what is already written down as released.
    fn put_in_force(&mut self, state: Emcon) {
        let before = self.mark.state();
        if state < before {
            self.mark.set(state);
        }
        self.follow_state(state);
        if state >= before {
            self.mark.set(state);
        }
        tracing::warn!(%before, %state, "emission control");
        for warning in self.mark.warnings() {
            tracing::error!(warning, "emission control");
        }
    }

    /// Drivers, brokers and the node, in the order in which nothing slips through.
    fn follow_state(&mut self, state: Emcon) {
        let Self { links, node, clock, mission, .. } = self;
        links.silence(state.forbids_all(), &mut |input| node.handle(clock.now(), input, mission));
        for (uplink, emits) in self.uplinks.iter_mut().zip(&self.emitting) {
            if uplink_closed(state, *emits) {
                uplink.stop();
            }
        }
        self.tell(Input::Emcon(state));
        for (uplink, emits) in self.uplinks.iter_mut().zip(&self.emitting) {
            if !uplink_closed(state, *emits) {
                uplink.resume(self.reports.clone());
            }
        }
    }

    /// What is in force and what is known.
    pub(super) fn emcon(&self) -> EmconStatus {
        let silence = self.node.silence(self.clock.now());
        let links: Vec<LinkSilence> = self.links.configured().iter().map(known_of).collect();
        let unknown: Vec<&str> =
            links.iter().filter(|l| l.silence == Certainty::NotKnown.name()).map(|l| l.name.as_str()).collect();
        let mut warnings: Vec<String> = self.mark.warnings().collect();
        if silence.emcon.forbids_all() && !unknown.is_empty() {
            warnings.push(format!(
                "not known whether the radios themselves are silent on: {}; picketd sends them nothing, but a modem may \
                 transmit by itself (beacons, empty frames): switch its transmitter off",
                unknown.join(", ")
            ));
        }
        EmconStatus {
            state: silence.emcon.name().to_owned(),
            reached: silence.stopping.as_micros() == 0,
            stopping_ms: silence.stopping.as_micros().div_ceil(1_000),
            durable: self.mark.is_durable(),
            owed: silence.owed as u64,
            links,
            warnings,
        }
    }

    /// Adds what only the configuration knows to rows of links.
    pub(super) fn complete(&self, rows: &mut [LinkStatus]) {
        for row in rows {
            let Some(link) = self.links.configured().iter().find(|l| l.name == row.name) else { continue };
            row.silence = known_of(link).silence;
            row.band = self.band_of(link);
        }
    }

    fn band_of(&self, link: &config::Link) -> Option<BandStatus> {
        let Air::Band(number) = link.air else { return None };
        let band = self.node.band(self.clock.now(), number)?;
        Some(BandStatus {
            name: link.band.clone().unwrap_or_default(),
            limit_ms: band.limit.as_millis(),
            used_ms: band.used.as_micros().div_ceil(1_000),
            left_ms: band.left.as_millis(),
            left_urgent_ms: band.left_urgent.as_millis(),
        })
    }

    /// A record of airtime is wanted: until it is durable, nothing of it is spent.
    pub(super) fn record_airtime(&mut self, records: &[picket_node::gate::airtime::Record]) {
        let stored = self.ledger.store(records, self.clock.now(), self.clock.wall());
        if let Err(e) = &stored {
            tracing::error!(error = %e, "airtime cannot be written down: bands with a duty cycle wait until it can");
        }
        self.next.push_back(Input::AirtimeRecorded(stored.is_ok()));
    }
}

/// Whether an uplink must be disconnected (the node decides alike).
pub(super) const fn uplink_closed(state: Emcon, emits: bool) -> bool {
    match state {
        Emcon::Free | Emcon::Minimize => false,
        Emcon::ReceiveOnly => emits,
        Emcon::Silent => true,
    }
}

/// No driver can read a radio's own silence back yet: where there is a transmitter, nobody knows.
fn known_of(link: &config::Link) -> LinkSilence {
    let known = match link.air {
        Air::Cable => Certainty::Proven,
        Air::Open | Air::Band(_) => Certainty::NotKnown,
    };
    LinkSilence { name: link.name.clone(), silence: known.name().to_owned() }
}
