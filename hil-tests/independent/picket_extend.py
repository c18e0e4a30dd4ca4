"""Requests for keys of further epochs, written from firmware/spec/30-roster.md §30.16 alone."""

from dataclasses import dataclass

from picket_roster import open_file
from picket_spec import Reader, compressed, derive_key_pair, hkdf, need, number, point, sign, u16, u32, verify

DOMAIN = b"PICKET-extend"


def seeds(secret, epoch):
    """E, R and P of an epoch, from the secret that a device keeps while they are pending."""
    return tuple(hkdf(secret, b"PICKET-extension" + label + u32(epoch)) for label in (b"E", b"R", b"P"))


def public_halves(secret, epoch):
    return tuple(compressed(derive_key_pair(seed).public_key()) for seed in seeds(secret, epoch))


@dataclass
class Extension:
    mission: bytes
    own: int
    first: int
    keys: list


def read_extension(data, roster):
    """Verifies and reads; the member is looked up in a roster that was verified."""
    need(len(data) > 74, "short")
    reader = Reader(open_file(data[:-64], b"PKEXTEND"))
    mission, own, first = reader.take(8), number(reader.take(2)), number(reader.take(4))
    keys = [(reader.take(33), reader.take(33), reader.take(33)) for _ in range(number(reader.take(2)))]
    reader.end()
    need(1 <= len(keys) <= 64 and first + len(keys) < 1 << 32, "count")
    need(mission == roster.mission, "another mission")
    station = roster.station(own)
    need(not station.is_gateway and own not in roster.revoked, "not a member")
    for key in (k for triple in keys for k in triple):
        point(key)
    verify(point(station.identity), DOMAIN, data[:-64], data[-64:])                                          # R-30.16-1
    return Extension(mission, own, first, keys)


def write_extension(identity, mission, own, first, count, secret):
    keys = b"".join(b"".join(public_halves(secret, epoch)) for epoch in range(first, first + count))
    signed = b"PKEXTEND\x00\x01" + mission + u16(own) + u32(first) + u16(count) + keys
    return signed + sign(identity, DOMAIN, signed)
