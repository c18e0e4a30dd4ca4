"""Messages to rooms, orders and attestations, written from firmware/spec/45-rooms.md alone."""

from dataclasses import dataclass

from picket_spec import (WIRE_VERSION, Envelope, Reader, expand, gcm_open, gcm_seal, key_and_nonce, mac, message_key_at,
                         need, number, padded_length, sha256, sign, u8, u16, u32, verify)

SIGNED, ATTEST = 11, 10


def secret_at(secret, epochs):
    for _ in range(epochs):
        secret = mac(secret, b"PICKET-room-next")                                                                # 45.3
    return secret


@dataclass(frozen=True)
class Chain:
    mission: bytes
    room: bytes
    index: int
    sender: int
    generation: int
    epoch: int
    incarnation: bytes

    def root(self, secret):
        """SCK; `secret` is the room's of this epoch."""
        return expand(secret, b"PICKET-room" + self.mission + self.room + u16(self.index) + u16(self.sender)
                      + u32(self.generation) + u32(self.epoch) + self.incarnation, 32)

    def aad(self, first, counter, extension):
        return (self.mission + u8(WIRE_VERSION) + first + u16(self.index) + u16(self.sender) + u32(self.epoch)
                + self.incarnation + u32(counter) + extension)                                                   # 45.4

    def signed(self, first, counter, content):
        return (self.mission + self.room + u16(self.sender) + u32(self.epoch) + self.incarnation + u32(counter) + first
                + sha256(content))                                                                               # 45.7


def digest(first, content):
    return sha256(b"PICKET-attested", first, content)[:8]                                                        # 45.8


def carries(counter, content):
    return counter < 3 or counter % 8 == 0 and content[0] & 15 != ATTEST


def wrap(content, signature, padding):
    """45.7: kind and signature at the end, then padding."""
    data = content
    if signature is not None:
        data = u8(content[0] & 0xF0 | SIGNED) + content[1:] + u8(content[0] & 15) + signature
    if padding == "off":
        return data
    marked = u8(data[0] | 0x80) + data[1:] + b"\x80"
    return marked.ljust(padded_length(len(marked), padding), b"\x00")


def unwrap(data):
    """Content unsigned and unpadded, and the signature or None."""
    if data[0] & 0x80:
        stripped = data.rstrip(b"\x00")
        need(stripped.endswith(b"\x80"), "padding")
        data = u8(data[0] & 0x7F) + stripped[1:-1]
    if data[0] & 15 != SIGNED:
        return data, None
    need(len(data) > 65, "short")
    return u8(data[0] & 0xF0 | data[-65] & 15) + data[1:-65], data[-64:]


def seal(chain, secret, counter, content, padding="off", signature=None, signer=None, **header):
    """The envelope; signed with `signer`'s secret, or with a signature made before."""
    extension = chain.incarnation if carries(counter, content) else b""
    envelope = Envelope(kind=1, destination=chain.index, source=chain.sender, epoch=chain.epoch & 15,
                        sid=(chain.generation & 7) << 1 | bool(extension), counter=counter & 0xFFFF, **header)
    first = envelope.first_byte()
    if signer is not None:
        signature = sign(signer, b"PICKET-order", chain.signed(first, counter, content))
    key = key_and_nonce(message_key_at(chain.root(secret), counter))
    envelope.sealed = extension + gcm_seal(*key, chain.aad(first, counter, extension), wrap(content, signature, padding))
    return envelope.encode()


def unseal(chain, secret, counter, data, identity):
    """Content, its digest, and its signature or None, which was verified."""
    envelope = Envelope.decode(data)
    need(envelope.kind == 1 and envelope.prekey is None and envelope.lane is None, "no room's")
    need((envelope.destination, envelope.source) == (chain.index, chain.sender), "another's")
    need(envelope.epoch == chain.epoch & 15 and envelope.sid >> 1 == chain.generation & 7, "epoch or generation")
    need(envelope.counter == counter & 0xFFFF, "counter")
    size = 8 if envelope.sid & 1 else 0
    extension, sealed = envelope.sealed[:size], envelope.sealed[size:]
    need(not size or extension == chain.incarnation, "incarnation")
    first = envelope.first_byte()
    key = key_and_nonce(message_key_at(chain.root(secret), counter))
    content, signature = unwrap(gcm_open(*key, chain.aad(first, counter, extension), sealed))
    if signature is not None:
        verify(identity, b"PICKET-order", chain.signed(first, counter, content), signature)
    return content, digest(first, content), signature


def read_attest(counter, body):
    """The other chain it names or None, the first counter, and the hashes."""
    rest = Reader(body)
    back, other = number(rest.take(1)), None
    if back == 0:
        other = (number(rest.take(4)), number(rest.take(4)), rest.take(8))
        first = number(rest.take(4))
    else:
        need(back <= counter, "before the first")
        first = counter - back
    hashes = rest.rest()
    need(len(hashes) % 8 == 0 and 1 <= len(hashes) // 8 <= 16, "hashes")
    digests = [hashes[at:at + 8] for at in range(0, len(hashes), 8)]
    need(other is not None or first + len(digests) <= counter, "itself or later")
    return other, first, digests


def read_state(data, mission, identity):
    """45.5: (version, name, members with roles), the signature verified."""
    rest = Reader(data)
    need(rest.take(1) == b"\x01", "format")
    room, index, version, _parent, generation = (rest.take(16), number(rest.take(2)), number(rest.take(4)), rest.take(8),
                                                 number(rest.take(4)))
    most, flags, lifetime, retention = (number(rest.take(n)) for n in (1, 1, 1, 2))
    name = rest.take(number(rest.take(1)))
    members = [(number(rest.take(2)), number(rest.take(1))) for _ in range(number(rest.take(1)))]
    signer, signature = number(rest.take(2)), rest.take(64)
    rest.end()
    need(flags < 2 and 1 <= len(members) <= most <= 64, "rules")
    need(members == sorted(set(members)) and all(role < 2 for _, role in members), "members")
    need((signer, 1) in members, "signer")
    verify(identity, b"PICKET-room", mission + data[:-64], signature)
    return {"room": room, "index": index, "version": version, "generation": generation, "lifetime": lifetime,
            "retention": retention, "name": name.decode(), "members": members}
