#!/usr/bin/env python3
"""Answers questions, one JSON object a line, so that the tests can hold this implementation and the Rust one together.

A question names an `op` and its arguments, bytes as hex; the answer is its results, or `{"refused": why}`. Anything
that is neither is a defect of this program and ends it.
"""

import json
import sys

import picket_extend as extension
import picket_hop as hop
import picket_provision as provision
import picket_revoke as revocation
import picket_roster as roster
import picket_rooms as rooms
from member import PADDING, Member, content_of
from picket_spec import Refused, secret_key, sign

MEMBERS = {}


def unhex(text): return bytes.fromhex(text)


def member(q):
    MEMBERS[q["name"]] = made = Member(unhex(q["keyfill"]))
    return {"index": made.fill.index}


def seal(q):
    content = content_of(q["fields"]).encode(PADDING[q["padding"]])
    return MEMBERS[q["as"]].seal(q["to"], q["epoch"], q["sid"], unhex(q["randomness"]), content, kind=q["class"],
                                 precedence=q["precedence"], hop_limit=q["hop_limit"], lifetime=q["lifetime"])


def open_envelope(q):
    return MEMBERS[q["as"]].open(unhex(q["envelope"]), q["epoch"])


def read_roster(q):
    data = unhex(q["roster"])
    read = roster.read_roster(data, unhex(q["authority"]))
    return {"mission": read.mission.hex(), "name": read.name.decode(), "version": read.version,
            "hash": roster.roster_hash(data).hex(), "next_index": read.next_index,
            "stations": [[s.index, s.is_gateway, s.name.decode(), s.identity.hex(), s.agreement.hex(), s.first_epoch,
                          s.listed_from, s.epochs, s.replaced] for s in read.stations]}


def read_keyfill(q):
    fill = roster.read_keyfill(unhex(q["keyfill"]))
    return {"index": fill.index, "generation": fill.generation, "network_key": fill.network_key.hex()}


def read_request(q):
    request = roster.read_request(unhex(q["request"]))
    return {"name": request.name.decode(), "gateway": request.is_gateway, "epochs": len(request.keys),
            "identity": request.identity.hex()}


def extend(q):
    """Reads a request for epochs that is given, otherwise writes one."""
    if "request" in q:
        read = extension.read_extension(unhex(q["request"]), roster.read_roster(unhex(q["roster"]), unhex(q["authority"])))
        keys = [b"".join(triple).hex() for triple in read.keys]
        return {"own": read.own, "first": read.first, "keys": keys}
    made = extension.write_extension(secret_key(unhex(q["identity"])), unhex(q["mission"]), q["own"], q["first"], q["count"],
                                     unhex(q["secret"]))
    return {"request": made.hex()}


def psk(q):
    return {"psk": MEMBERS[q["as"]].fill.psk(q["peer"], q["epoch"]).hex()}


def claim(q):
    """Verifies one that is given, otherwise signs one."""
    me = MEMBERS[q["as"]]
    if "signature" in q:
        roster.verify_claim(me.roster, q["member"], q["gateway"], q["sequence"], unhex(q["signature"]))
        return {}
    message = roster.claim_message(me.roster.mission, me.fill.index, q["gateway"], q["sequence"])
    return {"signature": sign(me.secrets.identity, b"PICKET-claim", message).hex()}


def link_keys(q):
    """The key of frames from one station to another, in one generation of the network key; and the network's own."""
    me = MEMBERS[q["as"]]
    peer = me.roster.station(q["peer"])
    pair = roster.link_key(me.roster.mission, me.secrets.agreement, roster.point(peer.agreement), q["generation"])
    own, other = me.fill.index, q["peer"]
    return {"link": pair, "toward": hop.hop_key(pair, own, other), "back": hop.hop_key(pair, other, own),
            **hop.network_keys(me.fill.network_key, q["generation"])}


def frame(q):
    keys = link_keys(q)
    key = keys["mac"] if q["to"] == 0xFF else keys["toward"]
    made = hop.frame(q["kind"], q["to"], MEMBERS[q["as"]].fill.index, unhex(q["body"]), key, keys["mask"], q["generation"],
                     unhex(q["prefix"]), unhex(q["suffix"]))
    return {"frame": made.hex()}


def unframe(q):
    keys = link_keys(q)
    key = keys["mac"] if q["to"] == 0xFF else keys["back"]
    kind, to, sender, body = hop.unframe(unhex(q["frame"]), key, keys["mask"], q["generation"], unhex(q["prefix"]),
                                         unhex(q["suffix"]))
    hop.check_body(kind, body)
    return {"kind": kind, "to": to, "from": sender, "body": body.hex()}


def room(q):
    chain = rooms.Chain(unhex(q["mission"]), unhex(q["room"]), q["index"], q["sender"], q["generation"], q["epoch"],
                        unhex(q["incarnation"]))
    return chain, rooms.secret_at(unhex(q["secret"]), q["epoch"] - q["secret_epoch"])


def room_seal(q):
    chain, secret = room(q)
    signer = MEMBERS[q["as"]].secrets.identity if q["signed"] else None
    content = unhex(q["content"])
    envelope = rooms.seal(chain, secret, q["counter"], content, q["padding"], signer=signer, precedence=q["precedence"],
                          hop_limit=q["hop_limit"], lifetime=q["lifetime"])
    return {"envelope": envelope.hex(), "digest": rooms.digest(envelope[:1], content).hex()}


def room_open(q):
    chain, secret = room(q)
    identity = roster.point(MEMBERS[q["as"]].roster.station(q["sender"]).identity)
    content, digest, signature = rooms.unseal(chain, secret, q["counter"], unhex(q["envelope"]), identity)
    answer = {"content": content.hex(), "digest": digest.hex(), "signed": signature is not None}
    if content[0] & 15 == rooms.ATTEST:
        _, first, hashes = rooms.read_attest(q["counter"], content[5:])
        answer["attests"] = [first, [h.hex() for h in hashes]]
    return answer


def sealed(q):
    inside, issue = provision.open_sealed(unhex(q["sealed"]), secret_key(unhex(q["agreement"])), unhex(q["request"]))
    return {"keyfill": inside.hex(), "issue": issue, "joined": provision.join(q["parts"]).hex()}


def revoke(q):
    signers = [(number, secret_key(unhex(secret))) for number, secret in q["signers"]]
    return {"revoke": revocation.make(unhex(q["root"]), signers, unhex(q["mission"]), q["generation"], q["roster_version"],
                                      q["next_index"], q["revoked"]).hex()}


def revoke_open(q):
    revokers = (q["k"], [unhex(key) for key in q["revokers"]]) if q["k"] else None
    read = revocation.verified(unhex(q["revoke"]), unhex(q["mission"]), unhex(q["authority"]), revokers)
    found = revocation.open_seed(read, q["own"], unhex(q["paths"]))
    return {"network_key": revocation.network_key(found, read.generation).hex()}


def check_log(q):
    return {"entries": len(provision.check_log(unhex(q["log"]), unhex(q["head"]), unhex(q["authority"])))}


OPS = {"sealed": sealed, "log": check_log,
       "member": member, "seal": seal, "open": open_envelope, "roster": read_roster, "keyfill": read_keyfill,
       "request": read_request, "extend": extend, "psk": psk, "claim": claim, "frame": frame, "unframe": unframe,
       "revoke": revoke, "revoke_open": revoke_open, "room_seal": room_seal, "room_open": room_open}


def main():
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = OPS[question["op"]](question)
        except Refused as why:
            answer = {"refused": str(why)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
