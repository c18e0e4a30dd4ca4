//! Missions drawn from a seed, and members of them that seal and open with the firmware's crates.

use std::collections::BTreeMap;

use hil_tests::Rng;
use picket_roster::device::DeviceRequest;
use picket_roster::limits::REQUEST_MAX;
use picket_roster::{AuthorityKey, DeviceSecrets, Keyfill, Kind, Padding, PublicKey, Roster, RosterDraft};
use picket_seal::prekey::{Which, epoch_of, which};
use picket_seal::{
    Body, Content, Far, Local, Peer, Prekey, ReceiveSession, Route, SendSession, SetupError, expand_epoch,
};
use picket_wire::envelope::{Class, Envelope};
use picket_wire::{Index, Lifetime, MessageId, Precedence};
use serde_json::{Value, json};

pub const NAMES: [&str; 4] = ["alpha", "Żubr 9", "charlie", "gw"];
/// Position of the gateway in [`NAMES`].
pub const GATEWAY: usize = 3;
pub const EPOCHS: u16 = 9;

pub struct Mission {
    pub authority: PublicKey,
    pub roster: Vec<u8>,
    pub requests: Vec<Vec<u8>>,
    pub keyfills: Vec<Vec<u8>>,
    /// An epoch for which every member has keys.
    pub epoch: u32,
}

pub fn array<const N: usize>(rng: &mut Rng) -> [u8; N] {
    rng.bytes(N).try_into().unwrap()
}

pub fn number(rng: &mut Rng, bound: u32) -> u32 {
    u32::try_from(rng.below(u64::from(bound))).unwrap()
}

impl Mission {
    /// Members that were enrolled in three different epochs, and a gateway.
    pub fn draw(rng: &mut Rng) -> Self {
        let authority = AuthorityKey::generate(&array(rng)).unwrap();
        let mut draft = RosterDraft::new("ćwiczenie", 1_798_761_600).unwrap();
        draft.padding = [Padding::Off, Padding::Steps8, Padding::Steps16, Padding::Buckets][number(rng, 4) as usize];
        let first = number(rng, 200);
        let mut devices = Vec::new();
        let mut requests = Vec::new();
        for (n, name) in NAMES.into_iter().enumerate() {
            let (kind, epochs) = if n == GATEWAY { (Kind::Gateway, 0) } else { (Kind::Member, EPOCHS) };
            let secrets = DeviceSecrets::generate(&array(rng), epochs).unwrap();
            let mut out = vec![0; REQUEST_MAX];
            let request = secrets.request(name, kind, &mut out).unwrap().to_vec();
            draft.enrol(&DeviceRequest::verify(&request).unwrap(), first + [0, 2, 3, 0][n]).unwrap();
            devices.push(secrets);
            requests.push(request);
        }
        let roster = draft.sign(&authority, 1_798_761_600).unwrap();
        let public = authority.public().unwrap();
        let view = Roster::verify(roster.as_slice(), &public).unwrap();
        let generation = number(rng, 250) as u8;
        let fill = |(n, s): (usize, &DeviceSecrets)| {
            authority.keyfill(&view, Index(n as u16 + 1), generation, Some(s)).unwrap().to_vec()
        };
        let keyfills = devices.iter().enumerate().map(fill).collect();
        let epoch = first + 3 + number(rng, 5);
        Self { authority: public, roster, requests, keyfills, epoch }
    }

    pub fn member(&self, n: usize) -> Member<'_> {
        let fill = Keyfill::open(&self.keyfills[n]).unwrap();
        let secrets = fill.secrets().unwrap().unwrap();
        Member { fill, secrets, epoch: self.epoch, sending: BTreeMap::new(), receiving: BTreeMap::new() }
    }
}

pub struct Member<'a> {
    pub fill: Keyfill<'a>,
    pub secrets: DeviceSecrets,
    epoch: u32,
    sending: BTreeMap<(Index, u16), SendSession>,
    /// By source, session id and enc; oldest first.
    receiving: BTreeMap<(Index, u16, Vec<u8>), ReceiveSession>,
}

/// What is to be sealed.
pub struct Letter {
    pub route: Route,
    pub content: OwnedContent,
    pub padding: Padding,
}

pub struct OwnedContent {
    pub kind: u8,
    pub text: String,
    pub bytes: Vec<u8>,
    pub id: MessageId,
    pub lifetime: Lifetime,
    pub sent_s: Option<u32>,
    pub original: Option<MessageId>,
    pub prekey: Option<Prekey>,
    pub burn: Option<Lifetime>,
}

impl OwnedContent {
    pub fn borrow(&self) -> Content<'_> {
        let body = match self.kind {
            0 => Body::Text(&self.text),
            1 => Body::File { name: &self.text, bytes: &self.bytes },
            2 => Body::CannotOpen { id: self.id },
            _ => Body::Renewed,
        };
        let Self { lifetime, sent_s, original, prekey, burn, .. } = *self;
        Content { lifetime, sent_s, original, prekey, burn, body }
    }
}

impl Letter {
    pub fn draw(rng: &mut Rng, prekey: PublicKey) -> Self {
        let kind = [0, 1, 2, 15][number(rng, 4) as usize];
        let letters: Vec<char> = "abc xyz 0189 żółć 無線 \u{1F4E1}.-_".chars().collect();
        let mut text: String =
            (0..=number(rng, 24)).map(|_| letters[number(rng, letters.len() as u32) as usize]).collect();
        if kind == 0 && rng.chance(0.1) {
            text.clear();
        }
        let length = number(rng, 120) as usize;
        let content = OwnedContent {
            kind,
            text,
            bytes: rng.bytes(length),
            id: MessageId(array(rng)),
            lifetime: Lifetime(rng.byte()),
            sent_s: rng.chance(0.8).then(|| number(rng, 0xFF_FFFF)),
            original: rng.chance(0.2).then(|| MessageId(array(rng))),
            prekey: rng.chance(0.2).then(|| Prekey::announced(number(rng, 64), prekey)),
            burn: rng.chance(0.2).then(|| Lifetime(rng.byte())),
        };
        let route = Route {
            class: if kind >= 2 { Class::Housekeeping } else { Class::Pairwise },
            precedence: Precedence::from_bits(number(rng, 6) as u8).unwrap(),
            hop_limit: number(rng, 16) as u8,
            lifetime: Lifetime(rng.byte()),
        };
        let padding = [Padding::Off, Padding::Steps8, Padding::Steps16, Padding::Buckets][number(rng, 4) as usize];
        Self { route, content, padding }
    }

    /// The question that has the second implementation seal it.
    pub fn question(&self, from: usize, to: u16, epoch: u32, sid: u16, randomness: [u8; 32]) -> Value {
        let route = &self.route;
        json!({
            "op": "seal", "as": NAMES[from], "to": to, "epoch": epoch, "sid": sid, "randomness": hex::encode(randomness),
            "fields": fields(&self.content.borrow()), "padding": format!("{:?}", self.padding),
            "class": if route.class == Class::Housekeeping { 2 } else { 0 }, "precedence": route.precedence as u8,
            "hop_limit": route.hop_limit, "lifetime": route.lifetime.0,
        })
    }
}

pub fn fields(c: &Content<'_>) -> Value {
    let body = match c.body {
        Body::Text(text) => json!({ "text": text }),
        Body::File { name, bytes } => json!({ "file": name, "bytes": hex::encode(bytes) }),
        Body::CannotOpen { id } => json!({ "cannot_open": id.to_string() }),
        Body::Renewed => json!({ "renewed": true }),
    };
    json!({
        "lifetime": c.lifetime.0, "sent_s": c.sent_s, "original": c.original.map(|id| id.to_string()), "body": body,
        "prekey": c.prekey.map(|p| json!({ "id": p.id, "key": hex::encode(p.key.0) })), "burn": c.burn.map(|b| b.0),
    })
}

impl Member<'_> {
    pub fn index(&self) -> Index {
        self.fill.own()
    }

    fn local(&self) -> Local<'_> {
        Local { mission: self.fill.mission(), index: self.fill.own(), agreement: self.secrets.agreement() }
    }

    fn peer(&self, index: Index) -> Option<(Peer, [u8; 32])> {
        let station = self.fill.roster().station(index)?;
        let psk = self.fill.psk(&station).ok()?.at(self.epoch).ok()?;
        Some((Peer { index, agreement: station.agreement }, *psk))
    }

    /// Seals as the second implementation is asked to: what it answers.
    pub fn seal(&mut self, to: Index, sid: u16, randomness: &[u8; 32], letter: &Letter) -> Value {
        let content = letter.content.borrow();
        let mut session = match self.sending.remove(&(to, sid)) {
            Some(session) => session,
            None => self.begin_sending(to, sid, randomness),
        };
        let mut out = vec![0; 2_048];
        let mut plain = vec![0; 2_048];
        let length = content.encode(letter.padding, &mut plain).unwrap();
        let sealed = session.seal(&letter.route, &content, letter.padding, &mut out).unwrap();
        let answer = json!({
            "envelope": hex::encode(sealed.envelope), "identity": hex::encode(sealed.identity.0),
            "counter": sealed.counter, "content": hex::encode(&plain[..length]),
            "delivered": hex::encode(sealed.tokens.delivered), "read": hex::encode(sealed.tokens.read),
        });
        self.sending.insert((to, sid), session);
        answer
    }

    fn begin_sending(&self, to: Index, sid: u16, randomness: &[u8; 32]) -> SendSession {
        let (local, (peer, psk)) = (self.local(), self.peer(to).unwrap());
        let keys = self.fill.roster().epoch_keys(to, self.epoch).unwrap();
        let fresh = if sid == 0 {
            let seed = self.secrets.seeds(self.epoch).unwrap().e().unwrap();
            SendSession::pre_placed(&local, &peer, self.epoch, seed, &keys.r, &psk)
        } else {
            SendSession::in_band(
                &local,
                &peer,
                self.epoch,
                sid,
                randomness,
                &Prekey::of_epoch(self.epoch, keys.p),
                &psk,
            )
        };
        fresh.unwrap().reserve().persisted()
    }

    /// Opens an envelope as the second implementation is asked to; `None` when it is refused.
    pub fn open(&mut self, bytes: &[u8]) -> Option<Value> {
        let envelope = Envelope::parse(bytes).ok()?;
        let header = envelope.header();
        let sid = u16::from(header.session_low);
        let enc = header.enc.map(|e| [&[e.prekey], &e.x[..]].concat());
        let mut key = (header.source, sid, enc.clone().unwrap_or_default());
        if enc.is_none() && sid != 0 {
            key = self.receiving.keys().find(|k| (k.0, k.1) == (header.source, sid))?.clone();
        }
        let mut session = match self.receiving.get(&key) {
            Some(session) => session.clone(),
            None => self.begin_receiving(&envelope)?.ok()?,
        };
        let mut out = vec![0; bytes.len()];
        let opened = session.open(&envelope, Far::Refuse, &mut out).ok()?;
        let content = Content::decode(opened.content).ok()?;
        let answer = json!({
            "content": hex::encode(opened.content), "fields": fields(&content), "from": header.source.0,
            "identity": hex::encode(opened.identity.0), "delivered": hex::encode(opened.tokens.delivered),
            "read": hex::encode(opened.tokens.read),
        });
        self.receiving.insert(key, session);
        Some(answer)
    }

    fn begin_receiving(&self, envelope: &Envelope<'_>) -> Option<Result<ReceiveSession, SetupError>> {
        let header = envelope.header();
        let (sid, epoch) = (u16::from(header.session_low), expand_epoch(header.epoch_low, self.epoch)?);
        let (peer, _) = self.peer(header.source)?;
        let station = self.fill.roster().station(header.source)?;
        let psk = self.fill.psk(&station).ok()?.at(epoch).ok()?;
        let Some(enc) = &header.enc else {
            let seeds = self.secrets.seeds(epoch)?;
            let theirs = self.fill.roster().epoch_keys(header.source, epoch)?;
            return Some(ReceiveSession::pre_placed(&self.local(), &peer, epoch, seeds.r()?, &theirs.e, &psk));
        };
        let Which::Epoch(low) = which(enc.prekey) else { return None };
        let seeds = self.secrets.seeds(epoch_of(low, self.epoch)?)?;
        Some(ReceiveSession::in_band(&self.local(), &peer, epoch, sid, enc, seeds.p()?, &psk))
    }
}
