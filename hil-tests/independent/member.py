"""A member that seals and opens, from nothing but its keyfill (with its secrets in it) and firmware/spec."""

from picket_roster import read_keyfill
from picket_spec import (Content, Envelope, Receiver, Refused, Sender, Session, compressed, derive_key_pair, identity, need,
                         newest_at_most_one_ahead, point, receiver_root, sender_root)


class Member:
    def __init__(self, keyfill):
        self.fill = read_keyfill(keyfill)
        self.roster, self.secrets = self.fill.roster, self.fill.secrets
        need(self.secrets is not None, "no secrets")
        self.sending, self.receiving = {}, {}

    def session(self, source, destination, epoch, sid):
        return Session(self.roster.mission, source, destination, epoch, sid)

    # --- sending

    def sender(self, to, epoch, sid, randomness):
        if (to, epoch, sid) not in self.sending:
            session = self.session(self.fill.index, to, epoch, sid)
            psk = self.fill.psk(to, epoch)
            if sid == 0:
                seed, public, prekey_id = self.secrets.seed(epoch, "E"), self.roster.epoch_key(to, epoch, "R"), None
            else:
                seed, public, prekey_id = randomness, self.roster.epoch_key(to, epoch, "P"), epoch & 63
            root, enc = sender_root(session, seed, public, psk, self.secrets.agreement)
            if sid == 0:
                need(enc.public_numbers() == self.roster.epoch_key(self.fill.index, epoch, "E").public_numbers(),
                     "the roster's E is another")
                prekey = None
            else:
                enc = compressed(enc)
                prekey = bytes([prekey_id << 1 | enc[0] & 1]) + enc[1:]
            self.sending[to, epoch, sid] = Sender(session, root, prekey)
        return self.sending[to, epoch, sid]

    def seal(self, to, epoch, sid, randomness, content, **header):
        sender = self.sender(to, epoch, sid, randomness)
        counter = sender.next
        envelope, delivered, read = sender.seal(content, **header)
        return {"envelope": envelope.hex(), "identity": identity(envelope).hex(), "counter": counter,
                "content": content.hex(), "delivered": delivered.hex(), "read": read.hex()}

    # --- receiving

    def open(self, data, now):
        envelope = Envelope.decode(data)
        need(envelope.destination == self.fill.index, "for another")
        need(envelope.lane is None and envelope.kind != 1, "lanes and rooms are checked by the vectors only")
        epoch = newest_at_most_one_ahead(envelope.epoch, 4, now)
        opened = None
        for key in self.candidates(envelope, epoch):
            receiver = self.receiving.get(key) or self.begin(key, now)
            try:
                opened = receiver.open(data)
            except Refused:
                continue
            self.receiving[key] = receiver
            break
        need(opened, "not opened")
        content, delivered, read = opened
        return {"content": content.hex(), "fields": fields_of(Content.decode(content)), "from": envelope.source,
                "identity": identity(data).hex(), "delivered": delivered.hex(), "read": read.hex()}

    def candidates(self, envelope, epoch):
        """40.4-6: with enc that session; without the pre-placed one, or the two in-band ones begun last."""
        start = (envelope.source, epoch, envelope.sid)
        if envelope.prekey is not None or envelope.sid == 0:
            need((envelope.prekey is None) == (envelope.sid == 0), "enc and sid")
            return [(*start, envelope.prekey)]
        return [key for key in reversed(self.receiving) if key[:3] == start][:2]

    def begin(self, key, now):
        source, epoch, sid, prekey = key
        station = self.roster.station(source)
        need(not station.is_gateway, "from a gateway")
        session, psk = self.session(source, self.fill.index, epoch, sid), self.fill.psk(source, epoch)
        if prekey is None:
            seed, enc = self.secrets.seed(epoch, "R"), self.roster.epoch_key(source, epoch, "E")
        else:
            need(prekey[0] >> 1 < 64, "an announced prekey that nobody announced")
            seed = self.secrets.seed(newest_at_most_one_ahead(prekey[0] >> 1, 6, now), "P")
            enc = point(bytes([2 | prekey[0] & 1]) + prekey[1:])
        root = receiver_root(session, enc, derive_key_pair(seed), psk, point(station.agreement))
        return Receiver(session, root)


def fields_of(content):
    body = {0: {"text": content.body.decode("utf-8", "replace")},
            1: {"file": content.name.decode("utf-8", "replace"), "bytes": content.body.hex()},
            2: {"cannot_open": content.body.hex()}, 15: {"renewed": True}}[content.kind]
    prekey = content.prekey and {"id": content.prekey[0], "key": content.prekey[1].hex()}
    return {"body": body, "lifetime": content.lifetime, "sent_s": content.sent,
            "original": content.original and content.original.hex(), "prekey": prekey, "burn": content.burn}


def content_of(fields):
    body = fields["body"]
    kind = 0 if "text" in body else 1 if "file" in body else 2 if "cannot_open" in body else 15
    data = body["text"].encode() if kind == 0 else bytes.fromhex(body.get("bytes" if kind == 1 else "cannot_open", ""))
    prekey = fields["prekey"] and (fields["prekey"]["id"], bytes.fromhex(fields["prekey"]["key"]))
    original = fields["original"] and bytes.fromhex(fields["original"])
    return Content(kind, data, fields["lifetime"], fields["sent_s"], body.get("file", "").encode(), original, prekey,
                   fields["burn"])


PADDING = {"Off": "off", "Steps8": "steps8", "Steps16": "steps16", "Buckets": "buckets"}
