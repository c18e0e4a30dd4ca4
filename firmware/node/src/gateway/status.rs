//! What the operator sees.

use super::meta::Kind;
use super::{Counters, Gateway};
use crate::io::{Air, LinkId, UplinkId};
use crate::limits::WHY_BRANCHES;
use crate::operator::{LinkStatus, Queued, RoomProgress};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use picket_relay::{Branch, ParcelKey, RoomParcel, State, Wait, Way};
use picket_store::Medium;
use picket_wire::control::Control;
use picket_wire::time::{Duration, Instant};
use picket_wire::{Index, Precedence};

impl<M: Medium> Gateway<M> {
    /// Parcels in custody.
    #[must_use]
    pub fn queued(&self) -> u64 {
        self.relay.parcels() as u64
    }

    /// Bytes of the store in use.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.custody.queue().usage().live_bytes
    }

    /// Counters of the node and of all its links, by name.
    #[must_use]
    pub fn all_counters(&self) -> BTreeMap<String, u64> {
        let mut all = self.counters.by_name();
        for port in self.ports.values() {
            Counters::merge_link(&mut all, port.link.counters());
        }
        self.gate_counters(&mut all);
        all
    }

    /// `None` while the uplink is connected, or why it is not.
    #[must_use]
    pub fn uplink_down_reason(&self, uplink: UplinkId) -> Option<&str> {
        match self.uplinks.by_id.get(&uplink) {
            Some(uplink) => uplink.down.as_deref(),
            None => Some("not connected yet"),
        }
    }

    /// All link instances; `name_of` gives the roster's names.
    pub fn links(&mut self, now: Instant, name_of: &dyn Fn(Index) -> String) -> Vec<LinkStatus> {
        let quality: Vec<_> = self.ports.values_mut().map(|port| super::quality::of(now, port, name_of)).collect();
        self.ports
            .iter()
            .zip(quality)
            .map(|((id, port), quality)| LinkStatus {
                name: port.name.clone(),
                kind: port.kind.to_string(),
                state: port.down.as_ref().map_or_else(|| "up".to_string(), |why| format!("down: {why}")),
                rx_bytes: port.link.counters().rx_bytes,
                tx_bytes: port.link.counters().tx_bytes,
                attached: self.attached_names(*id, name_of),
                emits: port.air != Air::Cable,
                silence: String::new(),
                band: None,
                quality,
            })
            .collect()
    }

    fn attached_names(&self, id: LinkId, name_of: &dyn Fn(Index) -> String) -> Vec<String> {
        let around = self.relay.surroundings();
        around.attached_on(id.0).chain(around.neighbours_on(id.0)).map(name_of).collect()
    }

    /// Every parcel in custody and why it waits, oldest first. `name_of` gives the roster's names.
    pub fn queue(&mut self, now: Instant, name_of: &dyn Fn(Index) -> String) -> Vec<Queued> {
        let keys: Vec<ParcelKey> = self.custody.queue().entries(now).map(|e| ParcelKey(e.seq.0)).collect();
        keys.into_iter().filter_map(|key| self.queued_parcel(now, key, name_of)).collect()
    }

    fn queued_parcel(&mut self, now: Instant, key: ParcelKey, name_of: &dyn Fn(Index) -> String) -> Option<Queued> {
        let (kind, identity, meta) = self.custody.meta(now, key)?;
        if matches!(kind, Kind::Claim | Kind::Listens | Kind::Debt) {
            return None;
        }
        let id = match kind {
            Kind::Control => self.subject(key)?,
            Kind::Message | Kind::Housekeeping | Kind::Room | Kind::Claim | Kind::Listens | Kind::Debt => identity.id(),
        };
        let entry = self.custody.queue().entry(now, picket_store::Seq(key.0))?;
        let branches: Vec<Branch> = self.relay.branches(key).collect();
        let offered = |b: &Branch| matches!(self.relay.state(*b), Some(State::Offered { .. }));
        let since = branches.iter().filter_map(|b| self.relay.since(*b)).min();
        let since = since.or_else(|| self.relay.room_parcel(key).map(|parcel| parcel.since));
        Some(Queued {
            id: id.to_string(),
            precedence: entry.precedence.name().to_string(),
            age_s: since.map_or(0, |at| now.since(at).as_secs()),
            lifetime_s: entry.remaining.as_secs(),
            bytes: u64::from(entry.bytes),
            state: if branches.iter().any(offered) { "offered" } else { "held" }.to_string(),
            why: match self.relay.room_parcel(key) {
                Some(room) => self.why_room(now, &branches, room, entry.precedence, name_of),
                None => {
                    let state = branches.first().and_then(|b| self.relay.state(*b));
                    self.why(now, state, meta.destination, entry.precedence, name_of)
                }
            },
            room: self.relay.room_parcel(key).map(|room| RoomProgress {
                room: format!("{:04x}", room.room.0),
                done: room.done.len() as u64,
                pending: branches.len() as u64,
            }),
        })
    }

    /// Why a parcel for a room is here: how many have it, and for each of the others why not; the first few.
    fn why_room(
        &self,
        now: Instant,
        branches: &[Branch],
        room: &RoomParcel,
        precedence: Precedence,
        name_of: &dyn Fn(Index) -> String,
    ) -> String {
        let done = room.done.len();
        let mut why = match branches.len() {
            0 if done == 0 => "nobody who listens is known".to_string(),
            0 => format!("all {done} have it; kept for those who come"),
            open => format!("{done} of {} have it", done + open),
        };
        for branch in branches.iter().take(WHY_BRANCHES) {
            let one = self.why(now, self.relay.state(*branch), branch.to, precedence, name_of);
            why.push_str(&format!("; {}: {one}", name_of(branch.to)));
        }
        if branches.len() > WHY_BRANCHES {
            why.push_str(&format!("; and {} more", branches.len() - WHY_BRANCHES));
        }
        why
    }

    /// The message a receipt or notice is about.
    fn subject(&mut self, key: ParcelKey) -> Option<picket_wire::MessageId> {
        let body = self.custody.queue_mut().body(picket_store::Seq(key.0)).ok()?;
        match Control::decode(&body).ok()? {
            Control::Receipt(r) => Some(r.id),
            Control::Notice(n) => Some(n.id),
            _ => None,
        }
    }

    fn waits_for_release(&self, way: Way, precedence: Precedence) -> bool {
        let port = way.port().and_then(|port| self.ports.get(&LinkId(port)));
        port.is_some_and(|port| !self.emission.allows(port.air, picket_link::gate::Traffic::Parcel(precedence)))
    }

    fn why(
        &self,
        now: Instant,
        state: Option<State>,
        destination: Index,
        precedence: Precedence,
        name_of: &dyn Fn(Index) -> String,
    ) -> String {
        let who = name_of(destination);
        let way = |way: Way| match way {
            Way::Attached { member, .. } => name_of(member),
            Way::Uplink(u) => format!("uplink {u}"),
            Way::Neighbour { port, gateway } => {
                let link = self.ports.get(&LinkId(port)).map_or("", |p| p.name.as_str());
                format!("{} on {link}", name_of(gateway))
            }
        };
        let seconds = |at: Instant| at.since(now).max(Duration::ZERO).as_secs();
        match state {
            None => "being written".to_string(),
            Some(State::Ready(w)) if self.waits_for_release(w, precedence) => {
                format!("waits for its turn to {}; held back by emission control", way(w))
            }
            Some(State::Ready(w)) => format!("waits for its turn to {}", way(w)),
            Some(State::Offered { way: w, deadline }) => {
                format!("offered to {}, no custody yet; given up in {} s", way(w), seconds(deadline))
            }
            Some(State::Held(Wait::NoAttachment)) => format!("nobody knows where {who} is attached; waits for word"),
            Some(State::Held(Wait::Away)) => format!("{who} was attached here and is away"),
            Some(State::Held(Wait::NoWay)) => format!("no way towards {who} works at the moment"),
            Some(State::Held(Wait::Retry(at))) => {
                format!("every way towards {who} was tried; again in {} s", seconds(at))
            }
            Some(State::Held(Wait::Refused(reason, at))) => {
                format!("the next custodian refused ({reason:?}); again in {} s", seconds(at))
            }
        }
    }
}
