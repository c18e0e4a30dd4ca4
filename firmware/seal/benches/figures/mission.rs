//! A mission to measure in: one member, who joined last, and its peers.

use picket_roster::device::DeviceRequest;
use picket_roster::limits::REQUEST_MAX;
use picket_roster::{AuthorityKey, DeviceSecrets, Keyfill, Kind, Padding, Psk, Roster, RosterDraft};
use picket_seal::epoch::Before;
use picket_seal::{
    Activated, Body, Change, Content, Far, Local, Opened, Peer, Prekey, ReceiveSession, Route, Sealed, SendSession,
    activate,
};
use picket_wire::envelope::{Class, Envelope};
use picket_wire::{Index, Lifetime, Precedence};

const START: u64 = 1_798_761_600;
const EPOCHS: u16 = 3;
const TEXT: &str = "twenty bytes of text";

/// One member with many peers.
pub struct Mission {
    peers: usize,
    roster: Roster<Vec<u8>>,
    secrets: Vec<DeviceSecrets>,
    fills: Vec<Vec<u8>>,
}

impl Mission {
    pub fn new(peers: usize) -> Self {
        let authority = AuthorityKey::generate(&[1; 32]).unwrap();
        let mut draft = RosterDraft::new("bench", START).unwrap();
        let mut secrets = Vec::new();
        for n in 0..=peers {
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
        let fills = vec![fill(0), fill(peers)];
        Self { peers, roster, secrets, fills }
    }

    /// Who seals: the member that joined last.
    fn local(&self) -> Local<'_> {
        let index = Index(u16::try_from(self.peers + 1).unwrap());
        Local { mission: self.roster.mission(), index, agreement: self.secrets[self.peers].agreement() }
    }

    fn psks(&self) -> Vec<(Index, Psk)> {
        let fill = Keyfill::open(&self.fills[1]).unwrap();
        let mine = self.local().index;
        let peers = fill.roster().stations().filter(|s| s.index != mine);
        peers.map(|s| (s.index, fill.psk(&s).unwrap())).collect()
    }

    /// A pre-placed session from the member that joined last to the first one, both ends.
    pub fn pair(&self) -> (SendSession, ReceiveSession) {
        let (peer, psk) = (Index(1), self.psks()[0].1.at(0).unwrap());
        let theirs = self.roster.epoch_keys(peer, 0).unwrap();
        let station = self.roster.station(peer).unwrap();
        let local = self.local();
        let to = Peer { index: peer, agreement: station.agreement };
        let seed_e = self.secrets[self.peers].seeds(0).unwrap().e().unwrap();
        let send = SendSession::pre_placed(&local, &to, 0, seed_e, &theirs.r, &psk).unwrap();
        let far = Local { index: peer, agreement: self.secrets[0].agreement(), ..local };
        let me = self.roster.station(local.index).unwrap();
        let from = Peer { index: local.index, agreement: me.agreement };
        let seed_r = self.secrets[0].seeds(0).unwrap().r().unwrap();
        let e = self.roster.epoch_keys(local.index, 0).unwrap().e;
        (send, ReceiveSession::pre_placed(&far, &from, 0, seed_r, &e, &psk).unwrap())
    }

    /// Begins in-band sessions: whatever can be made ready before is.
    pub fn in_band(&self) -> impl Fn() -> SendSession {
        let (peer, psk) = (Index(1), self.psks()[0].1.at(0).unwrap());
        let prekey = Prekey::of_epoch(0, self.roster.epoch_keys(peer, 0).unwrap().p);
        let to = Peer { index: peer, agreement: self.roster.station(peer).unwrap().agreement };
        move || SendSession::in_band(&self.local(), &to, 0, 1, &[7; 32], &prekey, &psk).unwrap()
    }

    /// Changes from epoch 0 to 1 with that many of the peers: all sessions both ways.
    pub fn epoch_change(&self, peers: usize) -> impl Fn() -> Activated {
        let psks: Vec<_> = self.psks().into_iter().take(peers).collect();
        move || {
            let fill = Keyfill::open(&self.fills[1]).unwrap();
            let before = Before {
                local: self.local(),
                roster: &self.roster,
                secrets: &self.secrets[self.peers],
                pairing: fill.pairing().unwrap(),
                activated: Some(0),
            };
            let mut changes: Vec<Change> = Vec::new();
            let keep = |change| {
                changes.push(change);
                Ok::<(), ()>(())
            };
            let done = activate(&before, 1, psks.iter().map(|(i, p)| (*i, p)), |_, _| false, keep).unwrap();
            assert_eq!(done.refused, 0);
            done
        }
    }
}

/// Seals the text of 20 bytes.
pub fn seal<'o>(send: &mut SendSession, out: &'o mut [u8]) -> Sealed<'o> {
    let lifetime = Lifetime::floor(86_400);
    let route = Route { class: Class::Pairwise, precedence: Precedence::Routine, hop_limit: 5, lifetime };
    send.seal(&route, &Content::new(lifetime, Some(60), Body::Text(TEXT)), Padding::Off, out).unwrap()
}

/// Opens it.
pub fn open<'o>(receive: &mut ReceiveSession, envelope: &[u8], out: &'o mut [u8]) -> Opened<'o> {
    receive.open(&Envelope::parse(envelope).unwrap(), Far::Refuse, out).unwrap()
}

/// Envelopes of these, one after the other, each in as much room as `seal` needs.
pub fn seal_all(send: &mut SendSession, sealed: &mut [(usize, [u8; 64])]) {
    for (len, out) in sealed {
        if send.reserved_left() == 0 {
            *send = send.reserve().persisted();
        }
        *len = seal(send, out).envelope.len();
    }
}
