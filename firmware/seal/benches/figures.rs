//! What sealing costs: microseconds a message, an epoch change, bytes. `cargo bench -p picket-seal --bench figures`.
//!
//! Measured, not asserted. Each figure is the median of several rounds, so that a busy machine shows less.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]

use picket_roster::device::DeviceRequest;
use picket_roster::limits::REQUEST_MAX;
use picket_roster::{AuthorityKey, DeviceSecrets, Keyfill, Kind, Padding, Psk, Roster, RosterDraft};
use picket_seal::epoch::Before;
use picket_seal::{
    Body, Change, Content, Far, Local, Peer, Prekey, ReceiveSession, Route, SendSession, Slot, activate,
};
use picket_wire::envelope::{Class, Envelope};
use picket_wire::{Index, Lifetime, Precedence};
use std::time::{Duration, Instant};

const START: u64 = 1_798_761_600;
const PEERS: usize = 64;
const EPOCHS: u16 = 3;
const TEXT: &str = "twenty bytes of text";
const ROUNDS: usize = 31;

fn main() {
    let mission = Mission::new();
    println!("| figure | target | measured |");
    println!("|---|---:|---:|");
    let (seal, open, bytes) = messages(&mission);
    println!("| seal a text of 20 B | ≤ 3 µs | {:.2} µs |", micros(seal));
    println!("| open it | ≤ 2 µs | {:.2} µs |", micros(open));
    println!(
        "| its envelope, pre-placed: lane 0 / with a slot / in-band | 47 / 48 / 80 B | {} / {} / {} B |",
        bytes[0], bytes[1], bytes[2]
    );
    let (epoch, sessions) = epoch_change(&mission);
    println!("| epoch change for {PEERS} peers, {sessions} sessions | ≤ 0.15 s | {:.3} s |", epoch.as_secs_f64());
    println!("| one in-band session, sender's side | | {:.0} µs |", micros(in_band(&mission)));
}

fn micros(d: Duration) -> f64 {
    d.as_secs_f64() * 1e6
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}

/// One member with many peers.
struct Mission {
    roster: Roster<Vec<u8>>,
    secrets: Vec<DeviceSecrets>,
    fills: Vec<Vec<u8>>,
}

impl Mission {
    fn new() -> Self {
        let authority = AuthorityKey::generate(&[1; 32]).unwrap();
        let mut draft = RosterDraft::new("bench", START).unwrap();
        let mut secrets = Vec::new();
        for n in 0..=PEERS {
            let mut seed = [0x55; 32];
            seed[0] = u8::try_from(n).unwrap();
            let own = DeviceSecrets::generate(&seed, EPOCHS).unwrap();
            let mut request = vec![0; REQUEST_MAX];
            let request = own.request(&format!("m{n}"), Kind::Member, &mut request).unwrap();
            draft.enrol(&DeviceRequest::verify(request).unwrap(), 0).unwrap();
            secrets.push(own);
        }
        let bytes = draft.sign(&authority, START).unwrap();
        let roster = Roster::verify(bytes, &authority.public().unwrap()).unwrap();
        // The two that write to each other; the last one, as whoever joined last has every key in its keyfill.
        let fill = |n: usize| {
            let index = Index(u16::try_from(n + 1).unwrap());
            authority.keyfill(&roster, index, 0, Some(&secrets[n])).unwrap().to_vec()
        };
        let fills = vec![fill(0), fill(PEERS)];
        Self { roster, secrets, fills }
    }

    /// Who seals: the member that joined last.
    fn local(&self) -> Local<'_> {
        let index = Index(u16::try_from(PEERS + 1).unwrap());
        Local { mission: self.roster.mission(), index, agreement: self.secrets[PEERS].agreement() }
    }

    fn psks(&self) -> Vec<(Index, Psk)> {
        let fill = Keyfill::open(&self.fills[1]).unwrap();
        let mine = self.local().index;
        let peers = fill.roster().stations().filter(|s| s.index != mine);
        peers.map(|s| (s.index, fill.psk(&s).unwrap())).collect()
    }
}

fn route() -> Route {
    let lifetime = Lifetime::floor(86_400);
    Route { class: Class::Pairwise, precedence: Precedence::Routine, hop_limit: 5, lifetime }
}

fn content() -> Content<'static> {
    Content::new(Lifetime::floor(86_400), Some(60), Body::Text(TEXT))
}

/// Time to seal and to open one, and bytes in lane 0, with a slot, and in-band.
fn messages(mission: &Mission) -> (Duration, Duration, [usize; 3]) {
    let (mut send, mut receive) = pair(mission);
    let per = 1_000;
    let (mut seals, mut opens) = (Vec::new(), Vec::new());
    let mut length = 0;
    for _ in 0..ROUNDS {
        let mut sealed = Vec::with_capacity(per);
        let mut out = [0; 256];
        let begun = Instant::now();
        for _ in 0..per {
            if send.reserved_left() == 0 {
                send = send.reserve().persisted();
            }
            let envelope = send.seal(&route(), &content(), Padding::Off, &mut out).unwrap().envelope;
            sealed.push((envelope.len(), <[u8; 64]>::try_from(&[envelope, &[0; 64]].concat()[..64]).unwrap()));
        }
        seals.push(begun.elapsed() / u32::try_from(per).unwrap());
        let begun = Instant::now();
        for (len, bytes) in &sealed {
            receive.open(&Envelope::parse(&bytes[..*len]).unwrap(), Far::Refuse, &mut out).unwrap();
        }
        opens.push(begun.elapsed() / u32::try_from(per).unwrap());
        length = sealed[0].0;
    }
    let (mut fresh, _) = pair(mission);
    let mut out = [0; 256];
    let mut slot = fresh.enter(Slot::from_byte(7).unwrap()).unwrap().reserve().persisted();
    let with_slot = slot.seal(&route(), &content(), Padding::Off, &mut out).unwrap().envelope.len();
    let mut in_band = begin_in_band(mission).reserve().persisted();
    let in_band = in_band.seal(&route(), &content(), Padding::Off, &mut out).unwrap().envelope.len();
    (median(seals), median(opens), [length, with_slot, in_band])
}

fn pair(mission: &Mission) -> (SendSession, ReceiveSession) {
    let (peer, psk) = (Index(1), mission.psks()[0].1.at(0).unwrap());
    let theirs = mission.roster.epoch_keys(peer, 0).unwrap();
    let station = mission.roster.station(peer).unwrap();
    let local = mission.local();
    let to = Peer { index: peer, agreement: station.agreement };
    let seed_e = mission.secrets[PEERS].seeds(0).unwrap().e().unwrap();
    let send = SendSession::pre_placed(&local, &to, 0, seed_e, &theirs.r, &psk).unwrap();
    let far = Local { index: peer, agreement: mission.secrets[0].agreement(), ..local };
    let me = mission.roster.station(local.index).unwrap();
    let from = Peer { index: local.index, agreement: me.agreement };
    let seed_r = mission.secrets[0].seeds(0).unwrap().r().unwrap();
    let e = mission.roster.epoch_keys(local.index, 0).unwrap().e;
    (send, ReceiveSession::pre_placed(&far, &from, 0, seed_r, &e, &psk).unwrap())
}

fn begin_in_band(mission: &Mission) -> SendSession {
    let (peer, psk) = (Index(1), mission.psks()[0].1.at(0).unwrap());
    let prekey = Prekey::of_epoch(0, mission.roster.epoch_keys(peer, 0).unwrap().p);
    let to = Peer { index: peer, agreement: mission.roster.station(peer).unwrap().agreement };
    SendSession::in_band(&mission.local(), &to, 0, 1, &[7; 32], &prekey, &psk).unwrap()
}

fn in_band(mission: &Mission) -> Duration {
    let _warm = begin_in_band(mission);
    let (peer, psk) = (Index(1), mission.psks()[0].1.at(0).unwrap());
    let prekey = Prekey::of_epoch(0, mission.roster.epoch_keys(peer, 0).unwrap().p);
    let to = Peer { index: peer, agreement: mission.roster.station(peer).unwrap().agreement };
    let one = |n: usize| {
        let begun = Instant::now();
        let randomness = [u8::try_from(n).unwrap(); 32];
        SendSession::in_band(&mission.local(), &to, 0, 1, &randomness, &prekey, &psk).unwrap();
        begun.elapsed()
    };
    median((0..ROUNDS).map(one).collect())
}

/// Activation of epoch 1 after epoch 0: all sessions both ways.
fn epoch_change(mission: &Mission) -> (Duration, u32) {
    let fill = Keyfill::open(&mission.fills[1]).unwrap();
    let pairing = fill.pairing().unwrap();
    let psks = mission.psks();
    let before = Before {
        local: mission.local(),
        roster: &mission.roster,
        secrets: &mission.secrets[PEERS],
        pairing,
        activated: Some(0),
    };
    let mut sessions = 0;
    let mut all = Vec::new();
    for _ in 0..5 {
        let begun = Instant::now();
        let mut changes: Vec<Change> = Vec::new();
        let done = activate(
            &before,
            1,
            psks.iter().map(|(i, p)| (*i, p)),
            |_, _| false,
            |change| {
                changes.push(change);
                Ok::<(), ()>(())
            },
        )
        .unwrap();
        all.push(begun.elapsed());
        assert_eq!(done.refused, 0);
        sessions = done.send + done.receive;
    }
    (median(all), sessions)
}
