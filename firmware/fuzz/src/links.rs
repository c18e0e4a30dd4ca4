//! Links under any input: one fed with bytes, and two joined by a pipe that the input damages.

use picket_link::{Config, Duplex, Event, Framing, Keyring, Link, Offer, OfferId, ParcelKind};
use picket_wire::control::{Control, Hello, RefuseReason};
use picket_wire::envelope::{Class, Envelope, Header};
use picket_wire::frame::Mask;
use picket_wire::keys::{LinkKey, NetKeys};
use picket_wire::time::{Duration, Instant};
use picket_wire::{Index, Lifetime, Precedence};
use std::collections::BTreeSet;

const A: Index = Index(0x0012);
const B: Index = Index(0x0103);

struct Keys {
    me: Index,
    net: NetKeys,
    mask: Mask,
}

impl Keys {
    fn of(me: Index) -> Self {
        let nk: [u8; 32] = core::array::from_fn(|i| i as u8);
        let net = NetKeys::derive(&nk, 11);
        Self { me, mask: Mask::new(&net), net }
    }
}

impl Keyring for Keys {
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
        [A, B].into_iter().filter(|s| s.low() == low && *s != self.me).collect()
    }
    fn link_key(&self, _peer: Index) -> Option<LinkKey> {
        Some(LinkKey([0xA7; 32]))
    }
}

fn config(choice: u8) -> Config {
    Config {
        framing: if choice & 1 == 0 { Framing::Cobs } else { Framing::Packet },
        mtu: (choice & 2 != 0).then_some(64 + u16::from(choice)),
        air_bps: (choice & 4 != 0).then_some(9600),
        duplex: if choice & 8 == 0 { Duplex::Half } else { Duplex::Full },
        turn_round: Duration::from_millis(20),
    }
}

fn offer(number: u8, len: usize, to: Index) -> Option<Offer> {
    let header = Header {
        class: Class::Pairwise,
        precedence: Precedence::from_bits(number % 6)?,
        destination: to,
        source: Index(9),
        hop_limit: 5,
        round: 1,
        flags: 0,
        lifetime: Lifetime(60),
        epoch_low: 1,
        session_low: 0,
        counter_low: u16::from(number),
        lane: None,
        enc: None,
    };
    let mut bytes = vec![number; len.max(22)];
    header.write(&mut bytes).ok()?;
    let identity = Envelope::parse(&bytes).ok()?.identity();
    let id = OfferId(u64::from(number));
    Some(Offer { id, to, kind: ParcelKind::Envelope, precedence: header.precedence, identity, bytes })
}

/// The first byte sets the link up; the rest arrives in pieces cut by a byte of length each.
pub fn link_bytes(data: &[u8]) {
    let Some((choice, mut rest)) = data.split_first() else { return };
    let keys = Keys::of(B);
    let mut link = Link::new(config(*choice));
    let mut now = Instant(1_000_000);
    link.up(now);
    while let Some((len, more)) = rest.split_first() {
        let (piece, left) = more.split_at(more.len().min(usize::from(*len)));
        rest = left;
        link.receive(now, piece, &keys);
        drain(&mut link, now, &keys, &mut BTreeSet::new());
        now = now + Duration::from_millis(u64::from(*len));
    }
}

/// Takes everything the link says; a parcel that arrives twice after being acknowledged is a finding.
fn drain(link: &mut Link, now: Instant, keys: &Keys, seen: &mut BTreeSet<[u8; 16]>) -> Vec<Vec<u8>> {
    while let Some(event) = link.poll_event() {
        if let Event::Arrived(arrival) = event {
            if seen.len() % 5 == 4 {
                link.refuse(now, arrival.owed(), RefuseReason::Full, Duration::from_secs(1));
            } else {
                let _ = link.acknowledge(now, arrival.owed(), None, Duration::ZERO);
            }
            seen.insert(arrival.identity.0);
        }
    }
    let mut out = Vec::new();
    while out.len() < 64 {
        match link.poll_transmit(now, keys, &mut picket_link::Gate::radio()) {
            Some(bytes) => out.push(bytes.into_bytes()),
            None => return out,
        }
    }
    out
}

/// A byte of set-up, then one operation a pair of bytes: offer, send, wait, damage, cut, lose, restart.
pub fn link_pair(data: &[u8]) {
    let Some((choice, ops)) = data.split_first() else { return };
    let keys = [Keys::of(A), Keys::of(B)];
    let mut links = [Link::new(config(*choice)), Link::new(config(*choice))];
    let mut seen = [BTreeSet::new(), BTreeSet::new()];
    let mut now = Instant(1_000_000);
    links.iter_mut().for_each(|l| l.up(now));
    for op in ops.chunks_exact(2).take(256) {
        let (what, value) = (op[0] >> 1, op[1]);
        let side = usize::from(op[0] & 1);
        let peer = [B, A][side];
        match what % 8 {
            0 | 1 => {
                if let Some(offer) = offer(value, usize::from(value) * usize::from(what), peer) {
                    let _ = links[side].offer(now, offer);
                }
            }
            2 => {
                let hello = Hello { index: [A, B][side], gateway: false, answer: value & 1 != 0 };
                let _ = links[side].send(now, (value & 2 != 0).then_some(peer), Control::Hello(hello));
            }
            3 => links[side].withdraw(OfferId(u64::from(value))),
            4 => {
                links[side].down(now);
                links[side].up(now);
            }
            _ => now = now + Duration::from_millis(u64::from(value) * 40),
        }
        for from in [side, 1 - side] {
            for mut bytes in drain(&mut links[from], now, &keys[from], &mut seen[from]) {
                if what % 8 == 6 && !bytes.is_empty() {
                    let at = usize::from(value) % bytes.len();
                    bytes[at] ^= value | 1;
                }
                if what % 8 != 7 {
                    links[1 - from].receive(now, &bytes, &keys[1 - from]);
                }
            }
        }
    }
}
