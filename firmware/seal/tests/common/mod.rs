//! A mission of two members, and devices that store their sessions as an endpoint does, with a disk apart from memory.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use picket_roster::device::DeviceRequest;
use picket_roster::limits::REQUEST_MAX;
use picket_roster::{AuthorityKey, DeviceSecrets, Keyfill, Kind, PairingSecret, Psk, Roster, RosterDraft};
use picket_seal::epoch::{Before, early};
use picket_seal::limits::{RECEIVE_STATE_MAX, SEND_STATE_MAX};
use picket_seal::{
    Body, Change, Content, Far, Local, OpenError, Opened, Peer, Prekey, ReceiveSession, Route, Sealed, SendSession,
    activate, expand_epoch, prekey,
};
use picket_wire::envelope::{Class, Envelope};
use picket_wire::{Identity, Index, Lifetime, Precedence};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// Epochs each member has keys for.
pub const EPOCHS: u16 = 12;

/// Roster and the members' keyfills, made once from fixed randomness.
pub struct Mission {
    pub roster: Vec<u8>,
    pub keyfills: Vec<Vec<u8>>,
    pub authority: AuthorityKey,
}

pub fn mission() -> &'static Mission {
    static MISSION: OnceLock<Mission> = OnceLock::new();
    MISSION.get_or_init(|| {
        let authority = AuthorityKey::generate(&[1; 32]).unwrap();
        let mut draft = RosterDraft::new("exercise", 1_798_761_600).unwrap();
        let mut all = Vec::new();
        for (seed, name) in [(0x0A, "alpha"), (0x0B, "bravo")] {
            let secrets = DeviceSecrets::generate(&[seed; 32], EPOCHS).unwrap();
            let mut request = vec![0; REQUEST_MAX];
            let request = secrets.request(name, Kind::Member, &mut request).unwrap();
            let index = draft.enrol(&DeviceRequest::verify(request).unwrap(), 0).unwrap();
            all.push((index, secrets));
        }
        let roster = draft.sign(&authority, 1_798_761_600).unwrap();
        let view = Roster::verify(roster.as_slice(), &authority.public().unwrap()).unwrap();
        let keyfills = all.iter().map(|(i, s)| authority.keyfill(&view, *i, 0, Some(s)).unwrap().to_vec()).collect();
        Mission { roster, keyfills, authority }
    })
}

pub fn roster() -> Roster<&'static [u8]> {
    let m = mission();
    Roster::verify(m.roster.as_slice(), &m.authority.public().unwrap()).unwrap()
}

pub fn route() -> Route {
    Route { class: Class::Pairwise, precedence: Precedence::Routine, hop_limit: 5, lifetime: Lifetime::floor(86_400) }
}

pub fn text(s: &str) -> Content<'_> {
    Content::new(Lifetime::floor(86_400), Some(60), Body::Text(s))
}

/// What survives a reboot.
#[derive(Clone)]
pub struct Disk {
    pub secrets: DeviceSecrets,
    pub pairing: PairingSecret,
    pub psks: BTreeMap<Index, Psk>,
    pub activated: Option<u32>,
    pub send: BTreeMap<(Index, u32, u16), Vec<u8>>,
    /// By source, epoch, session id and `enc`; kept until the epoch is over, or a replay would begin one again.
    pub receive: BTreeMap<(Index, u32, u16, Vec<u8>), Vec<u8>>,
    /// The same keys, oldest first.
    pub order: Vec<(Index, u32, u16, Vec<u8>)>,
    pub sid: BTreeMap<(Index, u32), u16>,
    pub inbox: Vec<(Identity, String)>,
}

/// When a device stores a send session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storing {
    /// In the transaction of every message, before it leaves.
    Every,
    /// At reservations only.
    Reservations,
}

pub struct Device {
    pub index: Index,
    pub storing: Storing,
    pub disk: Disk,
    memory: BTreeMap<(Index, u32, u16), SendSession>,
    pub reboots: u32,
    entropy: u8,
    /// Every (session key, counter) that left this device.
    pub used: BTreeSet<(Index, u32, u16, Vec<u8>, u32)>,
}

/// Why a device did not take an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Not {
    Session,
    Open(OpenError),
    Crashed,
}

impl Device {
    pub fn new(n: usize, storing: Storing) -> Self {
        let file = &mission().keyfills[n];
        let keyfill = Keyfill::open(file).unwrap();
        let psks = keyfill
            .roster()
            .stations()
            .filter(|s| s.index != keyfill.own())
            .map(|s| (s.index, keyfill.psk(&s).unwrap()))
            .collect();
        let disk = Disk {
            secrets: keyfill.secrets().unwrap().unwrap(),
            pairing: keyfill.pairing().unwrap().clone(),
            psks,
            activated: None,
            send: BTreeMap::new(),
            receive: BTreeMap::new(),
            order: Vec::new(),
            sid: BTreeMap::new(),
            inbox: Vec::new(),
        };
        Self {
            index: keyfill.own(),
            storing,
            disk,
            memory: BTreeMap::new(),
            reboots: 0,
            entropy: 0,
            used: BTreeSet::new(),
        }
    }

    pub fn epoch(&self) -> u32 {
        self.disk.activated.unwrap()
    }

    pub fn local<'a>(&self, secrets: &'a DeviceSecrets) -> Local<'a> {
        Local { mission: roster().mission(), index: self.index, agreement: secrets.agreement() }
    }

    /// Activates `to` in one transaction.
    pub fn activate(&mut self, to: u32) -> picket_seal::Activated {
        let old = self.disk.clone();
        let roster = roster();
        let before = Before {
            local: self.local(&old.secrets),
            roster: &roster,
            secrets: &old.secrets,
            pairing: &old.pairing,
            activated: old.activated,
        };
        let mut changes = Vec::new();
        let have = |peer, epoch| old.receive.contains_key(&(peer, epoch, 0, Vec::new()));
        let done = activate(&before, to, old.psks.iter().map(|(i, p)| (*i, p)), have, |c| {
            changes.push(c);
            Ok::<(), std::convert::Infallible>(())
        })
        .unwrap();
        for change in changes {
            apply(&mut self.disk, change);
        }
        done
    }

    pub fn reboot(&mut self) {
        self.memory.clear();
        self.reboots += 1;
    }

    /// Opens an in-band session for what follows in this epoch.
    pub fn go_in_band(&mut self, peer: Index) {
        let epoch = self.epoch();
        let sid = self.disk.sid.get(&(peer, epoch)).map_or(1, |s| s % 15 + 1);
        self.entropy += 1;
        let (roster, secrets) = (roster(), self.disk.secrets.clone());
        let key = Prekey::of_epoch(epoch, roster.epoch_keys(peer, epoch).unwrap().p);
        let party = Peer { index: peer, agreement: roster.station(peer).unwrap().agreement };
        let psk = self.disk.psks[&peer].at(epoch).unwrap();
        let randomness = [self.entropy.wrapping_mul(16).wrapping_add(self.index.0 as u8); 32];
        let session = SendSession::in_band(&self.local(&secrets), &party, epoch, sid, &randomness, &key, &psk).unwrap();
        self.disk.send.insert((peer, epoch, sid), encode_send(&session));
        self.disk.sid.insert((peer, epoch), sid);
        self.memory.remove(&(peer, epoch, sid));
    }

    /// Seals `words` to `peer`; the bytes that leave.
    pub fn seal(&mut self, peer: Index, words: &str) -> Vec<u8> {
        let epoch = self.epoch();
        let sid = self.disk.sid.get(&(peer, epoch)).copied().unwrap_or(0);
        let key = (peer, epoch, sid);
        let mut session = match (self.storing, self.memory.remove(&key)) {
            (Storing::Reservations, Some(session)) => session,
            (Storing::Reservations, None) => SendSession::decode(&self.disk.send[&key]).unwrap().resume_reserved(),
            (Storing::Every, _) => SendSession::decode(&self.disk.send[&key]).unwrap().resume_exact(),
        };
        if session.reserved_left() == 0 {
            let reservation = session.reserve();
            let mut out = [0; SEND_STATE_MAX];
            self.disk.send.insert(key, reservation.encode(&mut out).unwrap().to_vec());
            session = reservation.persisted();
        }
        let mut out = vec![0; 512];
        let Sealed { envelope, counter, .. } =
            session.seal(&route(), &text(words), picket_roster::Padding::Off, &mut out).unwrap();
        let bytes = envelope.to_vec();
        let enc = encode_send(&session)[60..].to_vec();
        assert!(self.used.insert((peer, epoch, sid, enc, counter)), "a key and nonce used twice");
        match self.storing {
            Storing::Every => {
                self.disk.send.insert(key, encode_send(&session));
            }
            Storing::Reservations => {
                self.memory.insert(key, session);
            }
        }
        bytes
    }

    /// Opens an envelope and stores message and state in one transaction, unless it crashes before.
    pub fn take(&mut self, bytes: &[u8], crash: bool) -> Result<String, Not> {
        let envelope = Envelope::parse(bytes).unwrap();
        let h = *envelope.header();
        let epoch = expand_epoch(h.epoch_low, self.epoch()).ok_or(Not::Session)?;
        let sid = u16::from(h.session_low);
        let same = |k: &&(Index, u32, u16, Vec<u8>)| (k.0, k.1, k.2) == (h.source, epoch, sid);
        let enc = h.enc.map(|e| [&[e.prekey], &e.x[..]].concat());
        let candidates: Vec<_> = match enc.clone() {
            Some(enc) => vec![(h.source, epoch, sid, enc)],
            None => self.disk.order.iter().rev().filter(same).take(2).cloned().collect(),
        };
        let mut refusal = Not::Session;
        for key in candidates {
            match self.try_session(&envelope, epoch, key, crash) {
                Err(Not::Session) => (),
                Err(Not::Open(e)) => refusal = Not::Open(e),
                other => return other,
            }
        }
        if refusal == Not::Session && enc.is_none() && sid == 0 {
            return self.try_session(&envelope, epoch, (h.source, epoch, sid, Vec::new()), crash);
        }
        Err(refusal)
    }

    fn try_session(
        &mut self,
        envelope: &Envelope<'_>,
        epoch: u32,
        key: (Index, u32, u16, Vec<u8>),
        crash: bool,
    ) -> Result<String, Not> {
        let mut session = match self.disk.receive.get(&key) {
            Some(bytes) => ReceiveSession::decode(bytes).unwrap(),
            None => self.begin(envelope, epoch)?,
        };
        let mut out = vec![0; 512];
        let before = encode_receive(&session);
        let opened: Result<Opened<'_>, OpenError> = match session.open(envelope, Far::Refuse, &mut out) {
            Err(OpenError::FarJump { .. }) => session.open(envelope, Far::Follow, &mut out),
            other => other,
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(e) => {
                assert_eq!(encode_receive(&session), before, "a refusal changed the state");
                return Err(Not::Open(e));
            }
        };
        let Body::Text(words) = Content::decode(opened.content).unwrap().body else { panic!("not text") };
        let words = words.to_string();
        if crash {
            return Err(Not::Crashed);
        }
        self.disk.inbox.push((opened.identity, words.clone()));
        if self.disk.receive.insert(key.clone(), encode_receive(&session)).is_none() {
            self.disk.order.push(key);
        }
        Ok(words)
    }

    fn begin(&self, envelope: &Envelope<'_>, epoch: u32) -> Result<ReceiveSession, Not> {
        let h = envelope.header();
        let roster = roster();
        let before = Before {
            local: self.local(&self.disk.secrets),
            roster: &roster,
            secrets: &self.disk.secrets,
            pairing: &self.disk.pairing,
            activated: self.disk.activated,
        };
        let psk = self.disk.psks.get(&h.source).ok_or(Not::Session)?;
        let Some(enc) = &h.enc else {
            return early(&before, epoch, h.source, psk)
                .map_err(|_| Not::Session)
                .and_then(|s| if h.session_low == 0 { Ok(s) } else { Err(Not::Session) });
        };
        let prekey::Which::Epoch(low) = prekey::which(enc.prekey) else { return Err(Not::Session) };
        let at = prekey::epoch_of(low, self.epoch()).ok_or(Not::Session)?;
        let seed = self.disk.secrets.seeds(at).and_then(|s| s.p()).ok_or(Not::Session)?;
        let party = Peer { index: h.source, agreement: roster.station(h.source).unwrap().agreement };
        let psk = psk.at(epoch).map_err(|_| Not::Session)?;
        let sid = u16::from(h.session_low);
        ReceiveSession::in_band(&before.local, &party, epoch, sid, enc, seed, &psk).map_err(|_| Not::Session)
    }
}

pub fn apply(disk: &mut Disk, change: Change) {
    match change {
        Change::Send(s) => {
            disk.send.insert((s.id().to, s.id().epoch, 0), encode_send(&s));
        }
        Change::Receive(s) => {
            let key = (s.id().from, s.id().epoch, 0, Vec::new());
            let old = disk.receive.insert(key.clone(), encode_receive(&s));
            assert!(old.is_none(), "a receive session begun twice");
            disk.order.push(key);
        }
        Change::Seeds { epoch, seeds } => *disk.secrets.seeds_mut(epoch).unwrap() = seeds,
        Change::Psk { peer, psk } => {
            disk.psks.insert(peer, psk);
        }
        Change::Pairing(p) => disk.pairing = p,
        Change::Forget { before } => {
            disk.send.retain(|(_, epoch, _), _| *epoch >= before);
            disk.receive.retain(|(_, epoch, _, _), _| *epoch >= before);
            disk.order.retain(|(_, epoch, _, _)| *epoch >= before);
        }
        Change::Activated { epoch } => disk.activated = Some(epoch),
    }
}

pub fn encode_send(s: &SendSession) -> Vec<u8> {
    let mut out = [0; SEND_STATE_MAX];
    s.encode(&mut out).unwrap().to_vec()
}

pub fn encode_receive(s: &ReceiveSession) -> Vec<u8> {
    let mut out = [0; RECEIVE_STATE_MAX];
    s.encode(&mut out).unwrap().to_vec()
}
