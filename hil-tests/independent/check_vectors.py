#!/usr/bin/env python3
"""Holds this implementation to every frozen vector of firmware/spec/vectors that it covers. Prints how many held.

usage: check_vectors.py [FOLDER WITH THE VECTORS]
"""

import json
import sys
from pathlib import Path

import picket_extend as extend
import picket_hop as hop
import picket_revoke as revocation
import picket_provision as provision
import picket_roster as roster
import picket_rooms as rooms
from member import PADDING, content_of, fields_of
from picket_spec import (Content, Envelope, Receiver, Refused, Sender, Session, compressed,
                         derive_key_pair, identity, lane_of, lifetime_code, lifetime_seconds, point, receiver_root, secret_key,
                         sender_root, message_key_at, slot_chain, unseal)

HERE = Path(__file__).resolve().parent
held = 0


def same(got, expected, what):
    global held
    if got != expected:
        sys.exit(f"{what}: {got!r} is not {expected!r}")
    held += 1


def refused(action, what):
    global held
    try:
        action()
    except Refused:
        held += 1
        return
    sys.exit(f"{what}: not refused")


def load(folder, name):
    return json.loads((folder / f"{name}.json").read_text())


def unhex(text): return bytes.fromhex(text)


def check_seal(v):
    mission, own, peer = unhex(v["mission"]), secret_key(unhex(v["alpha_ik_secret"])), point(unhex(v["bravo_ik"]))
    psk = unhex(v["psk"])
    bravo = roster.Device.from_randomness(bytes([0x0B]) * 32, 12, 0)
    same(compressed(bravo.agreement.public_key()), compressed(peer), "bravo's IK")
    for s in v["sessions"]:
        session = Session(mission, 1, 2, v["epoch"], s["sid"])
        placed = s["sid"] == 0
        seed = unhex(v["alpha_seed_e"] if placed else s["randomness"])
        receiving = derive_key_pair(bravo.seed(v["epoch"], "R" if placed else "P"))
        same(compressed(receiving.public_key()), unhex(v["bravo_r" if placed else "bravo_p"]), "bravo's R or P")
        root, enc = sender_root(session, seed, receiving.public_key(), psk, own)
        same(receiver_root(session, enc, receiving, psk, own.public_key()), root, "both ends' root")
        enc = compressed(enc)
        prekey = None if placed else bytes([(v["epoch"] & 63) << 1 | enc[0] & 1]) + enc[1:]
        sender, receiver = Sender(session, root, prekey), Receiver(session, root)
        check_messages(session, root, sender, receiver, s["messages"])
        for slot in s.get("slots", []):
            lane, number = lane_of(slot["slot"])
            lane_root, _ = sender_root(session, seed, receiving.public_key(), psk, own, lane)
            chain = slot_chain(lane_root, number)
            sender, receiver = Sender(session, chain, None, slot["slot"]), Receiver(session, chain)
            check_messages(session, chain, sender, receiver, slot["messages"])


def check_messages(session, root, sender, receiver, messages):
    for m in messages:
        check_message(sender, m)
    for m in reversed(messages):
        opened, delivered, read = receiver.open(unhex(m["envelope"]))
        same((opened.hex(), delivered.hex(), read.hex()), (m["content"], m["delivered"], m["read"]), m["name"])
    for m in messages:
        refused(lambda: receiver.open(unhex(m["envelope"])), f"{m['name']} again")
        every_change_is_refused(session, root, m)


def check_message(sender, m):
    content = content_of(m["fields"])
    same(content.encode(PADDING[m["padding"]]).hex(), m["content"], f"{m['name']}: content")
    same(fields_of(Content.decode(unhex(m["content"]))), m["fields"], f"{m['name']}: fields")
    clear = Envelope.decode(unhex(m["envelope"]))
    sender.prekey = clear.prekey and sender.prekey
    sealed, delivered, read = sender.seal(unhex(m["content"]), kind=clear.kind, precedence=clear.precedence,
                                          hop_limit=clear.hop_limit, lifetime=clear.lifetime)
    same(sealed.hex(), m["envelope"], f"{m['name']}: envelope")
    same((identity(sealed).hex(), delivered.hex(), read.hex()), (m["identity"], m["delivered"], m["read"]), m["name"])


def every_change_is_refused(session, root, m):
    envelope = unhex(m["envelope"])
    key = message_key_at(root, m["counter"])
    for at in range(len(envelope)):
        changed = envelope[:at] + bytes([envelope[at] ^ 0x10]) + envelope[at + 1:]
        if at in (5, 6):                                          # hop byte and lifetime change on the way
            same(unseal(session, key, m["counter"], changed).hex(), m["content"], "hop byte or lifetime")
        elif at in (7, 8, 9):                                     # low bits: the session and key they lead to are others
            continue
        else:
            refused(lambda: unseal(session, key, m["counter"], changed), f"{m['name']}, byte {at} changed")


def check_envelopes(v):
    for e in v["envelopes"]:
        data, f = unhex(e["hex"]), e["fields"]
        envelope = Envelope.decode(data)
        same(envelope.encode(), data, e["name"])
        same(identity(data).hex(), e["identity"], e["name"])
        same((envelope.destination, envelope.source, envelope.epoch, envelope.sid, envelope.counter, envelope.hop_limit,
              envelope.round, envelope.flags, envelope.lifetime, envelope.lane, envelope.sealed.hex()),
             (f["destination"], f["source"], f["epoch_low"], f["session_low"], f["counter_low"], f["hop_limit"],
              f["round"], f["flags"], f["lifetime"], f["lane"], f["sealed"]), e["name"])


def check_keys(v):
    keys = hop.network_keys(unhex(v["nk"]), v["generation"])
    same({k: keys[k].hex() for k in keys}, {k: v[k] for k in keys}, "network keys")
    kinds = ["member", "gateway", "claims", "listens"]
    for t in v["topics"]:
        same(hop.topic(keys["topic"], kinds.index(t["kind"]), t["destination"]), t["name"], "topic")
    for t in v["toward"]:
        same(hop.hop_key(unhex(v["link_key"]), t["from"], t["to"]).hex(), t["key"], "hop key")
    for l in v["lifetimes"]:
        same(lifetime_seconds(l["code"]), l["seconds"], "lifetime")
    for l in v["lifetime_floors"]:
        same(lifetime_code(l["seconds"]), l["code"], "lifetime")


def frame_keys(v):
    keys = hop.network_keys(unhex(v["nk"]), v["generation"])
    return keys, hop.hop_key(unhex(v["link_key"]), v["from_index"], v["to_index"])


def check_frames(v):
    keys, pair = frame_keys(v)
    for f in v["frames"]:
        key = pair if f["key"] == "pairwise" else keys["mac"]
        data, prefix, suffix = unhex(f["hex"]), unhex(f["prefix"]), unhex(f["suffix"])
        kind, to, sender, body = hop.unframe(data, key, keys["mask"], v["generation"], prefix, suffix)
        same((to, sender), (f["to"], f["from"]), f["name"])
        same(hop.mask(keys["mask"], data).hex(), f["unmasked"], f["name"])
        same(hop.frame(kind, to, sender, body, key, keys["mask"], v["generation"], prefix, suffix), data, f["name"])
        hop.check_body(kind, body)
        for at in range(len(data)):
            changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
            refused(lambda: hop.unframe(changed, key, keys["mask"], v["generation"], prefix, suffix), f["name"])


def check_errors(v):
    keys, pair = frame_keys(v)

    def whole(data):
        kind, _, _, body = hop.unframe(data, pair, keys["mask"], v["generation"])
        hop.check_body(kind, body)

    for e in v["frames"]:
        refused(lambda: whole(unhex(e["hex"])), e["name"])
    for e in v["envelopes"]:
        refused(lambda: Envelope.decode(unhex(e["hex"])), e["name"])
    for e in v["controls"]:
        refused(lambda: hop.read_control(unhex(e["hex"])), e["name"])


def check_controls(v):
    for c in v["controls"]:
        data, message = unhex(c["hex"]), hop.read_control(unhex(c["hex"]))
        for key in ("type", "prefix", "prefixes", "id", "to", "hops", "token", "total", "sequence", "signature", "need"):
            if key in message and key in c["fields"]:
                same(message[key], c["fields"][key], f"{c['name']}: {key}")
        if c["parcel_identity"]:
            same(hop.parcel_identity(data).hex(), c["parcel_identity"], c["name"])


def check_roster(v):
    authority = unhex(v["authority"]["public"])
    root = unhex(v["authority"]["file"])
    same(root[:10], b"PKAUTHOR\x00\x01", "authority file")
    same(compressed(secret_key(root[10:42]).public_key()), authority, "AK")
    same(roster.network_key(root[74:], 0).hex(), v["authority"]["network_key_0"], "NK")
    device = roster.Device.from_randomness(unhex(v["device"]["randomness"]), 3, 0)
    for which, key in (("E", "seed_e_0"), ("R", "seed_r_0"), ("P", "seed_p_0")):
        same(device.seed(0, which).hex(), v["device"][key], key)
    for key in ("identity", "agreement"):
        same(number_of(getattr(device, key)), v["device"][key], key)
    r = v["roster"]
    data = unhex(r["hex"])
    read = roster.read_roster(data, authority)
    same(roster.roster_hash(data).hex(), r["hash"], "roster hash")
    same((read.version, read.name.decode(), read.issued, read.start, read.epoch_length, read.delay, read.next_index),
         (r["version"], r["mission_name"], r["issued_s"], r["epoch_start_s"], r["epoch_s"], r["max_delay_s"],
          r["next_index"]), "roster")
    for got, expected in zip(read.stations, r["stations"], strict=True):
        same((got.index, got.name.decode(), got.identity.hex(), got.agreement.hex(), got.first_epoch),
             (expected["index"], expected["name"], expected["identity"], expected["agreement"], expected["first_epoch"]),
             "station")
        same([k.hex() for k in read.keys[got.keys_at:got.keys_at + got.epochs]], expected["keys"], "keys")
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
        refused(lambda: roster.read_roster(changed, authority), f"roster, byte {at} changed")
    check_keyfills(v)
    claim = v["claim"]
    roster.verify_claim(read, claim["member"], claim["gateway"], claim["sequence"], unhex(claim["signature"]))
    refused(lambda: roster.verify_claim(read, 2, claim["gateway"], claim["sequence"], unhex(claim["signature"])), "claim")
    gateway = roster.read_keyfill(unhex(v["keyfills"][2]["hex"]))
    peer = point(read.station(1).agreement)
    same(roster.link_key(read.mission, gateway.secrets.agreement, peer, 5).hex(), v["link_key_1_3_generation_5"], "link key")
    request = roster.read_request(unhex(v["request"]["hex"]))
    same((request.name.decode(), request.is_gateway, len(request.keys)),
         (v["request"]["name"], v["request"]["kind"] == "gateway", v["request"]["epochs"]), "request")


def check_keyfills(v):
    for k in v["keyfills"]:
        data = unhex(k["hex"])
        keyfill = roster.read_keyfill(data)
        same((keyfill.index, keyfill.generation), (k["own"], k["generation"]), "keyfill")
        for at in range(0, len(data), 7):
            changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
            refused(lambda: roster.read_keyfill(changed), f"keyfill, byte {at} changed")
        if keyfill.index <= 2:
            for epoch, psk in enumerate(v["psk_1_2"]):
                same(keyfill.psk(3 - keyfill.index, epoch).hex(), psk, "psk")
    root = unhex(v["authority"]["file"])[42:74]
    d = roster.pairing_secret(root, 1)
    same(roster.pair_key(d, 2, 1).hex(), v["psk_1_2"][0], "psk from the pairing root")


def check_verify(v, r):
    mission, prints = unhex(v["mission"]), {}
    for s in v["stations"]:
        print_ = roster.fingerprint(mission, s["index"], unhex(s["identity"]), unhex(s["agreement"]))
        prints[s["index"]] = print_
        same((print_.hex(), roster.digits(print_)), (s["fingerprint"], s["digits"]), "fingerprint")
    for p in v["pairs"]:
        for a, b in (p["of"], reversed(p["of"])):
            safety = roster.safety(mission, (a, prints[a]), (b, prints[b]))
            same((safety.hex(), roster.words(safety)), (p["safety"], p["words"]), "safety")
    same(roster.digits(unhex(r["roster"]["hash"])), v["roster_digits"], "roster digits")


def check_rooms(v):
    chain = rooms.Chain(unhex(v["mission"]), unhex(v["room"]), v["index"], v["sender"], v["generation"], v["epoch"],
                        unhex(v["incarnation"]))
    secret = rooms.secret_at(unhex(v["secret"]), v["epoch"] - v["secret_epoch"])
    same(secret.hex(), v["secret_at_epoch"], "RS")
    public = secret_key(unhex(v["identity_secret"])).public_key()
    digests = []
    for m in v["messages"]:
        data, content = unhex(m["envelope"]), unhex(m["content"])
        opened, digest, signature = rooms.unseal(chain, secret, m["counter"], data, public)
        same((opened.hex(), digest.hex(), signature is not None), (m["content"], m["digest"], m["signed"]), m["name"])
        clear = Envelope.decode(data)
        again = rooms.seal(chain, secret, m["counter"], content, PADDING[m["padding"]], signature,
                           precedence=clear.precedence, hop_limit=clear.hop_limit, lifetime=clear.lifetime)
        same((again.hex(), identity_of(again)), (m["envelope"], m["identity"]), m["name"])
        for at in range(len(data)):
            if at not in (5, 6):
                changed = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1:]
                refused(lambda: rooms.unseal(chain, secret, m["counter"], changed, public), f"{m['name']}, byte {at}")
        if content[0] & 15 == rooms.ATTEST:
            other, first, hashes = rooms.read_attest(m["counter"], content[5:])
            same((first, hashes), (0, digests[:4]), m["name"])
            same(other, (2, 6, b"\xb0" * 8) if "another" in m["name"] else None, m["name"])
        digests.append(digest)
    state = unhex(v["state"])
    read = rooms.read_state(state, chain.mission, public)
    same((read["version"], read["name"], read["members"]), (7, "bridge", [(1, 1), (2, 1), (9, 0)]), "state")
    for at in range(len(state)):
        changed = state[:at] + bytes([state[at] ^ 1]) + state[at + 1:]
        refused(lambda: rooms.read_state(changed, chain.mission, public), f"state, byte {at}")
    for word, code in (("joined", 0), ("left", 1), ("ask", 2)):
        same(unhex(v["words"][word])[5:], chain.room + bytes([code]), word)


def identity_of(data): return identity(data).hex()


def check_revocation(v, r):
    authority, mission = unhex(r["authority"]["public"]), unhex(r["authority"]["mission"])
    root = unhex(r["authority"]["file"])[74:]
    keyfill = roster.read_keyfill(unhex(v["keyfill_alpha"]))
    same(keyfill.paths.hex(), v["paths_alpha_0"], "path keys in the keyfill")
    same(revocation.paths(root, 1, 0).hex(), v["paths_alpha_0"], "path keys from the root")
    same(revocation.paths_moved_on(keyfill.paths, 1).hex(), v["paths_alpha_1"], "path keys moved on")
    third = roster.read_roster(unhex(v["roster_3"]), authority)
    for name, revokers in (("revoke_1", None), ("revoke_2", third.revokers)):
        e = v[name]
        data = unhex(e["hex"])
        revoke = revocation.verified(data, mission, authority, revokers)
        same((revoke.generation, revoke.roster_version, revoke.revoked),
             (e["generation"], e["roster_version"], e["revoked"]), name)
        seed = revocation.open_seed(revoke, 1, keyfill.paths)
        same(revocation.network_key(seed, revoke.generation).hex(), e["network_key"], f"{name}: network key")
        same(revocation.object_id(data).hex(), e["id"], f"{name}: id")
        refused(lambda: revocation.open_seed(revoke, 2, revocation.paths(root, 2, 0)), "the revoked opens it")
        for at in range(len(data)):
            changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
            refused(lambda: revocation.verified(changed, mission, authority, revokers), f"{name}, byte {at} changed")
        made = revocation.make(root, [], mission, revoke.generation, revoke.roster_version, revoke.next_index, revoke.revoked)
        same(made[:-1].hex(), revoke.signed.hex(), f"{name} made here")
    refused(lambda: revocation.verified(unhex(v["revoke_2"]["unsigned"]), mission, authority, third.revokers), "unsigned")
    second = roster.read_roster(unhex(v["roster_2"]), authority)
    same((second.generation, second.revoked, [s.index for s in second.stations]), (1, [2], [1, 3]), "roster 2")
    same(revocation.whole_frame(unhex(v["revoke_1"]["hex"])).hex(), v["revoke_1"]["frame"], "frame")
    for kind, name in ((1, "topic_revoke"), (2, "topic_roster")):
        same(revocation.topic(mission, kind).hex(), v[name], name)


def check_provision(v):
    authority = unhex(v["authority"])
    for s in v["sealed"]:
        own, request, data = secret_key(unhex(s["agreement"])), unhex(s["request"]), unhex(s["hex"])
        same(provision.request_hash(request).hex(), s["request_hash"], "request hash")
        inside, issue = provision.open_sealed(data, own, request, s["issue"] - 1)
        same((issue, roster.read_keyfill(inside).index), (s["issue"], s["own"]), "sealed keyfill")
        refused(lambda: provision.open_sealed(data, own, request, s["issue"]), "a keyfill given again")
        refused(lambda: provision.open_sealed(data, own, request[:-65] + b"x" + request[-64:]), "another request")
        for at in range(0, len(data), 11):
            changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
            refused(lambda: provision.open_sealed(changed, own, request), f"sealed keyfill, byte {at} changed")
    same(provision.join(reversed(v["parts"]["parts"])).hex(), v["parts"]["file"], "parts")
    refused(lambda: provision.join(v["parts"]["parts"][1:]), "a part is missing")
    log, head = unhex(v["audit"]["log"]), unhex(v["audit"]["head"])
    for entry, e in zip(provision.check_log(log, head, authority), v["audit"]["entries"], strict=True):
        found = {k: entry[k] for k in ("number", "time", "act", "detail")}
        same(found | {"name": entry["name"].decode(), "output": entry["output"].hex()}, e, "entry")
    for at in range(0, len(log), 3):
        changed = log[:at] + bytes([log[at] ^ 1]) + log[at + 1:]
        refused(lambda: provision.check_log(changed, head, authority), f"log, byte {at} changed")
        refused(lambda: provision.check_log(log[:at], head, authority), f"log cut at {at}")


def check_extension(v, r):
    authority, mission = unhex(r["authority"]["public"]), unhex(r["authority"]["mission"])
    before = roster.read_roster(unhex(r["roster"]["hex"]), authority)
    pending = unhex(v["pending"]["hex"])
    for seed, which in zip(extend.seeds(pending[6:], 4), "erp", strict=True):
        same(seed.hex(), v["pending"][f"seed_{which}_4"], "seed")
    device = roster.Device.from_randomness(bytes([0x0A]) * 32, 3, 0)
    for q, secret in zip(v["requests"], (bytes([0x31]) * 32, bytes([0x32]) * 32), strict=True):
        data = unhex(q["hex"])
        read = extend.read_extension(data, before)
        same((read.own, read.first, len(read.keys)), (q["own"], q["first"], q["epochs"]), "request for epochs")
        same(read.keys[1], extend.public_halves(secret, q["first"] + 1), "its keys")
        made = extend.write_extension(device.identity, mission, q["own"], q["first"], q["epochs"], secret)
        same(made[:-64].hex(), data[:-64].hex(), "request for epochs made here")
        for at in range(len(data)):
            changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
            refused(lambda: extend.read_extension(changed, before), f"request for epochs, byte {at} changed")
    listed = [extend.read_extension(unhex(q["hex"]), before) for q in v["requests"]]
    for q in v["rosters"]:
        read = roster.read_roster(unhex(q["hex"]), authority)
        alpha = read.station(1)
        same((alpha.first_epoch, alpha.listed_from, alpha.epochs, alpha.replaced),
             (q["first_epoch"], q["listed_from"], q["epochs"], q["replaced"]), "window")
        newest = listed[q["replaced"]]
        for epoch in (5, 6):
            same(compressed(read.epoch_key(1, epoch, "R")), newest.keys[epoch - newest.first][1], "a listed key")
        refused(lambda: read.epoch_key(1, 1, "R"), "a key that has left the roster")
        refused(lambda: read.epoch_key(1, alpha.listed_from + alpha.epochs, "R"), "a key after the last one")


def number_of(key):
    return key.private_numbers().private_value.to_bytes(32, "big").hex()


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "../../firmware/spec/vectors"
    check_seal(load(folder, "seal"))
    check_rooms(load(folder, "rooms"))
    check_roster(load(folder, "roster"))
    check_verify(load(folder, "verify"), load(folder, "roster"))
    check_revocation(load(folder, "revocation"), load(folder, "roster"))
    check_provision(load(folder, "provision"))
    check_extension(load(folder, "extension"), load(folder, "roster"))
    check_envelopes(load(folder, "wire-envelopes"))
    check_keys(load(folder, "wire-keys"))
    check_frames(load(folder, "wire-frames"))
    check_errors(load(folder, "wire-errors"))
    check_controls(load(folder, "wire-control"))
    print(f"{held} vectors held")


if __name__ == "__main__":
    main()
