"""Sealed keyfills, parts for QR codes and the authority's log, written from firmware/spec/30-roster.md (30.12, 30.13,
30.15) and RFC 9180 alone."""

import base64

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from picket_roster import mission_of, open_file, read_keyfill
from picket_spec import (HPKE, KEM, Reader, Refused, ecdh, is_name, labeled_expand, labeled_extract, need, number, point,
                         sha256, u8, uncompressed, verify)


def key_schedule(shared, info):
    """RFC 9180 5.1, mode base: key and base nonce."""
    context = u8(0) + labeled_extract(HPKE, b"", b"psk_id_hash", b"") + labeled_extract(HPKE, b"", b"info_hash", info)
    secret = labeled_extract(HPKE, shared, b"secret", b"")
    return labeled_expand(HPKE, secret, b"key", context, 32), labeled_expand(HPKE, secret, b"base_nonce", context, 12)


def decapsulate(enc, own):
    """RFC 9180 4.1, without authentication."""
    context = uncompressed(enc) + uncompressed(own.public_key())
    prk = labeled_extract(KEM, b"", b"eae_prk", ecdh(own, enc))
    return labeled_expand(KEM, prk, b"shared_secret", context, 32)


# --- 30.12: sealed keyfills ------------------------------------------------------------------------------------------

def request_hash(request):
    return sha256(request[:-64])


def open_sealed(data, agreement, request, last_issue=None):
    """The keyfill's bytes and its issue; `agreement` is the device's IK, `request` what it sent to the authority."""
    need(len(data) > 64, "short")
    reader = Reader(open_file(data[:-64], b"PKSEALED"))
    mission, authority, index = reader.take(8), reader.take(33), number(reader.take(2))
    wanted, version, issue = reader.take(32), number(reader.take(4)), number(reader.take(4))
    name = reader.take(number(reader.take(1)))
    need(mission == mission_of(authority) and is_name(name, 32), "head")
    head = data[:10 + reader.at]
    enc, body = point(reader.take(33)), reader.take(reader.left())
    verify(point(authority), b"PICKET-sealed", data[:-64], data[-64:])                                      # R-30.12-2
    need(wanted == request_hash(request), "another device")                                                 # R-30.12-1
    need(last_issue is None or issue > last_issue, "not newer")                                             # R-30.12-4
    key, nonce = key_schedule(decapsulate(enc, agreement), b"PICKET-sealed")
    try:
        inside = AESGCM(key).decrypt(nonce, body, head)
    except (InvalidTag, ValueError):
        raise Refused("does not open") from None
    keyfill = read_keyfill(inside)
    same = (keyfill.roster.authority, keyfill.index, keyfill.roster.version) == (authority, index, version)
    need(same and keyfill.roster.station(index).name == name, "inside and outside differ")                  # R-30.12-3
    return inside, issue


# --- 30.13: parts ----------------------------------------------------------------------------------------------------

def join(parts):
    found, sets = {}, set()
    for part in parts:
        fields = part.strip().upper().split("/", 4)
        need(len(fields) == 5 and fields[0] == "PICKETQ1", "not a part")
        n, m = int(fields[2]), int(fields[3])
        need(1 <= n <= m <= 999 and found.get(n, fields[4]) == fields[4], "part")
        found[n] = fields[4]
        sets.add((fields[1], m))
    need(len(sets) == 1, "parts of several files")                                                          # R-30.13-2
    (name, m), = sets
    need(len(found) == m, "parts are missing")
    whole = b"".join(unbase32(found[n]) for n in range(1, m + 1))
    need(sha256(whole)[:8] == unbase32(name), "checksum")
    return whole


def unbase32(text):
    return base64.b32decode(text + "=" * (-len(text) % 8))


# --- 30.15: the log --------------------------------------------------------------------------------------------------

def check_log(log, head, authority):
    """The entries; refuses with the number of the first that does not hold."""
    body = open_file(log, b"PKAUDIT\n")
    need(body[:33] == authority, "entry 0: another authority")
    need(len(head) == 110, "entry 0: head")
    end = open_file(head, b"PKAUHEAD")
    verify(point(authority), b"PICKET-audit-head", head[:-64], head[-64:])
    count, last = number(end[:4]), end[4:36]
    reader, previous, entries = Reader(body[33:]), sha256(log[:43]), []
    while reader.left():
        place, start = len(entries) + 1, reader.at
        try:
            entry = read_entry(reader)
            need(entry["number"] == place, "not in its place")
            need(entry["previous"] == previous, "does not follow")
            whole = body[33 + start:33 + reader.at]
            verify(point(authority), b"PICKET-audit", whole[:-64], whole[-64:])
        except Refused as why:
            raise Refused(f"entry {place}: {why}") from None
        need(place <= count, f"entry {place}: beyond the head")
        previous = sha256(whole)
        entries.append(entry)
    need(len(entries) == count, f"entry {len(entries) + 1}: cut off")
    need(previous == last, f"entry {count}: not the head's")
    return entries


def read_entry(reader):
    entry = {"number": number(reader.take(4)), "previous": reader.take(32), "time": number(reader.take(8)),
             "act": number(reader.take(1)), "name": reader.take(number(reader.take(1)))}
    entry |= {"detail": number(reader.take(4)), "output": reader.take(32)}
    reader.take(64)
    need(1 <= entry["act"] <= 10 and is_name(entry["name"], 32), "form")
    return entry
