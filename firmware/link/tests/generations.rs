//! Two generations of the network key on one link (spec §35.7).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{A, B, C, config, offer, pair_key};
use picket_link::{Duplex, Event, Gate, Keyring, Link};
use picket_wire::control::{Control, Hello};
use picket_wire::frame::Mask;
use picket_wire::keys::{LinkKey, NetKeys};
use picket_wire::time::Instant;
use picket_wire::{Index, Precedence};

/// Keys of a generation; of the one before too, but for what is revoked.
struct Generation {
    me: Index,
    net: NetKeys,
    mask: Mask,
    earlier: Option<(NetKeys, Mask)>,
    revoked: Vec<Index>,
}

fn net(generation: u8) -> NetKeys {
    NetKeys::derive(&[generation; 32], generation)
}

fn link_key(a: Index, b: Index, generation: u8) -> LinkKey {
    let mut key = pair_key(a, b);
    key[31] = generation;
    LinkKey(key)
}

impl Generation {
    fn new(me: Index, generation: u8) -> Self {
        Self { me, mask: Mask::new(&net(generation)), net: net(generation), earlier: None, revoked: Vec::new() }
    }

    fn after(me: Index, generation: u8, revoked: &[Index]) -> Self {
        let before = net(generation - 1);
        let earlier = Some((before.clone(), Mask::new(&before)));
        Self { earlier, revoked: revoked.to_vec(), ..Self::new(me, generation) }
    }
}

impl Keyring for Generation {
    fn me(&self) -> Index {
        self.me
    }
    fn net(&self) -> &NetKeys {
        &self.net
    }
    fn mask(&self) -> &Mask {
        &self.mask
    }
    fn stations(&self, low: u8) -> Vec<Index> {
        let all = [A, B, C].into_iter().filter(|i| *i != self.me && !self.revoked.contains(i));
        all.filter(|i| i.low() == low).collect()
    }
    fn link_key(&self, peer: Index) -> Option<LinkKey> {
        (!self.revoked.contains(&peer)).then(|| link_key(self.me, peer, self.net.generation))
    }
    fn earlier(&self) -> Option<(&NetKeys, &Mask)> {
        self.earlier.as_ref().map(|(net, mask)| (net, mask))
    }
    fn earlier_link_key(&self, peer: Index) -> Option<LinkKey> {
        (!self.revoked.contains(&peer)).then(|| link_key(self.me, peer, self.net.generation - 1))
    }
}

/// What B, at `keys`, makes of what `from` sends in generation 1: an envelope to B, and a greeting to all.
fn heard(from: Index, keys: &Generation, greeting: bool) -> Vec<Event> {
    let (now, theirs) = (Instant(1_000_000), Generation::new(from, 1));
    let mut sender = Link::new(config(None, Duplex::Full, 0));
    let mut receiver = Link::new(config(None, Duplex::Full, 0));
    sender.up(now);
    receiver.up(now);
    if greeting {
        let hello = Hello { index: from, gateway: true, answer: true };
        sender.send(now, None, Control::Hello(hello)).unwrap();
    } else {
        sender.offer(now, offer(1, B, 60, Precedence::Routine)).unwrap();
    }
    let bytes = sender.poll_transmit(now, &theirs, &mut Gate::radio()).unwrap();
    receiver.receive(now, &bytes, keys);
    core::iter::from_fn(|| receiver.poll_event()).collect()
}

fn arrived(events: &[Event]) -> bool {
    events.iter().any(|e| matches!(e, Event::Arrived(_)))
}

#[test]
fn frames_of_the_generation_before_are_read_from_one_neighbour_only() {
    let changing = Generation::after(B, 2, &[C]);
    let told = |events: &[Event]| events.contains(&Event::Generation(1));
    let from_a = heard(A, &changing, false);
    assert!(arrived(&from_a) && told(&from_a), "{from_a:?}");
    let from_c = heard(C, &changing, false);
    assert!(!arrived(&from_c), "revoked: {from_c:?}");
    let greeting = heard(A, &changing, true);
    assert!(
        greeting.iter().all(|e| matches!(e, Event::Generation(_))),
        "whoever has the old key says that: {greeting:?}"
    );
    let settled = heard(A, &Generation::new(B, 2), false);
    assert!(!arrived(&settled) && told(&settled), "the change is over: {settled:?}");
}
