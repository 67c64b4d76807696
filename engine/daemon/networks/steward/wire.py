"""DNS messages as bytes: one question read, answers built. Nothing is unpacked that isn't needed. Source: RFC 1035."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

A, PTR, AAAA, OPT, ANY = 1, 12, 28, 41, 255
IN = 1
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP = 0, 1, 2, 3, 4
RESPONSE, AUTHORITATIVE, TRUNCATED, RECURSION_DESIRED, RECURSION_AVAILABLE = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080
OPCODE = 0x7800
TTL_SECONDS = 600
PLAIN_UDP_BYTES = 512
HEADER = struct.Struct(">HHHHHH")
ANSWER = struct.Struct(">HHIH")
# A pointer to the question's name, which stands right after the header.
SAME_NAME = b"\xc0\x0c"


@dataclass(frozen=True, slots=True)
class Query:
    """`name` is lower case, without the last dot. `question` are its bytes, to be given back as they came."""

    id: int
    flags: int
    name: str
    kind: int
    question: bytes
    udp_bytes: int


class Malformed(ValueError):
    """Not a query that can be answered; `id` says to whom FORMERR goes, None for nobody."""

    def __init__(self, words: str, id: int | None = None) -> None:
        super().__init__(words)
        self.id = id


def read_query(message: bytes) -> Query:
    """One question of class IN. Raises Malformed."""
    if len(message) < 12:
        raise Malformed("too short")
    id, flags, questions, answers, authorities, additional = HEADER.unpack_from(message)
    if flags & RESPONSE:
        raise Malformed("not a query")
    if questions != 1:
        raise Malformed("not one question", id)
    name, end = read_name(message, 12, id)
    if end + 4 > len(message):
        raise Malformed("cut off", id)
    kind = int.from_bytes(message[end : end + 2], "big")
    size = PLAIN_UDP_BYTES
    # EDNS: the OPT record right after the question, as every resolver sends it.
    extra = message[end + 4 : end + 9]
    if additional and not answers and not authorities and extra[:3] == b"\0\0\x29":
        size = max(size, int.from_bytes(extra[3:5], "big"))
    return Query(id, flags, name, kind, message[12 : end + 4], size)


def read_name(message: bytes, at: int, id: int) -> tuple[str, int]:
    labels = []
    start = at
    while True:
        if at >= len(message):
            raise Malformed("cut off", id)
        length = message[at]
        if length == 0:
            break
        if length > 63 or at + 1 + length > len(message) or at - start > 255:
            raise Malformed("bad name", id)
        labels.append(message[at + 1 : at + 1 + length])
        at += 1 + length
    return b".".join(labels).decode("latin-1").lower(), at + 1


def head(query: Query, code: int, answers: int, more: int = 0) -> bytes:
    flags = RESPONSE | RECURSION_AVAILABLE | (query.flags & (RECURSION_DESIRED | OPCODE)) | code | more
    return HEADER.pack(query.id, flags, 1, answers, 0, 0) + query.question


def answer_nothing(query: Query, code: int) -> bytes:
    return head(query, code, 0)


def answer_addresses(query: Query, addresses: Sequence[bytes], *, limit: int | None = None) -> bytes:
    """A or AAAA records, by the question. What is longer than `limit` says so (TC) and is asked again over TCP."""
    return answer(query, addresses, limit)


def answer_name(query: Query, name: str) -> bytes:
    return answer(query, [write_name(name)], None)


def answer(query: Query, values: Sequence[bytes], limit: int | None) -> bytes:
    records = [SAME_NAME + ANSWER.pack(query.kind, IN, TTL_SECONDS, len(value)) + value for value in values]
    if limit is not None and 12 + len(query.question) + sum(map(len, records)) > limit:
        room = max(0, limit - 12 - len(query.question)) // len(records[0])
        return head(query, NOERROR, room, TRUNCATED) + b"".join(records[:room])
    return head(query, NOERROR, len(records)) + b"".join(records)


def write_name(name: str) -> bytes:
    labels = [label.encode("latin-1", "replace")[:63] for label in name.split(".") if label]
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


def format_error(id: int) -> bytes:
    return HEADER.pack(id, RESPONSE | FORMERR, 0, 0, 0, 0)


def reversed_address(name: str) -> bytes | None:
    """The packed address that a PTR question's name asks for; None for any other name."""
    labels = name.split(".")
    try:
        if name.endswith(".in-addr.arpa") and len(labels) == 6:
            return bytes(int(label) for label in reversed(labels[:4]))
        if name.endswith(".ip6.arpa") and len(labels) == 34:
            return bytes.fromhex("".join(reversed(labels[:32])))
    except ValueError:
        pass
    return None
