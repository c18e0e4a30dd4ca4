//! What others say about our messages: believed as far as it is proven. A hand-made gateway speaks over a link of its own.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{PIPE, World, mission::GatewayDirectory};
use picket_endpoint::{Input, LinkConfig, Output, RefusedBecause, State, Why};
use picket_node::leaf::Keyring;
use picket_node::testing::link::{Event, Link, Offer, OfferId, ParcelKind};
use picket_wire::control::{Control, Hello, Notice, NoticeReason, Receipt, ReceiptKind, RefuseReason};
use picket_wire::keys::notice_mac;
use picket_wire::time::Duration;
use picket_wire::{MessageId, Precedence};

/// A gateway that does what the test wants.
struct Puppet {
    link: Link,
    directory: GatewayDirectory,
    refuse: Option<(RefuseReason, Duration)>,
    offers: u64,
    taken: Vec<MessageId>,
}

impl Puppet {
    fn new(world: &World, config: LinkConfig) -> Self {
        let directory = world.mission.directory(3);
        Self { link: Link::new(config), directory, refuse: None, offers: 0, taken: vec![] }
    }

    /// Carries bytes both ways until both are quiet.
    fn run(&mut self, world: &mut World) {
        for _ in 0..40 {
            world.now += Duration::from_millis(50);
            let now = world.now;
            let mut back = Vec::new();
            world_input(world, Input::Tick, &mut back);
            world_input(world, Input::Sent, &mut back);
            for bytes in back {
                self.link.receive(now, &bytes, &self.directory);
            }
            while let Some(event) = self.link.poll_event() {
                self.on(now, event);
            }
            while let Some(bytes) = self.link.poll_transmit(now, &self.directory, &mut picket_node::gate::Gate::radio())
            {
                let mut back = Vec::new();
                world_input(world, Input::Received(&bytes), &mut back);
                for bytes in back {
                    self.link.receive(now, &bytes, &self.directory);
                }
            }
        }
    }

    fn on(&mut self, now: picket_wire::time::Instant, event: Event) {
        match event {
            Event::Control { message: Control::Hello(_), .. } => {
                let hello = Hello { index: self.directory.me, gateway: true, answer: false };
                self.link.send(now, None, Control::Hello(hello)).unwrap();
            }
            Event::Control { from: Some(member), message: Control::Attach(claim) } => {
                let attached = Control::Attached { sequence: claim.sequence, held: 0 };
                self.link.send(now, Some(member), attached).unwrap();
            }
            Event::Arrived(arrival) => match self.refuse {
                Some((reason, retry)) => self.link.refuse(now, arrival.owed(), reason, retry),
                None => {
                    self.taken.push(arrival.identity.id());
                    self.link.acknowledge(now, arrival.owed(), None, Duration::ZERO);
                }
            },
            _ => {}
        }
    }

    fn tell(&mut self, world: &mut World, control: Control) {
        self.offers += 1;
        let mut buffer = [0; picket_wire::limits::CONTROL_MAX];
        let offer = Offer {
            id: OfferId(self.offers),
            to: world.mission.indices[0],
            kind: ParcelKind::Control,
            precedence: Precedence::Priority,
            identity: control.parcel_identity().unwrap(),
            bytes: control.encode(&mut buffer).unwrap().to_vec(),
        };
        self.link.offer(world.now, offer).unwrap();
        self.run(world);
    }
}

fn world_input(world: &mut World, input: Input<'_>, out: &mut Vec<Vec<u8>>) {
    let (now, rng) = (world.now, &mut world.rng);
    let member = &mut world.members[0];
    let endpoint = member.endpoint.as_mut().unwrap();
    endpoint.handle(now, input, &mut |bytes: &mut [u8]| rng.fill(bytes));
    while let Some(output) = endpoint.poll(now) {
        match output {
            Output::Transmit(bytes) => {
                out.push(bytes);
                endpoint.handle(now, Input::Sent, &mut |bytes: &mut [u8]| rng.fill(bytes));
            }
            Output::Event(event) => member.events.push(event),
        }
    }
}

fn attached(seed: u64) -> (World, Puppet) {
    attached_over(seed, PIPE)
}

fn attached_over(seed: u64, config: LinkConfig) -> (World, Puppet) {
    let mut world = World::new(seed);
    let mut puppet = Puppet::new(&world, config.clone());
    let now = world.now;
    puppet.link.up(now);
    let mut nothing = Vec::new();
    world_input(&mut world, Input::Via(config), &mut nothing);
    world_input(&mut world, Input::LinkUp, &mut nothing);
    for bytes in nothing {
        puppet.link.receive(now, &bytes, &puppet.directory);
    }
    puppet.run(&mut world);
    assert!(world.endpoint(0).attached().is_some());
    (world, puppet)
}

fn compose(world: &mut World) -> MessageId {
    compose_as(world, Precedence::Routine, 1)
}

fn compose_as(world: &mut World, precedence: Precedence, bytes: usize) -> MessageId {
    let draft = picket_endpoint::Draft {
        to: "bravo".into(),
        precedence,
        ttl: None,
        burn: None,
        content: picket_endpoint::Content::Text("x".repeat(bytes)),
    };
    let (now, rng) = (world.now, &mut world.rng);
    let endpoint = world.members[0].endpoint.as_mut().unwrap();
    endpoint.compose(now, draft, &mut |bytes: &mut [u8]| rng.fill(bytes)).unwrap()
}

#[test]
fn a_receipt_with_a_wrong_token_changes_nothing_and_is_counted() {
    let (mut world, mut puppet) = attached(50);
    let id = compose(&mut world);
    puppet.run(&mut world);
    assert_eq!(puppet.taken, [id]);
    assert_eq!(world.state(0, id), State::Custody);
    for (kind, n) in [(ReceiptKind::Delivered, 1), (ReceiptKind::Read, 2)] {
        let to = world.mission.indices[0];
        puppet.tell(&mut world, Control::Receipt(Receipt { to, hops: 3, id, kind, token: [7; 8] }));
        assert_eq!(world.state(0, id), State::Custody);
        assert_eq!(world.endpoint(0).counters().receipts_forged, n);
    }
}

#[test]
fn a_notice_is_believed_once_custody_was_given_and_says_whether_it_is_verified() {
    for verified in [true, false] {
        let (mut world, mut puppet) = attached(51);
        let (to, gateway) = (world.mission.indices[0], puppet.directory.me);
        let key = puppet.directory.link_key(to).unwrap();
        let notice = |id: MessageId, reason: NoticeReason| {
            let mut mac = notice_mac(&key, id, reason);
            mac[0] ^= u8::from(!verified);
            Control::Notice(Notice { to, hops: 3, id, reason, gateway, mac })
        };
        puppet.refuse = Some((RefuseReason::Full, Duration::from_secs(3600)));
        let waiting = compose(&mut world);
        puppet.run(&mut world);
        puppet.refuse = None;
        let given = compose(&mut world);
        puppet.run(&mut world);
        puppet.tell(&mut world, notice(given, NoticeReason::HopLimit));
        let because = RefusedBecause::Notice { reason: NoticeReason::HopLimit, gateway, verified };
        assert_eq!(world.state(0, given), State::Refused(because));
        if !verified {
            puppet.tell(&mut world, notice(waiting, NoticeReason::Damaged));
            assert_eq!(world.state(0, waiting), State::Queued, "nobody has it yet");
        }
    }
}

#[test]
fn a_full_gateway_is_named_as_the_reason_and_tried_again() {
    let (mut world, mut puppet) = attached(52);
    puppet.refuse = Some((RefuseReason::Full, Duration::from_secs(30)));
    let id = compose(&mut world);
    puppet.run(&mut world);
    let now = world.now;
    let why = world.endpoint(0).outgoing(now, id).unwrap().why.to_string();
    assert!(why.starts_with("offered to gw1, no custody yet: gateway full, retry in"), "{why}");
    puppet.refuse = None;
    world.now += Duration::from_secs(31);
    puppet.run(&mut world);
    assert_eq!(world.state(0, id), State::Custody);
}

#[test]
fn a_final_refusal_ends_the_message_with_its_reason() {
    let (mut world, mut puppet) = attached(53);
    puppet.refuse = Some((RefuseReason::UnknownDestination, Duration::ZERO));
    let id = compose(&mut world);
    puppet.run(&mut world);
    let because = RefusedBecause::Gateway(RefuseReason::UnknownDestination);
    assert_eq!(world.state(0, id), State::Refused(because));
}

#[test]
fn a_flash_is_offered_although_routine_ones_fill_the_window() {
    let slow = LinkConfig { air_bps: Some(9_600), ..PIPE };
    let (mut world, _puppet) = attached_over(54, slow);
    let routine: Vec<MessageId> = (0..8).map(|_| compose_as(&mut world, Precedence::Routine, 3_000)).collect();
    let flash = compose_as(&mut world, Precedence::Flash, 20);
    let now = world.now;
    let mut why = |id| world.endpoint(0).outgoing(now, id).unwrap().why;
    assert!(matches!(why(routine[7]), Why::Behind { .. }), "the window is full");
    assert!(matches!(why(flash), Why::Offered { .. }), "{}", why(flash));
}
