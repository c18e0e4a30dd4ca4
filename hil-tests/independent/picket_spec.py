"""Picket's sealed messages, frames and rosters, written from firmware/spec alone.

A second implementation that shares no line, no library and no author's shortcut with the Rust one, so that the two
can only agree where the text says so. Short before fast, and not for use in the field: Python erases nothing.

Needs the package `cryptography` (38 or newer) for AES, the curve's arithmetic and ECDSA. Everything else is here.
Numbers in comments are sections of firmware/spec.
"""

import hashlib
import hmac
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

WIRE_VERSION = 2
CURVE = ec.SECP256R1()
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Refused(Exception):
    """What the text says must be refused, by name."""


def need(condition, why):
    if not condition:
        raise Refused(why)


# --- primitives -----------------------------------------------------------------------------------------------------

def u8(n): return n.to_bytes(1, "big")
def u16(n): return n.to_bytes(2, "big")
def u32(n): return n.to_bytes(4, "big")
def number(data): return int.from_bytes(data, "big")
def sha256(*parts): return hashlib.sha256(b"".join(parts)).digest()
def mac(key, *parts): return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def expand(prk, info, length):
    out, block = b"", b""
    for n in range(1, -(-length // 32) + 1):
        block = mac(prk, block, info, u8(n))
        out += block
    return out[:length]


def extract(salt, ikm):
    return mac(salt or bytes(32), ikm)


def hkdf(ikm, info, salt=b"", length=32):
    return expand(extract(salt, ikm), info, length)


def secret_key(scalar):
    return ec.derive_private_key(number(scalar), CURVE)


def point(data):
    need(len(data) == 33 and data[0] in (2, 3), "not a compressed point")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(CURVE, data)
    except ValueError:
        raise Refused("not a point of the curve") from None


def compressed(key): return key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
def uncompressed(key): return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
def ecdh(secret, public): return secret.exchange(ec.ECDH(), public)


def signed_bytes(domain, message):
    return sha256(domain) + sha256(message)                                                                      # 30.3


def verify(public, domain, message, signature):
    need(len(signature) == 64, "signature length")
    der = encode_dss_signature(number(signature[:32]), number(signature[32:]))
    try:
        public.verify(der, signed_bytes(domain, message), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        raise Refused("signature") from None


def sign(secret, domain, message):
    r, s = decode_dss_signature(secret.sign(signed_bytes(domain, message), ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def gcm_seal(key, nonce, aad, plain):
    box = Cipher(algorithms.AES(key), modes.GCM(nonce)).encryptor()
    box.authenticate_additional_data(aad)
    sealed = box.update(plain) + box.finalize()
    return sealed + box.tag[:12]


def gcm_open(key, nonce, aad, sealed):
    need(len(sealed) >= 12, "short")
    box = Cipher(algorithms.AES(key), modes.GCM(nonce, sealed[-12:], min_tag_length=12)).decryptor()
    box.authenticate_additional_data(aad)
    try:
        return box.update(sealed[:-12]) + box.finalize()
    except InvalidTag:
        raise Refused("tag") from None


class Reader:
    """Bytes from the front, never beyond the end (R-30.1-2)."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def take(self, n):
        need(n <= self.left(), "cut short")
        self.at += n
        return self.data[self.at - n:self.at]

    def rest(self):
        return self.take(self.left())

    def end(self):
        need(self.left() == 0, "trailing bytes")

    def varint(self):
        """Little-endian base 128, shortest form, at most 32 bits (R-30.2-4)."""
        value = 0
        for n in range(5):
            byte = number(self.take(1))
            value |= (byte & 0x7F) << 7 * n
            if byte < 0x80:
                need(byte or n == 0, "varint")
                need(value < 1 << 32, "varint")
                return value
        raise Refused("varint")


# --- RFC 9180: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, mode AuthPSK -------------------------------------

KEM = b"KEM" + u16(0x0010)
HPKE = b"HPKE" + u16(0x0010) + u16(0x0001) + u16(0x0002)


def labeled_extract(suite, salt, label, ikm):
    return extract(salt, b"HPKE-v1" + suite + label + ikm)


def labeled_expand(suite, prk, label, info, length):
    return expand(prk, u16(length) + b"HPKE-v1" + suite + label + info, length)


def derive_key_pair(seed):
    prk = labeled_extract(KEM, b"", b"dkp_prk", seed)
    for counter in range(256):
        candidate = labeled_expand(KEM, prk, b"candidate", u8(counter), 32)
        if 0 < number(candidate) < ORDER:
            return secret_key(candidate)
    raise Refused("no key in 256 candidates")


def kem_secret(dh, enc, receiver, sender):
    context = uncompressed(enc) + uncompressed(receiver) + uncompressed(sender)
    return labeled_expand(KEM, labeled_extract(KEM, b"", b"eae_prk", dh), b"shared_secret", context, 32)


def exporter(shared, info, psk, psk_id):
    need(len(psk) >= 32, "no pre-shared key")
    context = (u8(3) + labeled_extract(HPKE, b"", b"psk_id_hash", psk_id)
               + labeled_extract(HPKE, b"", b"info_hash", info))
    return labeled_expand(HPKE, labeled_extract(HPKE, shared, b"secret", psk), b"exp", context, 32)


def export(secret, context, length):
    return labeled_expand(HPKE, secret, b"sec", context, length)


# --- 40.2, 40.3: sessions and their roots ----------------------------------------------------------------------------

@dataclass(frozen=True)
class Session:
    mission: bytes
    source: int
    destination: int
    epoch: int
    sid: int

    def info(self):
        return b"PICKET-P1" + u16(self.source) + u16(self.destination) + u32(self.epoch) + u16(self.sid)

    def root(self, shared, psk, lane):
        secret = exporter(shared, self.info(), psk, u32(self.epoch))
        return export(secret, b"ck0" + u8(lane), 32)


def sender_root(session, seed_e, public_r, psk, own_ik, lane=0):
    """ck_0 (of another lane than 0: LR_0), and enc."""
    ephemeral = derive_key_pair(seed_e)
    dh = ecdh(ephemeral, public_r) + ecdh(own_ik, public_r)
    enc = ephemeral.public_key()
    return session.root(kem_secret(dh, enc, public_r, own_ik.public_key()), psk, lane), enc


def receiver_root(session, enc, secret_r, psk, peer_ik, lane=0):
    dh = ecdh(secret_r, enc) + ecdh(secret_r, peer_ik)
    return session.root(kem_secret(dh, enc, secret_r.public_key(), peer_ik), psk, lane)


# --- 40.4: the chain and a message's keys ----------------------------------------------------------------------------

def message_key(chain): return mac(chain, b"\x01")
def next_chain(chain): return mac(chain, b"\x02")
def token(key, kind): return mac(key, kind)[:8]


def message_key_at(root, counter):
    for _ in range(counter):
        root = next_chain(root)
    return message_key(root)


# --- 40.10: lanes

def lane_of(slot):
    """The lane of a slot byte, and the slot's number in it."""
    need(slot <= 168, "slot")
    return (3, slot) if slot < 144 else (2, slot - 144) if slot < 168 else (1, 0)


def slot_chain(lane_root, number):
    for _ in range(number):
        lane_root = mac(lane_root, b"\x02")
    return mac(lane_root, b"\x01")


def key_and_nonce(key):
    both = expand(key, b"PICKET-msg", 44)
    return both[:32], both[32:]


# --- 10.4, 10.5, 10.8: envelopes -------------------------------------------------------------------------------------

def lifetime_seconds(code):
    e, m = code >> 4, code & 15
    return m if e == 0 else (16 + m) << (e - 1)


def lifetime_code(seconds):
    return max(code for code in range(256) if lifetime_seconds(code) <= seconds)


@dataclass
class Envelope:
    kind: int                 # class: 0 pairwise, 1 room, 2 housekeeping
    precedence: int
    destination: int
    source: int
    epoch: int                # its low four bits
    sid: int                  # its low four bits
    counter: int              # its low sixteen bits
    sealed: bytes = b""
    hop_limit: int = 0
    round: int = 0
    flags: int = 0
    lifetime: int = 0
    lane: int = None
    prekey: bytes = None      # the byte and x, 33 bytes

    def first_byte(self):
        return u8(self.kind << 5 | self.precedence << 2 | (self.prekey is not None) << 1 | (self.lane is not None))

    def extension(self):
        return (b"" if self.lane is None else u8(self.lane)) + (self.prekey or b"")

    def encode(self):
        need(self.kind <= 2 and self.precedence <= 5, "class or precedence")
        data = (self.first_byte() + u16(self.destination) + u16(self.source)
                + u8(self.hop_limit << 4 | self.round << 2 | self.flags) + u8(self.lifetime)
                + u8(self.epoch << 4 | self.sid) + u16(self.counter) + self.extension() + self.sealed)
        need(22 <= len(data) <= 65536 and len(self.sealed) >= 12, "length")
        return data

    @classmethod
    def decode(cls, data):
        need(22 <= len(data) <= 65536, "length")
        first = data[0]
        has_prekey, has_lane = bool(first & 2), bool(first & 1)
        start = 10 + has_lane + 33 * has_prekey
        need(len(data) >= start + 12, "short")
        need(first >> 5 <= 2, "class")
        need(first >> 2 & 7 <= 5, "precedence")
        return cls(kind=first >> 5, precedence=first >> 2 & 7, destination=number(data[1:3]), source=number(data[3:5]),
                   hop_limit=data[5] >> 4, round=data[5] >> 2 & 3, flags=data[5] & 3, lifetime=data[6],
                   epoch=data[7] >> 4, sid=data[7] & 15, counter=number(data[8:10]),
                   lane=data[10] if has_lane else None,
                   prekey=data[start - 33:start] if has_prekey else None, sealed=data[start:])


def identity(envelope):
    return sha256(b"PICKET-id", envelope[0:5], envelope[7:])[:16]


# --- 40.5: sealing and opening one message ---------------------------------------------------------------------------

def aad(session, counter, envelope):
    return (session.mission + u8(WIRE_VERSION) + envelope.first_byte() + u16(envelope.destination)
            + u16(envelope.source) + u32(session.epoch) + u16(session.sid) + u32(counter) + envelope.extension())


def seal(session, key, counter, content, **header):
    envelope = Envelope(destination=session.destination, source=session.source, epoch=session.epoch & 15,
                        sid=session.sid & 15, counter=counter & 0xFFFF, **header)
    envelope.sealed = gcm_seal(*key_and_nonce(key), aad(session, counter, envelope), content)
    return envelope.encode()


def unseal(session, key, counter, data):
    envelope = Envelope.decode(data)
    return gcm_open(*key_and_nonce(key), aad(session, counter, envelope), envelope.sealed)


class Sender:
    """One session's sending end."""

    def __init__(self, session, root, prekey=None, lane=None):
        self.session, self.chain, self.next, self.prekey, self.lane = session, root, 0, prekey, lane

    def seal(self, content, **header):
        """An envelope, and the tokens of the receipts it may be answered with. enc goes with every message here."""
        key, counter = message_key(self.chain), self.next
        self.chain, self.next = next_chain(self.chain), counter + 1
        return (seal(self.session, key, counter, content, prekey=self.prekey, lane=self.lane, **header),
                token(key, b"delivered"), token(key, b"read"))


class Receiver:
    """One session's receiving end: any order, each message once (S-40.4-2 to -5)."""

    def __init__(self, session, root):
        self.session, self.chain, self.next, self.skipped = session, root, 0, {}

    def open(self, data):
        """Content and tokens."""
        envelope = Envelope.decode(data)
        for counter in sorted((c for c in self.skipped if c & 0xFFFF == envelope.counter), reverse=True)[:1]:
            try:
                return self._with(self.skipped[counter], counter, data)
            except Refused:
                continue
        counter = self.next + ((envelope.counter - self.next) & 0xFFFF)
        need(counter - self.next <= 1024, "too far ahead")
        chain, passed = self.chain, {}
        for skipped in range(self.next, counter):
            passed[skipped] = message_key(chain)
            chain = next_chain(chain)
        opened = self._with(message_key(chain), counter, data)
        self.chain, self.next = next_chain(chain), counter + 1
        self.skipped = dict(sorted({**self.skipped, **passed}.items())[-128:])
        return opened

    def _with(self, key, counter, data):
        content = unseal(self.session, key, counter, data)
        self.skipped.pop(counter, None)
        return content, token(key, b"delivered"), token(key, b"read")


def newest_at_most_one_ahead(low, bits, now):
    """40.6, 40.7: the newest epoch with these low bits that is at most one ahead."""
    size = 1 << bits
    epoch = now + 1 - ((now + 1 - low) % size)
    need(epoch >= 0, "no such epoch")
    return epoch


# --- 40.8: content ---------------------------------------------------------------------------------------------------

TEXT, FILE, CANNOT_OPEN, RENEWED = 0, 1, 2, 15
UNKNOWN = 0xFFFFFF


def is_name(data, longest):
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    control = any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in text)
    return 1 <= len(data) <= longest and not control and "/" not in text and "\\" not in text and text not in (".", "..")


@dataclass
class Content:
    kind: int
    body: bytes               # text, the file's bytes, or the id
    lifetime: int
    sent: int = None          # seconds since the start of the epoch
    name: bytes = b""         # a file's
    original: bytes = None
    prekey: tuple = None      # id and point
    burn: int = None          # lifetime after reading

    def encode(self, padding="off"):
        data = (u8(self.lifetime) + (UNKNOWN if self.sent is None else self.sent).to_bytes(3, "big")
                + (self.original or b"") + (u8(self.prekey[0]) + self.prekey[1] if self.prekey else b"")
                + (b"" if self.burn is None else u8(self.burn)))
        if self.kind == FILE:
            data += u8(len(self.name)) + self.name
        data += self.body
        first = (self.original is not None) << 6 | (self.prekey is not None) << 5 | (self.burn is not None) << 4 | self.kind
        if padding == "off":
            return u8(first) + data
        marked = u8(first | 0x80) + data + b"\x80"
        return marked.ljust(padded_length(len(marked), padding), b"\x00")

    @classmethod
    def decode(cls, data):
        need(len(data) >= 5, "short")
        first = data[0]
        if first & 0x80:
            stripped = data.rstrip(b"\x00")
            need(stripped[5:].endswith(b"\x80"), "padding")
            data = stripped[:-1]
        rest = Reader(data[5:])
        content = cls(kind=first & 15, body=b"", lifetime=data[1], sent=number(data[2:5]))
        content.sent = None if content.sent == UNKNOWN else content.sent
        content.original = rest.take(8) if first & 0x40 else None
        if first & 0x20:
            content.prekey = (number(rest.take(1)), rest.take(33))
            need(64 <= content.prekey[0] <= 127 and content.prekey[1][0] in (2, 3), "prekey")
        content.burn = number(rest.take(1)) if first & 0x10 else None
        content.read_body(rest)
        return content

    def read_body(self, rest):
        if self.kind == FILE:
            self.name = rest.take(number(rest.take(1)))
            need(is_name(self.name, 128), "file name")
        self.body = rest.take(8) if self.kind == CANNOT_OPEN else rest.rest()
        rest.end()
        need(self.kind in (TEXT, FILE, CANNOT_OPEN) or self.kind == RENEWED and not self.body, "kind")
        if self.kind == TEXT:
            try:
                self.body.decode("utf-8")
            except UnicodeDecodeError:
                raise Refused("text is not UTF-8") from None


def padded_length(length, padding):
    if padding == "buckets":
        step = next((b for b in (32, 64, 128, 192) if length <= b), None)
        return step or -(-length // 64) * 64
    step = {"steps8": 8, "steps16": 16}[padding]
    return -(-length // step) * step
