//! What must hold in silence whatever happens, and what is paid after it (spec §57).

use super::*;
use crate::io::{Air, DeliveryId, EmissionConfig, PublishId, UplinkId};
use crate::testing::TestDirectory;
use alloc::vec;
use picket_link::gate::Airtime;
use picket_link::{Config, Duplex, Emcon, Event, Framing, Gate, Link, Offer, OfferId, ParcelKind};
use picket_store::RamMedium;
use picket_wire::control::Hello;
use picket_wire::envelope::{Class, Envelope, Header};
use picket_wire::frame::{Around, Head, Kind as FrameKind};
use picket_wire::time::Duration;
use picket_wire::{Lifetime, Precedence};
use proptest::prelude::*;

const ALPHA: Index = Index(1);
const BRAVO: Index = Index(2);
const GW1: Index = Index(10);
const GW2: Index = Index(11);
const RADIO: LinkId = LinkId(0);
const BAND: LinkId = LinkId(1);
const SOCKET: LinkId = LinkId(2);
const LINKS: [(LinkId, Air); 3] = [(RADIO, Air::Open), (BAND, Air::Band(0)), (SOCKET, Air::Cable)];
/// The second one goes by a radio.
const UPLINKS: [UplinkId; 2] = [UplinkId(0), UplinkId(1)];

fn directory(me: Index) -> TestDirectory {
    TestDirectory::new(me, &[ALPHA, BRAVO], &[GW1, GW2])
}

fn link_config(air: Air) -> Config {
    let air_bps = if air == Air::Cable { None } else { Some(9_600) };
    Config { framing: Framing::Cobs, mtu: None, air_bps, duplex: Duplex::Full, turn_round: Duration::ZERO }
}

fn envelope(counter: u16, precedence: Precedence) -> Vec<u8> {
    let header = Header {
        class: Class::Pairwise,
        precedence,
        destination: BRAVO,
        source: ALPHA,
        hop_limit: 5,
        round: 0,
        flags: 0,
        lifetime: Lifetime::within(Duration::from_secs(13 * 86_400)),
        epoch_low: 0,
        session_low: 0,
        counter_low: counter,
        lane: None,
        enc: None,
    };
    let mut bytes = vec![0xA5; 60];
    header.write(&mut bytes).unwrap();
    bytes
}

fn published(counter: u16, precedence: Precedence) -> Vec<u8> {
    let (dir, body) = (directory(GW2), envelope(counter, precedence));
    let prefix = GW2.0.to_be_bytes();
    let mut out = vec![0; 2 + body.len() + 7];
    out[..2].copy_from_slice(&prefix);
    let head = Head { kind: FrameKind::Envelope, to: Index::BROADCAST, from: GW2.low() };
    let net = picket_link::Keyring::net(&dir).mac;
    let around = Around { prefix: &prefix, suffix: &[] };
    picket_link::Keyring::mask(&dir).seal(&mut out[2..], head, &[&body], &net, around).unwrap();
    out
}

/// A gateway, and another one's link machine at the far end of each of its links.
struct Rig {
    gateway: Gateway<RamMedium>,
    dir: TestDirectory,
    far: BTreeMap<LinkId, Link>,
    far_dir: TestDirectory,
    now: Instant,
    state: Emcon,
    next: u16,
    accepted: Vec<OfferId>,
    sent: BTreeMap<LinkId, usize>,
    to_broker: usize,
}

impl Rig {
    fn new(state: Emcon) -> Self {
        Self::on(RamMedium::default(), state, Instant(50_000_000))
    }

    fn on(medium: RamMedium, state: Emcon, now: Instant) -> Self {
        let bands = vec![Gate::radio().with_airtime(Airtime::new(500, 2_000))];
        let emission = EmissionConfig { emcon: state, bands, emitting_uplinks: vec![UPLINKS[1]], ..Default::default() };
        let max_delay = Duration::from_secs(14 * 86_400);
        let config = GatewayConfig { emission, max_delay, ..GatewayConfig::default() };
        let gateway = Gateway::open(config, GW1, medium, QueueLimits::default(), now, None).unwrap();
        let mut rig = Self {
            gateway,
            dir: directory(GW1),
            far: LINKS.into_iter().map(|(id, air)| (id, Link::new(link_config(air)))).collect(),
            far_dir: directory(GW2),
            now,
            state,
            next: 1,
            accepted: Vec::new(),
            sent: BTreeMap::new(),
            to_broker: 0,
        };
        for (link, air) in LINKS {
            let name = alloc::format!("link{}", link.0);
            rig.tell(Input::LinkAdded { link, name, kind: "test", config: link_config(air), air });
        }
        rig
    }

    fn tell(&mut self, input: Input<'_>) {
        self.untold(input);
        self.drain();
    }

    /// A host that is late: nothing is polled after this input.
    fn untold(&mut self, input: Input<'_>) {
        if let Input::Emcon(state) = input {
            self.state = state;
        }
        self.gateway.handle(self.now, input, &self.dir);
    }

    fn drain(&mut self) {
        while let Some(output) = self.gateway.poll() {
            self.check(&output);
            match output {
                Output::Transmit(link, bytes) => {
                    *self.sent.entry(link).or_default() += bytes.len();
                    if let Some(far) = self.far.get_mut(&link) {
                        far.receive(self.now, &bytes, &self.far_dir);
                    }
                    self.gateway.handle(self.now, Input::Sent(link), &self.dir);
                }
                Output::Sync(ticket) => self.gateway.handle(self.now, Input::Synced(ticket), &self.dir),
                Output::RecordAirtime(_) => {
                    self.gateway.handle(self.now, Input::AirtimeRecorded(true), &self.dir);
                }
                Output::Publish { .. } | Output::Subscribe(..) => self.to_broker += 1,
                Output::Unsubscribe(..)
                | Output::Settle(..)
                | Output::Recall(_)
                | Output::Object(_)
                | Output::Report(_) => {}
            }
        }
        for far in self.far.values_mut() {
            while let Some(event) = far.poll_event() {
                if let Event::Accepted { offer, .. } = event {
                    self.accepted.push(offer);
                }
            }
        }
    }

    /// E-57.2-1, E-57.3-1: the property itself.
    fn check(&self, output: &Output) {
        let forbidden = match output {
            Output::Transmit(link, _) => {
                let emits = LINKS.iter().any(|(id, air)| id == link && *air != Air::Cable);
                emits && self.state.forbids_all()
            }
            Output::Publish { uplink, .. }
            | Output::Subscribe(uplink, _)
            | Output::Unsubscribe(uplink, _)
            | Output::Settle(uplink, _) => {
                self.state == Emcon::Silent || self.state == Emcon::ReceiveOnly && *uplink == UPLINKS[1]
            }
            Output::Recall(_) | Output::RecordAirtime(_) | Output::Sync(_) | Output::Object(_) | Output::Report(_) => {
                false
            }
        };
        assert!(!forbidden, "{:?}: {output:?}", self.state);
    }

    fn offer(&mut self, link: LinkId, precedence: Precedence) -> OfferId {
        let bytes = envelope(self.next, precedence);
        let identity = Envelope::parse(&bytes).unwrap().identity();
        let id = OfferId(u64::from(self.next));
        self.next += 1;
        let offer = Offer { id, to: GW1, kind: ParcelKind::Envelope, precedence, identity, bytes };
        if let Some(far) = self.far.get_mut(&link) {
            let _full = far.offer(self.now, offer);
        }
        id
    }

    /// What the far ends say now reaches the gateway.
    fn hear(&mut self) {
        for (link, _) in LINKS {
            while let Some(bytes) =
                self.far.get_mut(&link).and_then(|far| far.poll_transmit(self.now, &self.far_dir, &mut Gate::radio()))
            {
                self.tell(Input::Received(link, &bytes));
            }
        }
    }

    fn later(&mut self, span: Duration) {
        self.now += span;
        self.hear();
        self.tell(Input::Tick);
    }

    fn up(&mut self) {
        for (link, _) in LINKS {
            self.far.get_mut(&link).unwrap().up(self.now);
            self.tell(Input::LinkUp(link));
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Later(u64),
    Bytes(u32, Vec<u8>),
    Offer(u32, usize),
    Hello(u32),
    Up(u32),
    Down(u32),
    UplinkUp(u16),
    UplinkDown(u16),
    Arrive(u16, usize),
    Published(u16, u64, bool),
    SyncFailed,
    Roster,
    Drain,
    Sent(u32),
    Recorded(bool),
    Emcon(usize),
    /// The state changes before the host has taken up what was asked for.
    LateEmcon(u32, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let link = || 0u32..3;
    let uplink = || 0u16..2;
    prop_oneof![
        6 => (1u64..20_000).prop_map(Step::Later),
        2 => (link(), prop::collection::vec(any::<u8>(), 0..80)).prop_map(|(l, b)| Step::Bytes(l, b)),
        6 => (link(), 0usize..6).prop_map(|(l, p)| Step::Offer(l, p)),
        2 => link().prop_map(Step::Hello),
        3 => link().prop_map(Step::Up),
        1 => link().prop_map(Step::Down),
        3 => uplink().prop_map(Step::UplinkUp),
        1 => uplink().prop_map(Step::UplinkDown),
        3 => (uplink(), 0usize..6).prop_map(|(u, p)| Step::Arrive(u, p)),
        1 => (uplink(), 0u64..40, any::<bool>()).prop_map(|(u, p, m)| Step::Published(u, p, m)),
        1 => Just(Step::SyncFailed),
        1 => Just(Step::Roster),
        1 => Just(Step::Drain),
        1 => link().prop_map(Step::Sent),
        1 => any::<bool>().prop_map(Step::Recorded),
        3 => (0usize..4).prop_map(Step::Emcon),
        2 => (link(), 0usize..4).prop_map(|(l, e)| Step::LateEmcon(l, e)),
    ]
}

impl Rig {
    fn run(&mut self, step: Step) {
        match step {
            Step::Later(ms) => self.later(Duration::from_millis(ms)),
            Step::Bytes(link, bytes) => self.tell(Input::Received(LinkId(link), &bytes)),
            Step::Offer(link, p) => {
                self.offer(LinkId(link), Precedence::ALL[p]);
                self.hear();
            }
            Step::Hello(link) => {
                let hello = Control::Hello(Hello { index: GW2, gateway: true, answer: true });
                let far = self.far.get_mut(&LinkId(link)).unwrap();
                let _full = far.send(self.now, None, hello);
                self.hear();
            }
            Step::Up(link) => {
                self.far.get_mut(&LinkId(link)).unwrap().up(self.now);
                self.tell(Input::LinkUp(LinkId(link)));
            }
            Step::Down(link) => self.tell(Input::LinkDown(LinkId(link), "test".into())),
            Step::UplinkUp(uplink) => self.tell(Input::UplinkUp(UplinkId(uplink))),
            Step::UplinkDown(uplink) => self.tell(Input::UplinkDown(UplinkId(uplink), "test".into())),
            Step::Arrive(uplink, p) => {
                let payload = published(self.next, Precedence::ALL[p]);
                self.next += 1;
                let delivery = DeliveryId(u64::from(self.next));
                self.tell(Input::Arrived { uplink: UplinkId(uplink), delivery, payload: &payload });
            }
            Step::Published(uplink, publish, matched) => {
                self.tell(Input::Published { uplink: UplinkId(uplink), publish: PublishId(publish), matched });
            }
            Step::SyncFailed => self.tell(Input::SyncFailed),
            Step::Roster => self.tell(Input::RosterChanged),
            Step::Drain => self.tell(Input::Drain),
            Step::Sent(link) => self.tell(Input::Sent(LinkId(link))),
            Step::Recorded(durable) => self.tell(Input::AirtimeRecorded(durable)),
            Step::Emcon(state) => self.tell(Input::Emcon(Emcon::ALL[state])),
            Step::LateEmcon(link, state) => {
                self.untold(Input::LinkUp(LinkId(link)));
                self.tell(Input::Emcon(Emcon::ALL[state]));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// E-57.2-1, E-57.3-1: whatever arrives in whatever order, nothing leaves that the state in force forbids.
    #[test]
    fn nothing_leaves_in_silence_whatever_arrives(start in 0usize..4, steps in prop::collection::vec(step(), 1..120)) {
        let mut rig = Rig::new(Emcon::ALL[start]);
        for step in steps {
            rig.run(step);
        }
    }

    /// The same where nobody ever releases it: not a byte on any link that emits, not a word to a broker.
    #[test]
    fn a_gateway_that_starts_silent_never_emits(steps in prop::collection::vec(step(), 1..200)) {
        let mut rig = Rig::new(Emcon::Silent);
        for step in steps {
            if !matches!(step, Step::Emcon(_) | Step::LateEmcon(..)) {
                rig.run(step);
            }
        }
        prop_assert!(!rig.sent.contains_key(&RADIO) && !rig.sent.contains_key(&BAND));
        prop_assert_eq!(rig.to_broker, 0);
    }
}

#[test]
fn the_rig_of_these_properties_does_emit_when_it_may() {
    let mut rig = Rig::new(Emcon::Free);
    rig.up();
    rig.tell(Input::UplinkUp(UPLINKS[0]));
    rig.offer(RADIO, Precedence::Routine);
    rig.later(Duration::from_secs(1));
    rig.later(Duration::from_secs(1));
    assert!(rig.sent.len() == 3 && rig.to_broker > 0 && rig.accepted.len() == 1, "{:?}", rig.sent);
}

/// E-57.5-1, E-57.5-2: a week of silence with a restart in it; then all answers, most urgent first.
#[test]
fn after_a_week_of_silence_everything_owed_is_paid_most_urgent_first() {
    let mut rig = Rig::new(Emcon::Silent);
    rig.up();
    // More than are given to a link at once.
    let order = [2usize, 5, 1, 4, 5, 3, 1, 4, 2, 5, 3, 3, 4, 2, 1, 5, 4, 0, 0, 1];
    let offered: Vec<(OfferId, Precedence)> =
        order.iter().map(|p| (rig.offer(RADIO, Precedence::ALL[*p]), Precedence::ALL[*p])).collect();
    // Their sender hears nothing: the most urgent come at once, the others when it sends everything blindly.
    for _ in 0..1_200 {
        rig.later(Duration::from_millis(100));
    }
    assert_eq!(rig.gateway.silence(rig.now).owed, order.len());
    let end = rig.now + Duration::from_secs(7 * 86_400);
    let mut restarted = false;
    while rig.now < end {
        let far = rig.far[&RADIO].next_wake().unwrap_or(end);
        let own = rig.gateway.next_wake().unwrap_or(end);
        let next = far.min(own).max(rig.now + Duration::from_secs(60));
        rig.later(next.since(rig.now));
        assert!(rig.gateway.next_wake().is_none_or(|at| at > rig.now), "it sleeps");
        if !restarted && rig.now.since(Instant::ZERO) > Duration::from_secs(3 * 86_400) {
            restarted = true;
            let (now, next) = (rig.now, rig.next);
            let fresh = Rig::new(Emcon::Silent);
            let old = core::mem::replace(&mut rig, fresh);
            let far = old.far;
            rig = Rig::on(old.gateway.close(now).unwrap(), Emcon::Silent, now);
            (rig.far, rig.next) = (far, next);
            for (link, _) in LINKS {
                rig.tell(Input::LinkUp(link));
            }
        }
    }
    assert!(restarted && !rig.sent.contains_key(&RADIO));
    assert_eq!(rig.gateway.silence(rig.now).owed, order.len());
    rig.tell(Input::Emcon(Emcon::Free));
    for _ in 0..50 {
        rig.now += Duration::from_millis(200);
        rig.tell(Input::Tick);
    }
    let paid: Vec<Precedence> =
        rig.accepted.iter().map(|id| offered.iter().find(|(o, _)| o == id).unwrap().1).collect();
    let mut sorted: Vec<Precedence> = order.iter().map(|p| Precedence::ALL[*p]).collect();
    sorted.sort_by_key(|p| core::cmp::Reverse(*p));
    assert_eq!(paid, sorted);
    assert_eq!(rig.gateway.silence(rig.now).owed, 0);
}

#[test]
fn in_receive_only_traffic_goes_by_the_cable_and_the_uplink_that_does_not_emit() {
    let mut rig = Rig::new(Emcon::ReceiveOnly);
    rig.up();
    for uplink in UPLINKS {
        rig.tell(Input::UplinkUp(uplink));
    }
    let before = rig.to_broker;
    rig.offer(RADIO, Precedence::Routine);
    rig.later(Duration::from_secs(1));
    assert!(rig.to_broker > before, "relayed at the broker");
    assert_eq!(rig.gateway.uplink_down_reason(UPLINKS[1]), Some("not connected yet"));
    assert!(rig.sent.contains_key(&SOCKET) && !rig.sent.contains_key(&RADIO));
}

/// E-57.4-1
#[test]
fn silence_is_reported_only_when_what_was_handed_over_has_left_the_air() {
    let mut rig = Rig::new(Emcon::Free);
    rig.up();
    rig.far.get_mut(&RADIO).unwrap().hush();
    let hello = Control::Hello(Hello { index: GW2, gateway: true, answer: true });
    let _full = rig.far.get_mut(&RADIO).unwrap().send(rig.now, None, hello);
    rig.hear();
    rig.tell(Input::Emcon(Emcon::Silent));
    let stopping = rig.gateway.silence(rig.now).stopping;
    assert!(stopping > Duration::ZERO && stopping < Duration::from_secs(1), "{stopping:?}");
    rig.later(stopping);
    assert_eq!(rig.gateway.silence(rig.now).stopping, Duration::ZERO);
}

#[test]
fn a_band_without_a_record_of_its_airtime_sends_nothing_and_says_why() {
    let mut rig = Rig::new(Emcon::Free);
    rig.untold(Input::LinkUp(BAND));
    let outputs: Vec<Output> = core::iter::from_fn(|| rig.gateway.poll()).collect();
    assert!(outputs.iter().any(|o| matches!(o, Output::RecordAirtime(_))), "{outputs:?}");
    rig.untold(Input::AirtimeRecorded(false));
    rig.untold(Input::Tick);
    assert!(core::iter::from_fn(|| rig.gateway.poll()).all(|o| matches!(o, Output::Report(_))));
    assert!(rig.gateway.all_counters()["gate_held_not_recorded"] > 0);
    assert_eq!(rig.gateway.counters().get(Count::AirtimeNotRecorded), 1);
    assert!(rig.gateway.next_wake().unwrap() <= rig.now + crate::limits::STORE_RETRY);
    rig.now += crate::limits::STORE_RETRY;
    rig.tell(Input::Tick);
    assert!(rig.sent.contains_key(&BAND), "tried again, and then it goes");
}

/// E-57.1-1: relayed by radio is what is urgent; what is not waits, is offered nowhere, and says why.
#[test]
fn under_minimize_only_urgent_parcels_are_relayed_by_radio_and_the_queue_says_why_others_wait() {
    let mut rig = Rig::new(Emcon::Free);
    rig.up();
    rig.run(Step::Hello(RADIO.0));
    rig.later(Duration::from_secs(1));
    rig.tell(Input::Emcon(Emcon::Minimize));
    let before = rig.sent[&RADIO];
    // Taken from the cable; the way on is the neighbour by radio.
    rig.far.get_mut(&BAND).unwrap().down(rig.now);
    rig.tell(Input::LinkDown(BAND, "test".into()));
    let claim = TestDirectory::claim(BRAVO, GW2, 1);
    rig.gateway.relay.follow(rig.now, claim);
    for uplink in UPLINKS {
        rig.tell(Input::UplinkUp(uplink));
        let payload = published(rig.next, [Precedence::Routine, Precedence::Immediate][usize::from(uplink.0)]);
        rig.next += 1;
        rig.tell(Input::Arrived { uplink, delivery: DeliveryId(u64::from(uplink.0)), payload: &payload });
        rig.tell(Input::UplinkDown(uplink, "test".into()));
    }
    rig.tell(Input::LinkDown(SOCKET, "test".into()));
    let name = |i: Index| alloc::format!("#{}", i.0);
    let queue = rig.gateway.queue(rig.now, &name);
    let state = |p: &str| queue.iter().find(|q| q.precedence == p).unwrap().clone();
    assert_eq!(state("immediate").state, "offered", "{queue:?}");
    assert_eq!(state("routine").state, "held", "{queue:?}");
    assert!(state("routine").why.contains("emission control"), "{queue:?}");
    for _ in 0..20 {
        rig.now += Duration::from_millis(100);
        rig.tell(Input::Tick);
    }
    assert!(rig.sent[&RADIO] > before, "and the urgent one is on air");
}

/// A host that has not taken up what was asked for when silence comes: no link is left waiting for ever.
#[test]
fn transmissions_stopped_on_their_way_leave_no_link_stuck() {
    let mut rig = Rig::new(Emcon::Free);
    for (link, _) in LINKS {
        rig.far.get_mut(&link).unwrap().up(rig.now);
        rig.untold(Input::LinkUp(link));
    }
    rig.tell(Input::Emcon(Emcon::Silent));
    assert!(rig.sent.contains_key(&SOCKET) && !rig.sent.contains_key(&RADIO));
    rig.tell(Input::Emcon(Emcon::Free));
    rig.later(Duration::from_secs(1));
    assert!(rig.sent.contains_key(&RADIO), "greeted after release");
    assert!(rig.gateway.counters().get(Count::OutputsStopped) > 0);
}
