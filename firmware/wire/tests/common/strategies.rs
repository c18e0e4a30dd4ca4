//! Arbitrary envelopes, control messages and frame bodies.
#![allow(dead_code)]

use picket_wire::control::{
    Claim, Control, Hello, Listens, Notice, NoticeReason, Prefixes, Receipt, ReceiptKind, RefuseReason, Rooms,
    Signature,
};
use picket_wire::envelope::{Class, Encapsulated, Header};
use picket_wire::frame::{ESI_MAX, FragmentHead, Kind};
use picket_wire::limits::{ACK_MANY_MAX, CONTROL_MAX, ENVELOPE_MAX, ENVELOPE_MIN, LISTENS_ROOMS_MAX};
use picket_wire::{Index, Lifetime, MessageId, Precedence};
use proptest::prelude::*;
use proptest::sample::select;

fn index() -> impl Strategy<Value = Index> {
    any::<u16>().prop_map(Index)
}

fn header() -> impl Strategy<Value = Header> {
    let who = (
        select(vec![Class::Pairwise, Class::Room, Class::Housekeeping]),
        select(Precedence::ALL.to_vec()),
        index(),
        index(),
    );
    let hop = (0u8..16, 0u8..4, 0u8..4, any::<u8>());
    let session = (0u8..16, 0u8..16, any::<u16>(), any::<Option<u8>>(), any::<Option<(u8, [u8; 32])>>());
    (who, hop, session).prop_map(|(who, hop, session)| Header {
        class: who.0,
        precedence: who.1,
        destination: who.2,
        source: who.3,
        hop_limit: hop.0,
        round: hop.1,
        flags: hop.2,
        lifetime: Lifetime(hop.3),
        epoch_low: session.0,
        session_low: session.1,
        counter_low: session.2,
        lane: session.3,
        enc: session.4.map(|(prekey, x)| Encapsulated { prekey, x }),
    })
}

/// Bytes of an envelope of up to about 300 bytes.
pub fn envelope() -> impl Strategy<Value = Vec<u8>> {
    (header(), prop::collection::vec(any::<u8>(), 12..256)).prop_map(|(header, sealed)| {
        let mut raw = vec![0; header.len()];
        header.write(&mut raw).unwrap();
        raw.extend(sealed);
        raw
    })
}

fn claim() -> impl Strategy<Value = Claim> {
    (index(), index(), any::<u32>(), any::<([u8; 32], [u8; 32])>()).prop_map(|(member, gateway, sequence, (r, s))| {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&r);
        signature[32..].copy_from_slice(&s);
        Claim { member, gateway, sequence, signature: Signature(signature) }
    })
}

fn listens() -> impl Strategy<Value = Listens> {
    let room = (0xC000u16..).prop_filter("names a room", |n| Index(*n).is_room());
    let rooms = prop::collection::btree_set(room, 0..=LISTENS_ROOMS_MAX);
    (index(), any::<u32>(), rooms, prop::collection::vec(any::<u8>(), 64)).prop_map(
        |(member, sequence, rooms, bytes)| {
            let list: Vec<Index> = rooms.into_iter().map(Index).collect();
            let mut signature = [0; 64];
            signature.copy_from_slice(&bytes);
            let rooms = Rooms::new(&list).expect("ascending rooms");
            Listens { member, sequence, rooms, signature: Signature(signature) }
        },
    )
}

fn receipt() -> impl Strategy<Value = Control> {
    let kind = select(vec![ReceiptKind::Delivered, ReceiptKind::Read]);
    (index(), 0u8..16, any::<[u8; 8]>(), kind, any::<[u8; 8]>())
        .prop_map(|(to, hops, id, kind, token)| Control::Receipt(Receipt { to, hops, id: MessageId(id), kind, token }))
}

fn notice() -> impl Strategy<Value = Control> {
    use NoticeReason::{Damaged, Expired, HopLimit, UnknownDestination};
    let reason = select(vec![Expired, HopLimit, Damaged, UnknownDestination]);
    (index(), 0u8..16, any::<[u8; 8]>(), reason, index(), any::<[u8; 8]>()).prop_map(
        |(to, hops, id, reason, gateway, mac)| {
            Control::Notice(Notice { to, hops, id: MessageId(id), reason, gateway, mac })
        },
    )
}

fn refuse() -> impl Strategy<Value = Control> {
    use RefuseReason::{Expired, Full, HopLimit, PassedOn, RateLimited, UnknownDestination};
    let reason = select(vec![Full, PassedOn, Expired, HopLimit, UnknownDestination, RateLimited]);
    (any::<[u8; 2]>(), reason, any::<u16>()).prop_map(|(prefix, reason, retry_s)| Control::Refuse {
        prefix,
        reason,
        retry_s,
    })
}

fn prefixes() -> impl Strategy<Value = Prefixes> {
    prop::collection::vec(any::<[u8; 2]>(), 1..=ACK_MANY_MAX).prop_map(|list| {
        let mut all = Prefixes::default();
        assert!(list.into_iter().all(|prefix| all.push(prefix)));
        all
    })
}

fn total() -> impl Strategy<Value = u32> {
    ENVELOPE_MIN as u32..=ENVELOPE_MAX as u32
}

/// Any control message.
pub fn control() -> impl Strategy<Value = Control> {
    prop_oneof![
        (index(), any::<bool>(), any::<bool>()).prop_map(|(index, gateway, answer)| Control::Hello(Hello {
            index,
            gateway,
            answer
        })),
        claim().prop_map(Control::Attach),
        (any::<u32>(), any::<u16>()).prop_map(|(sequence, held)| Control::Attached { sequence, held }),
        any::<u32>().prop_map(|sequence| Control::Drained { sequence }),
        claim().prop_map(Control::Claim),
        any::<[u8; 2]>().prop_map(|prefix| Control::Ack { prefix }),
        any::<([u8; 2], [u8; 8])>().prop_map(|(prefix, token)| Control::AckDelivered { prefix, token }),
        refuse(),
        receipt(),
        notice(),
        any::<([u8; 2], u16, u16, u8)>().prop_map(|(prefix, need, next, noise)| Control::SymbolReport {
            prefix,
            need,
            next,
            noise
        }),
        any::<[u8; 2]>().prop_map(|prefix| Control::Poll { prefix }),
        (any::<[u8; 8]>(), total()).prop_map(|(id, total)| Control::Announce { id: MessageId(id), total }),
        prefixes().prop_map(Control::AckMany),
        listens().prop_map(Control::Listens),
    ]
}

/// An encoded control message.
pub fn control_body() -> impl Strategy<Value = Vec<u8>> {
    control().prop_map(|c| c.encode(&mut [0; CONTROL_MAX]).unwrap().to_vec())
}

/// A fragment's header and symbols that are allowed with it.
pub fn fragment() -> impl Strategy<Value = (FragmentHead, Vec<u8>)> {
    let what = (any::<u16>(), any::<bool>(), total(), any::<u8>());
    let offer = (0u8..16, 0u8..4);
    // Shorter symbols give the largest envelopes more of them than are allowed.
    let symbols = (17u8..=255, 0..=ESI_MAX, 1usize..6);
    (what, offer, symbols, any::<u8>()).prop_map(|(what, offer, (symbol, esi, count), fill)| {
        let count = count.min(usize::from(ESI_MAX - esi) + 1);
        let head = FragmentHead {
            prefix: what.0,
            turn: what.1,
            esi,
            hop_limit: offer.0,
            round: offer.1,
            total: what.2,
            symbol,
            lifetime: Lifetime(what.3),
        };
        (head, (0..count * usize::from(symbol)).map(|i| (i as u8).wrapping_mul(31) ^ fill).collect())
    })
}

fn fragment_body() -> impl Strategy<Value = Vec<u8>> {
    fragment().prop_map(|(head, data)| [&head.bytes()[..], &data].concat())
}

/// A frame's kind and a body of that kind.
pub fn body() -> impl Strategy<Value = (Kind, Vec<u8>)> {
    prop_oneof![
        envelope().prop_map(|b| (Kind::Envelope, b)),
        fragment_body().prop_map(|b| (Kind::Fragment, b)),
        control_body().prop_map(|b| (Kind::Control, b)),
    ]
}

/// Bytes around a frame: prefix and suffix.
pub fn around() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    (prop::collection::vec(any::<u8>(), 0..3), prop::collection::vec(any::<u8>(), 0..18))
}
