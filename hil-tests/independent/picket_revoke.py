"""Revocation, written from firmware/spec/35-revocation.md alone: reads, verifies, opens, and makes a REVOKE."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from picket_spec import Reader, Refused, hkdf, need, number, point, sha256, sign, u8, u16, u32, verify

DOMAIN = b"PICKET-revoke"


# --- 35.2: the tree --------------------------------------------------------------------------------------------------

def can_be_a_station(index): return 0 < index < 0xC000 and index & 0xFF != 0xFF


def above(index, depth): return depth, index >> (16 - depth)


def cover(next_index, revoked):
    """The nodes, (depth, prefix), in order."""
    nodes = []

    def look(depth, prefix):
        first = prefix << (16 - depth)
        if first >= next_index:
            return
        below = [r for r in revoked if above(r, depth) == (depth, prefix)]
        if not below:
            if depth < 16 or can_be_a_station(prefix):
                nodes.append((depth, prefix))
        elif depth < 16:
            look(depth + 1, prefix * 2)
            look(depth + 1, prefix * 2 + 1)

    look(0, 0)
    return nodes


def move_on(key, generations):
    for _ in range(generations):
        key = hkdf(key, b"PICKET-node-next")
    return key


def node_key(network_root, node, generation):
    root = hkdf(network_root, b"PICKET-tree")
    return move_on(hkdf(root, b"PICKET-node" + u8(node[0]) + u16(node[1])), generation)


def paths(network_root, index, generation):
    """As a keyfill has them."""
    return u8(generation) + b"".join(node_key(network_root, above(index, d), generation) for d in range(17))


def paths_moved_on(held, generation):
    keys = [held[1 + 32 * n:33 + 32 * n] for n in range(17)]
    return u8(generation) + b"".join(move_on(key, generation - held[0]) for key in keys)


def seed(network_root, generation): return hkdf(network_root, b"PICKET-seed" + u8(generation))[:16]
def network_key(seed_, generation): return hkdf(seed_, b"PICKET-network" + u8(generation))


# --- 35.3: REVOKE ----------------------------------------------------------------------------------------------------

@dataclass
class Revoke:
    generation: int
    roster_version: int
    next_index: int
    revoked: list
    wraps: list
    signed: bytes
    signatures: list


def read(data):
    reader = Reader(data)
    need(reader.take(1) == b"\x01", "kind")
    generation, version, next_index = (number(reader.take(n)) for n in (1, 4, 2))
    need(generation > 0 and next_index <= 0xC000, "value")
    revoked = [number(reader.take(2)) for _ in range(number(reader.take(2)))]
    need(all(can_be_a_station(r) and r < next_index for r in revoked), "indices")
    need(revoked == sorted(set(revoked)) and len(revoked) <= 256, "indices")
    wraps = [reader.take(24) for _ in cover(next_index, revoked)]
    signed = data[:10 + 2 * len(revoked) + 24 * len(wraps)]
    signatures = [(number(reader.take(1)), reader.take(64)) for _ in range(number(reader.take(1)))]
    need([s for s, _ in signatures] == sorted({s for s, _ in signatures}) and len(signatures) <= 16, "signers")
    reader.end()
    return Revoke(generation, version, next_index, revoked, wraps, signed, signatures)


def verified(data, mission, authority, revokers=None):
    """revokers: (k, keys), or None where the authority signs alone."""
    revoke = read(data)
    k, keys = (1, {0: authority}) if revokers is None else (revokers[0], dict(enumerate(revokers[1], 1)))
    need(len(revoke.signatures) == k, "signatures")
    for signer, signature in revoke.signatures:
        need(signer in keys, "signer")
        verify(point(keys[signer]), DOMAIN, mission + revoke.signed, signature)
    return revoke


def open_seed(revoke, own, held):
    """With path keys of any earlier generation."""
    need(own not in revoke.revoked, "revoked")
    need(own < revoke.next_index, "enrolled later")
    need(held[0] < revoke.generation, "older")
    for node, wrapped in zip(cover(revoke.next_index, revoke.revoked), revoke.wraps, strict=True):
        if above(own, node[0]) == node:
            key = move_on(held[1 + 32 * node[0]:33 + 32 * node[0]], revoke.generation - 1 - held[0])
            try:
                return aes_key_unwrap(key, wrapped)
            except InvalidUnwrap as e:
                raise Refused("keys") from e
    raise Refused("keys")


def make(network_root, signers, mission, generation, roster_version, next_index, revoked):
    """signers: [(number, secret key)]."""
    body = b"\x01" + u8(generation) + u32(roster_version) + u16(next_index) + u16(len(revoked))
    body += b"".join(u16(r) for r in revoked)
    for node in cover(next_index, revoked):
        body += aes_key_wrap(node_key(network_root, node, generation - 1), seed(network_root, generation))
    signatures = b"".join(u8(n) + sign(secret, DOMAIN, mission + body) for n, secret in signers)
    return body + u8(len(signers)) + signatures


# --- 35.5: objects ---------------------------------------------------------------------------------------------------

def object_id(data): return sha256(b"PICKET-object", data)[:4]
def whole_frame(data): return b"\x43\x01" + data
def topic(mission, kind): return sha256(b"PICKET-objects", mission, u8(kind))[:16]
