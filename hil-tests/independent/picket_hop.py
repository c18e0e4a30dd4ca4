"""Hop frames, control messages and fragment headers, written from firmware/spec/10-wire.md and 20-control.md alone."""

import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from picket_spec import WIRE_VERSION, Envelope, Reader, hkdf, mac, need, number, sha256, u8, u16

# --- 10.2, 10.3, 10.6, 10.7: hop frames ------------------------------------------------------------------------------

ENVELOPE, FRAGMENT, CONTROL = 0, 1, 2
MASKED_TO = {ENVELOPE: 13, FRAGMENT: 12, CONTROL: 4}
LONGEST_BODY = {ENVELOPE: 65536, FRAGMENT: 65536, CONTROL: 160}


def network_keys(nk, generation):
    def key(label, length): return hkdf(nk, label, salt=u8(generation), length=length)
    return {"mac": key(b"PICKET-net-mac", 32), "mask": key(b"PICKET-net-mask", 16), "topic": key(b"PICKET-net-topic", 32)}


def topic(topic_key, kind, destination):
    return mac(topic_key, b"mq", u8(kind), u16(destination))[:16].hex()


def hop_key(link_key, sender, receiver):
    return mac(link_key, b"PICKET-hop", u8(0 if sender < receiver else 1))


def mask(mask_key, frame):
    end = MASKED_TO[frame[0] & 3]
    sample = frame[max(end, len(frame) - 16):].ljust(16, b"\x00")
    stream = Cipher(algorithms.AES(mask_key), modes.ECB()).encryptor().update(sample)
    return frame[:1] + bytes(a ^ b for a, b in zip(frame[1:end], stream)) + frame[end:]


def hop_mac(key, unmasked, prefix=b"", suffix=b""):
    return mac(key, u8(len(prefix)), u8(len(suffix)), prefix, unmasked, suffix)[:4]


def frame(kind, to, sender, body, key, mask_key, generation, prefix=b"", suffix=b""):
    need(len(body) <= LONGEST_BODY[kind], "body")
    unmasked = u8(WIRE_VERSION << 5 | (generation & 7) << 2 | kind) + u8(to & 0xFF) + u8(sender & 0xFF) + body
    return mask(mask_key, unmasked + hop_mac(key, unmasked, prefix, suffix))


def unframe(data, key, mask_key, generation, prefix=b"", suffix=b""):
    """(kind, to, from, body)"""
    need(len(data) >= 1, "short")
    need(data[0] >> 5 == WIRE_VERSION, "version")
    kind = data[0] & 3
    need(kind in MASKED_TO, "kind")
    need(len(data) >= MASKED_TO[kind] + 5, "short")
    need(len(data) - 7 <= LONGEST_BODY[kind], "long")
    need(data[0] >> 2 & 7 == generation & 7, "generation")
    unmasked = mask(mask_key, data)
    need(hmac.compare_digest(hop_mac(key, unmasked[:-4], prefix, suffix), unmasked[-4:]), "mac")
    return kind, unmasked[1], unmasked[2], unmasked[3:-4]


def check_body(kind, body):
    """Refuses what a frame of this kind may not carry."""
    {ENVELOPE: Envelope.decode, FRAGMENT: read_fragment, CONTROL: read_control}[kind](body)


# --- 20.6: fragments -------------------------------------------------------------------------------------------------

def read_fragment(body):
    need(len(body) >= 9, "short")
    first, sizes, size, data = number(body[2:4]), number(body[4:7]), body[7], body[9:]
    total = sizes & 0x1FFFF
    need(22 <= total <= 65536 and not sizes >> 17 & 1, "total")
    need(size >= 1 and data and len(data) % size == 0, "symbols")
    need(-(-(total + 8) // size) <= 4096, "too many symbols")
    need((first & 0x7FFF) + len(data) // size - 1 <= 0x7FFF, "symbol id")
    return {"prefix": body[:2].hex(), "turn": bool(first >> 15), "esi": first & 0x7FFF, "hop_limit": sizes >> 20,
            "round": sizes >> 18 & 3, "total": total, "symbol": size, "lifetime": body[8], "data": data.hex()}


# --- 20.2, 20.3: control messages ------------------------------------------------------------------------------------

def up_to(most):
    def read(reader):
        value = reader.varint()
        need(value <= most, "out of range")
        return value
    return read


def byte_up_to(most):
    def read(reader):
        value = number(reader.take(1))
        need(value <= most, "out of range")
        return value
    return read


def fixed(length): return lambda reader: reader.take(length).hex()


def flag(reader): return bool(byte_up_to(1)(reader))


def total(reader):
    value = reader.varint()
    need(22 <= value <= 65536, "total")
    return value


def prefixes(reader):
    count = reader.varint()
    need(1 <= count <= 15, "count")
    return [reader.take(2).hex() for _ in range(count)]


def rooms(reader):
    listed = [INDEX(reader) for _ in range(up_to(16)(reader))]
    need(listed == sorted(set(listed)), "order")
    need(all(room >= 0xC000 and room & 0xFF != 0xFF for room in listed), "no room")
    return listed


INDEX, SEQUENCE, PREFIX, EIGHT = up_to(0xFFFF), up_to(0xFFFFFFFF), fixed(2), fixed(8)
CLAIM = [("member", INDEX), ("gateway", INDEX), ("sequence", SEQUENCE), ("signature", fixed(64))]
MESSAGES = [
    ("hello", [("index", INDEX), ("gateway", flag), ("answer", flag)]),
    ("attach", CLAIM),
    ("attached", [("sequence", SEQUENCE), ("held", INDEX)]),
    ("drained", [("sequence", SEQUENCE)]),
    ("claim", CLAIM),
    ("ack", [("prefix", PREFIX)]),
    ("ack_delivered", [("prefix", PREFIX), ("token", EIGHT)]),
    ("refuse", [("prefix", PREFIX), ("reason", byte_up_to(5)), ("retry", INDEX)]),
    ("receipt", [("to", INDEX), ("hops", byte_up_to(15)), ("id", EIGHT), ("kind", byte_up_to(1)), ("token", EIGHT)]),
    ("notice", [("to", INDEX), ("hops", byte_up_to(15)), ("id", EIGHT), ("reason", byte_up_to(3)), ("gateway", INDEX),
                ("mac", EIGHT)]),
    ("symbol_report", [("prefix", PREFIX), ("need", INDEX), ("next", INDEX), ("noise", byte_up_to(255))]),
    ("poll", [("prefix", PREFIX)]),
    ("announce", [("id", EIGHT), ("total", total)]),
    ("ack_many", [("prefixes", prefixes)]),
    ("listens", [("member", INDEX), ("sequence", SEQUENCE), ("rooms", rooms), ("signature", fixed(64))]),
]


def read_control(body):
    need(len(body) >= 1 and body[0] < len(MESSAGES), "unknown type")
    name, fields = MESSAGES[body[0]]
    reader = Reader(body[1:])
    message = {"type": name, **{key: read(reader) for key, read in fields}}
    reader.end()
    return message


def parcel_identity(body):
    """20.4: of a receipt, notice or claim."""
    message = read_control(body)
    if message["type"] in ("receipt", "notice"):
        hops_at = 1 + varint_length(body[1:])
        body = body[:hops_at] + b"\x00" + body[hops_at + 1:]
    return sha256(b"PICKET-parcel", body)[:16]


def varint_length(data):
    return next(n for n, byte in enumerate(data) if byte < 0x80) + 1


def offer(envelope):
    """20.5: the suffix of an answer to one offer of an envelope."""
    return sha256(b"PICKET-id", envelope[0:5], envelope[7:])[:16] + u8(envelope[5] & 0xFC)


def offers(envelopes):
    return sha256(*(offer(e) for e in envelopes))


def notice_mac(link_key, identifier, reason):
    return mac(link_key, b"PICKET-notice", identifier, u8(reason))[:8]
