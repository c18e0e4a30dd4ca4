//! The ways out of a gateway, in the order in which they are tried (spec §55.3).

use crate::limits::NEIGHBOURS_MAX;
use crate::routes::Routes;
use crate::schedule::Goal;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use picket_wire::Index;

/// Position of an uplink in the configuration.
pub type UplinkNumber = u16;

/// A way out: attached member, uplink, neighbour gateway on a link; in this order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// The destination itself, attached on this port.
    Attached {
        /// Link instance.
        port: u32,
        /// The member.
        member: Index,
    },
    /// A broker.
    Uplink(UplinkNumber),
    /// Another gateway in earshot.
    Neighbour {
        /// Link instance.
        port: u32,
        /// The gateway.
        gateway: Index,
    },
}

impl Way {
    /// The port, unless it is an uplink.
    #[must_use]
    pub const fn port(self) -> Option<u32> {
        match self {
            Self::Attached { port, .. } | Self::Neighbour { port, .. } => Some(port),
            Self::Uplink(_) => None,
        }
    }
}

/// Whence a parcel came to us: it is not offered back there unless its destination is known to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ingress {
    /// The neighbour that offered it.
    pub from: Index,
    /// The broker it came by, if it did.
    pub uplink: Option<UplinkNumber>,
}

/// What is around this gateway at the moment.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    me: Option<Index>,
    attached: BTreeMap<Index, u32>,
    uplinks: BTreeSet<UplinkNumber>,
    neighbours: BTreeSet<(u32, Index)>,
    ports: BTreeSet<u32>,
}

impl Surroundings {
    /// Around the gateway `me`.
    #[must_use]
    pub fn new(me: Index) -> Self {
        Self { me: Some(me), ..Self::default() }
    }
    /// Our own index.
    #[must_use]
    pub const fn me(&self) -> Option<Index> {
        self.me
    }
    /// A port works.
    pub fn port_up(&mut self, port: u32) {
        self.ports.insert(port);
    }
    /// A port does not work; who was heard there is remembered, as a radio may come back.
    pub fn port_down(&mut self, port: u32) {
        self.ports.remove(&port);
    }
    /// A port is gone for good, and with it everyone behind it. Returns the members that were attached there.
    pub fn port_removed(&mut self, port: u32) -> Vec<Index> {
        self.ports.remove(&port);
        self.neighbours.retain(|(p, _)| *p != port);
        let gone: Vec<Index> = self.attached.iter().filter(|(_, p)| **p == port).map(|(m, _)| *m).collect();
        for member in &gone {
            self.attached.remove(member);
        }
        gone
    }
    /// A gateway was heard; true when it is new there.
    pub fn neighbour(&mut self, port: u32, gateway: Index) -> bool {
        let here = self.neighbours.range((port, Index(0))..=(port, Index(u16::MAX))).count();
        here < NEIGHBOURS_MAX && self.neighbours.insert((port, gateway))
    }
    /// A member attached on a port.
    pub fn attach(&mut self, member: Index, port: u32) {
        self.attached.insert(member, port);
    }
    /// A member is attached elsewhere now.
    pub fn detach(&mut self, member: Index) {
        self.attached.remove(&member);
    }
    /// A station is revoked: it is nowhere.
    pub fn gone(&mut self, station: Index) {
        self.attached.remove(&station);
        self.neighbours.retain(|(_, gateway)| *gateway != station);
    }
    /// Where the member is attached here.
    #[must_use]
    pub fn attached_port(&self, member: Index) -> Option<u32> {
        self.attached.get(&member).copied()
    }
    /// Members attached on a port.
    pub fn attached_on(&self, port: u32) -> impl Iterator<Item = Index> {
        self.attached.iter().filter(move |(_, p)| **p == port).map(|(m, _)| *m)
    }
    /// Gateways heard on a port.
    pub fn neighbours_on(&self, port: u32) -> impl Iterator<Item = Index> {
        self.neighbours.range((port, Index(0))..=(port, Index(u16::MAX))).map(|(_, g)| *g)
    }
    /// A broker is connected.
    pub fn uplink_up(&mut self, uplink: UplinkNumber) {
        self.uplinks.insert(uplink);
    }
    /// A broker is away.
    pub fn uplink_down(&mut self, uplink: UplinkNumber) {
        self.uplinks.remove(&uplink);
    }

    /// Ways towards what a branch is to reach, in order.
    #[must_use]
    pub fn ways_to(&self, goal: Goal, to: Index, ingress: Ingress, routes: &Routes) -> Vec<Way> {
        match goal {
            Goal::Member => self.ways(to, ingress, routes),
            Goal::Listener => self.attached_way(to).into_iter().collect(),
            Goal::Gateway => {
                let uplinks = self.uplinks.iter().map(|u| Way::Uplink(*u));
                uplinks.chain(self.heard_ways(|gateway| gateway == to)).collect()
            }
        }
    }

    /// The way to a member attached here, while its port works.
    fn attached_way(&self, member: Index) -> Option<Way> {
        let port = self.attached_port(member).filter(|port| self.ports.contains(port))?;
        Some(Way::Attached { port, member })
    }

    fn heard_ways(&self, wanted: impl Fn(Index) -> bool) -> impl Iterator<Item = Way> {
        let heard = self.neighbours.iter().filter(move |(port, gateway)| self.ports.contains(port) && wanted(*gateway));
        heard.map(|(port, gateway)| Way::Neighbour { port: *port, gateway: *gateway })
    }

    /// Ways towards `destination` that work now, in order. A known attachment elsewhere narrows them to the uplinks
    /// and that gateway; with none known, everybody but `ingress` is asked.
    #[must_use]
    pub fn ways(&self, destination: Index, ingress: Ingress, routes: &Routes) -> Vec<Way> {
        if self.attached_port(destination).is_some() {
            return self.attached_way(destination).into_iter().collect();
        }
        let target = routes.get(destination).map(|c| c.gateway).filter(|g| Some(*g) != self.me);
        let known_here = routes.get(destination).is_some() && target.is_none();
        if known_here {
            // Attached here within D and away at the moment: this is where it waits.
            return Vec::new();
        }
        let asked = |uplink: &UplinkNumber| target.is_some() || Some(*uplink) != ingress.uplink;
        let uplinks = self.uplinks.iter().filter(|u| asked(u)).map(|u| Way::Uplink(*u));
        let wanted = |gateway: Index| target.map_or(gateway != ingress.from, |t| t == gateway);
        uplinks.chain(self.heard_ways(wanted)).collect()
    }
}
