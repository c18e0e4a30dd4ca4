"""Rosters, keyfills, device secrets and claims, written from firmware/spec/30-roster.md alone."""

from dataclasses import dataclass, field

from picket_spec import (Reader, compressed, derive_key_pair, ecdh, hkdf, is_name, need, number, point, secret_key,
                         sha256, u8, u16, u32, verify)

FORMAT = 1


def open_file(data, magic):
    """30.1: what follows magic and format."""
    need(data[:8] == magic, "magic")
    need(len(data) >= 10, "short")
    need(number(data[8:10]) == FORMAT, "format")
    return data[10:]


def mission_of(authority_key):
    return sha256(authority_key)[:8]


# --- 30.2, 30.4: the roster ------------------------------------------------------------------------------------------

@dataclass
class Station:
    index: int
    is_gateway: bool
    name: bytes
    identity: bytes
    agreement: bytes
    first_epoch: int
    epochs: int
    keys_at: int
    listed_from: int = 0                           # 30.16: where the keys listed now begin
    replaced: int = 0


@dataclass
class Roster:
    version: int
    authority: bytes
    mission: bytes
    name: bytes
    issued: int = 0
    start: int = 0
    epoch_length: int = 0
    delay: int = 0
    padding: int = 0
    next_index: int = 0
    stations: list = field(default_factory=list)
    revokers: tuple = None                         # k and keys, 35.4
    generation: int = 0
    revoked: list = field(default_factory=list)
    keys: list = field(default_factory=list)

    def station(self, index):
        found = [s for s in self.stations if s.index == index]
        need(found, "no such station")
        return found[0]

    def epoch_key(self, index, epoch, which):
        """E, R or P of a station, as a point."""
        station = self.station(index)
        need(station.listed_from <= epoch < station.listed_from + station.epochs, "no key of this epoch")
        record = self.keys[station.keys_at + epoch - station.listed_from]
        at = 33 * "ERP".index(which)
        return point(record[at:at + 33])

    def delay_epochs(self):
        return -(-self.delay // self.epoch_length)


NEEDED_OF_ROSTER = (1, 2, 3, 4, 5)
KNOWN_OF_ROSTER = (*NEEDED_OF_ROSTER, 6, 7, 8)


def read_roster(data, authority=None):
    """Verifies, then reads. Without `authority` the one inside is taken: for a keyfill, whose owner section names it."""
    body = open_file(data, b"PKROSTER")
    need(len(body) >= 68, "short")
    bodies = sections(body[4:-64], KNOWN_OF_ROSTER)
    need(all(t in bodies for t in NEEDED_OF_ROSTER), "a section is missing")
    inside = bodies[1][:33]
    need(authority is None or inside == authority, "another authority")                                      # R-30.2-2
    verify(point(inside), b"PICKET-roster", data[:-64], data[-64:])                                          # R-30.2-1
    mission = Reader(bodies[1][33:])
    name = mission.take(number(mission.take(1)))
    mission.end()
    need(is_name(name, 32), "name")
    roster = Roster(version=number(body[:4]), authority=inside, mission=mission_of(inside), name=name)
    read_times(roster, Reader(bodies[2]))
    need(len(bodies[3]) == 1 and bodies[3][0] <= 3, "policy")
    roster.padding = bodies[3][0]
    read_stations(roster, Reader(bodies[4]))
    need(len(bodies[5]) % 99 == 0, "keys")
    roster.keys = [bodies[5][at:at + 99] for at in range(0, len(bodies[5]), 99)]
    need(len(roster.keys) == sum(s.epochs for s in roster.stations), "keys")
    need(all(record[at] in (2, 3) for record in roster.keys for at in (0, 33, 66)), "not a compressed point")
    read_revocation(roster, bodies)
    if 8 in bodies:
        read_windows(roster, bodies[8])
    return roster


def read_windows(roster, body):
    """30.16: section 8."""
    need(body and len(body) % 8 == 0, "windows")
    last = 0
    for at in range(0, len(body), 8):
        index, start, replaced = number(body[at:at + 2]), number(body[at + 2:at + 6]), number(body[at + 6:at + 8])
        station = roster.station(index)
        need(last < index and not station.is_gateway, "windows out of order")
        need(start >= station.first_epoch and (start > station.first_epoch or replaced > 0), "says nothing")
        need(start + station.epochs < 1 << 32, "windows")
        station.listed_from, station.replaced, last = start, replaced, index


def read_revocation(roster, bodies):
    """35.4: sections 6 and 7."""
    if 6 in bodies:
        k, keys = bodies[6][0], [bodies[6][at:at + 33] for at in range(1, len(bodies[6]), 33)]
        need(1 <= k <= len(keys) <= 16 and len(set(keys)) == len(keys), "revokers")
        need(all(len(key) == 33 and key[0] in (2, 3) for key in keys), "revokers")
        roster.revokers = (k, keys)
    if 7 in bodies:
        reader = Reader(bodies[7])
        roster.generation = number(reader.take(1))
        while reader.left():
            roster.revoked.append(number(reader.take(2)))
        need(roster.generation > 0 and roster.revoked == sorted(set(roster.revoked)), "revoked")
        need(not {s.index for s in roster.stations} & set(roster.revoked), "revoked and listed")


def roster_hash(data):
    return sha256(data[:-64])


def read_times(roster, data):
    roster.issued, roster.start = number(data.take(8)), number(data.take(8))
    roster.epoch_length, roster.delay = number(data.take(4)), number(data.take(4))
    data.end()
    need(60 <= roster.epoch_length <= 7 * 86400 and 1 <= roster.delay <= 30 * 86400, "times")                # R-30.2-5
    need(roster.delay_epochs() <= 14, "times")


def read_stations(roster, data):
    roster.next_index = number(data.take(4))
    keys_at, last = 0, 0
    while data.left():
        station = read_station(Reader(data.take(112)))
        need(last < station.index < roster.next_index and station.index & 0xFF != 0xFF, "index")             # R-30.4-1
        need(station.keys_at == keys_at, "keys at")
        need(not station.is_gateway or station.epochs == 0, "a gateway with keys")
        need(all(key[0] in (2, 3) for key in (station.identity, station.agreement)), "not a compressed point")
        keys_at, last = keys_at + station.epochs, station.index
        roster.stations.append(station)


def read_station(data):
    index, kind, length = number(data.take(2)), number(data.take(1)), number(data.take(1))
    padded = data.take(32)
    need(kind <= 1 and length <= 32 and padded[length:] == bytes(32 - length), "station")
    need(is_name(padded[:length], 32), "name")
    station = Station(index, kind == 1, padded[:length], data.take(33), data.take(33), number(data.take(4)),
                      number(data.take(2)), number(data.take(4)))
    station.listed_from = station.first_epoch
    return station


def sections(data, known):
    """30.2: {type: body}; unknown ones are skipped unless critical."""
    reader, found, last = Reader(data), {}, -1
    while reader.left():
        kind, length = reader.varint(), reader.varint()
        kind, critical = kind >> 1, kind & 1
        need(kind > last, "sections out of order")
        last, body = kind, reader.take(length)
        need(kind in known or not critical, "unknown critical section")                                      # R-30.2-3
        if kind in known:
            found[kind] = body
    return found


# --- 30.3: a device's keys -------------------------------------------------------------------------------------------

class Device:
    """What the secrets file holds, or what 32 bytes of randomness become."""

    def __init__(self, identity, agreement, first_epoch, seeds):
        self.identity, self.agreement, self.first_epoch, self.seeds = identity, agreement, first_epoch, seeds

    @classmethod
    def from_randomness(cls, s, epochs, first_epoch):
        def seed(label, n): return hkdf(s, b"PICKET-device" + label + u16(n))
        seeds = [tuple(seed(label, n) for label in (b"E", b"R", b"P")) for n in range(epochs)]
        return cls(derive_key_pair(seed(b"IS", 0)), derive_key_pair(seed(b"IK", 0)), first_epoch, seeds)

    @classmethod
    def from_file(cls, data):
        reader = Reader(open_file(data, b"PKSECRET"))
        identity, agreement = secret_key(reader.take(32)), secret_key(reader.take(32))
        first, seeds = number(reader.take(4)), []
        for _ in range(number(reader.take(2))):
            present = number(reader.take(1))
            triple = [reader.take(32) for _ in "ERP"]
            for bit, seed in enumerate(triple):
                need(present >> bit & 1 or seed == bytes(32), "an erased seed is not zeros")
            need(present < 8, "present")
            seeds.append([seed if present >> bit & 1 else None for bit, seed in enumerate(triple)])
        reader.end()
        return cls(identity, agreement, first, seeds)

    def seed(self, epoch, which):
        need(self.first_epoch <= epoch < self.first_epoch + len(self.seeds), "no seed of this epoch")
        seed = self.seeds[epoch - self.first_epoch]["ERP".index(which)]
        need(seed is not None, "erased")
        return seed


# --- 30.6, 30.7: keys of pairs ---------------------------------------------------------------------------------------

def ratchet(key, steps):
    need(steps >= 0, "a ratcheted key cannot go back")
    for _ in range(steps):
        key = hkdf(key, b"PICKET-next")
    return key


def pairing_secret(pairing_root, member):
    return hkdf(pairing_root, b"PICKET-pairing" + u16(member))


def pair_key(d, x, y):
    return hkdf(d, b"PICKET-pair" + u16(x) + u16(y))


def link_key(mission, secret, public, generation):
    return hkdf(ecdh(secret, public), b"PICKET-link" + u8(generation), salt=mission)


def network_key(network_root, generation):
    return hkdf(network_root, b"PICKET-network" + u8(generation))


# --- 30.8: claims ----------------------------------------------------------------------------------------------------

def claim_message(mission, member, gateway, sequence):
    return mission + u16(member) + u16(gateway) + u32(sequence)


def verify_claim(roster, member, gateway, sequence, signature):
    station = roster.station(member)
    need(not station.is_gateway, "not a member")
    verify(point(station.identity), b"PICKET-claim", claim_message(roster.mission, member, gateway, sequence), signature)


# --- 30.10: keyfills -------------------------------------------------------------------------------------------------

@dataclass
class Keyfill:
    index: int
    roster: Roster
    generation: int
    network_key: bytes
    pairing: tuple = None                          # epoch and d
    pairs: dict = field(default_factory=dict)      # index: (epoch, key)
    secrets: Device = None
    paths: bytes = None                            # generation and seventeen keys, 35.2

    def psk(self, peer, epoch):
        """The pre-shared key with a peer in an epoch, either way round."""
        own = self.index
        if peer < own:
            need(peer in self.pairs, "no pre-shared key")
            at, key = self.pairs[peer]
            return ratchet(key, epoch - at)
        need(self.pairing is not None and peer != own, "no pre-shared key")
        at, d = self.pairing
        station = self.roster.station(peer)
        need(not station.is_gateway, "no pre-shared key")
        first = station.first_epoch
        return ratchet(pair_key(ratchet(d, first - at), peer, own), epoch - first)


KNOWN_OF_KEYFILL = (1, 2, 3, 4, 5, 6, 7)


def read_keyfill(data):
    body = open_file(data, b"PKKEYFIL")
    need(len(body) >= 8 and sha256(data[:-8])[:8] == data[-8:], "damaged")
    bodies = sections(body[:-8], KNOWN_OF_KEYFILL)
    need(all(t in bodies for t in (1, 2, 5)), "a section is missing")
    owner = Reader(bodies[1])
    mission, authority, index = owner.take(8), owner.take(33), number(owner.take(2))
    owner.end()
    need(mission == mission_of(authority), "mission")
    roster = read_roster(bodies[5], authority)                                                              # R-30.10-2
    need(len(bodies[2]) == 33, "network")
    keyfill = Keyfill(index, roster, bodies[2][0], bodies[2][1:])
    gateway = roster.station(index).is_gateway
    need(not gateway or not (3 in bodies or bodies.get(4)), "a gateway with end-to-end material")           # R-30.10-1
    need(gateway or 3 in bodies, "a member without pairing")
    read_pairs(keyfill, bodies)
    keyfill.paths = bodies.get(7)
    if 6 in bodies:
        keyfill.secrets = Device.from_file(bodies[6])
        keyfill.secrets.first_epoch = roster.station(index).first_epoch                                     # 30.3
        check_owner(keyfill, keyfill.secrets)
    return keyfill


def read_pairs(keyfill, bodies):
    if 3 in bodies:
        need(len(bodies[3]) == 36, "pairing")
        keyfill.pairing = (number(bodies[3][:4]), bodies[3][4:])
    reader, last = Reader(bodies.get(4, b"")), 0
    while reader.left():
        peer, epoch, key = number(reader.take(2)), number(reader.take(4)), reader.take(32)
        need(last < peer < keyfill.index, "pre-shared keys out of order")
        keyfill.pairs[peer], last = (epoch, key), peer


def check_owner(keyfill, device):
    """R-30.10-3: the roster's public halves of the owner are the device's own."""
    station = keyfill.roster.station(keyfill.index)
    need(compressed(device.identity.public_key()) == station.identity, "another device")
    need(compressed(device.agreement.public_key()) == station.agreement, "another device")
    need(len(device.seeds) == station.epochs, "another device")


# --- 30.9: requests --------------------------------------------------------------------------------------------------

@dataclass
class Request:
    is_gateway: bool
    name: bytes
    identity: bytes
    agreement: bytes
    keys: list


def read_request(data):
    need(len(data) > 74, "short")
    reader = Reader(open_file(data[:-64], b"PKREQST\x0a"))
    kind = number(reader.take(1))
    name = reader.take(number(reader.take(1)))
    identity, agreement = reader.take(33), reader.take(33)
    keys = [(reader.take(33), reader.take(33), reader.take(33)) for _ in range(number(reader.take(2)))]
    reader.end()
    need(kind <= 1 and is_name(name, 32), "kind or name")
    need(len(keys) == 0 if kind else 1 <= len(keys) <= 64, "count")
    for key in (agreement, *(k for triple in keys for k in triple)):
        point(key)
    verify(point(identity), b"PICKET-request", data[:-64], data[-64:])
    return Request(kind == 1, name, identity, agreement, keys)


# --- 30.11: key verification -----------------------------------------------------------------------------------------

def fingerprint(mission, index, identity, agreement):
    return sha256(b"PICKET-fpr", mission, u16(index), identity, agreement)


def safety(mission, one, other):
    """Each side: index and fingerprint."""
    (_, low), (_, high) = sorted((one, other))
    return sha256(b"PICKET-safety", mission, low, high)


def digits(data):
    return " ".join(f"{number(data[at:at + 4]) % 100_000:05}" for at in range(0, 32, 4))


def words(data):
    """Positions in the list of 2 048."""
    return [number(data) >> (256 - 11 * (n + 1)) & 0x7FF for n in range(12)]
