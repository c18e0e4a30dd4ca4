//! One radio or cable as a sans-IO machine: bytes in, authentic events out; parcels offered in, frames out.
//!
//! Normative text: `firmware/spec/50-link.md`.
//!
//! Skeleton of the interface; see [`Link`].
#![cfg_attr(not(test), no_std)]
extern crate alloc;

mod api;

pub use api::{
    Arrival, Config, Counters, Duplex, Event, Framing, Keyring, Offer, OfferId, Owed, ParcelKind,
};

use alloc::vec::Vec;
use picket_wire::Index;
use picket_wire::control::{Control, RefuseReason, Token};
use picket_wire::time::{Duration, Instant};

/// One link.
#[derive(Debug)]
pub struct Link {
    counters: Counters,
}

impl Link {
    /// A link that is down until [`Link::up`].
    #[must_use]
    pub fn new(_config: Config) -> Self {
        Self { counters: Counters::default() }
    }
    /// The medium works (again): framing starts fresh, what was offered is sent (again), back-off is reset.
    pub fn up(&mut self, _now: Instant) {}
    /// The medium is gone: nothing is transmitted until [`Link::up`]; offers are kept.
    pub fn down(&mut self, _now: Instant) {}
    /// Bytes from the medium, cut anywhere (COBS) or one packet (Packet).
    pub fn receive(&mut self, _now: Instant, _bytes: &[u8], _keys: &dyn Keyring) {}
    /// How many more parcels of `bytes` length may be offered to `to` now; 0 = wait for an event.
    #[must_use]
    pub fn room(&self, _to: Index) -> usize {
        0
    }
    /// Offers a parcel. It is retransmitted with back-off until an answer comes or it is withdrawn.
    /// An offer with an `id` already held replaces it.
    ///
    /// # Errors
    /// Gives the offer back when [`Link::room`] is 0.
    pub fn offer(&mut self, _now: Instant, offer: Offer) -> Result<(), Offer> {
        Err(offer)
    }
    /// Stops offering; unknown handles are ignored.
    pub fn withdraw(&mut self, _offer: OfferId) {}
    /// Answers a parcel that is durable now. `hold` is how long the answer may wait for the delivered token to be
    /// merged ([`Duration::ZERO`]: send at the next chance). A second call with a token within that time merges it.
    pub fn acknowledge(&mut self, _now: Instant, _owed: Owed, _delivered: Option<Token>, _hold: Duration) {}
    /// Refuses a parcel.
    pub fn refuse(&mut self, _now: Instant, _owed: Owed, _reason: RefuseReason, _retry: Duration) {}
    /// Queues a control message to one neighbour, or (`None`) to all in earshot. Not retransmitted.
    ///
    /// # Errors
    /// Gives it back when the small control queue is full.
    pub fn send(&mut self, _now: Instant, _to: Option<Index>, message: Control) -> Result<(), Control> {
        Err(message)
    }
    /// The next bytes to put on the medium, if anything may be sent at `now`; call until `None`. On packet media each
    /// call gives one packet; on streams a call may give several frames when the link is not paced.
    pub fn poll_transmit(&mut self, _now: Instant, _keys: &dyn Keyring) -> Option<Vec<u8>> {
        None
    }
    /// The next event; call until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }
    /// When [`Link::poll_transmit`] should be called next if nothing else happens.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        None
    }
    /// Counters so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
}
