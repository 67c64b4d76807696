"""A tar's entries, one after another, from a stream that is read once. Never seeks, never holds a file's content.

Ours and not tarfile's because a layer of 20,000 entries costs tarfile five seconds. Knows ustar, GNU (long names,
base-256 numbers, old sparse files) and pax (xattrs, sparse files 0.0 to 1.0). Source: POSIX.1-2017 pax; GNU tar manual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol
from zlib import adler32

BLOCK = 512
NOTHING = b"\0" * BLOCK
# Headers of one entry (pax records, long names) are held in memory: this much of them.
LARGEST_HEADER = 1 << 20
XATTR = "SCHILY.xattr."


class TarFault(Exception):
    """The stream is no tar, or ends within one. The text is a clause."""


class Source(Protocol):
    def take(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end of the stream."""

    def some(self, size: int) -> bytes:
        """At least one byte and at most `size`, whatever is at hand; empty at the end."""


@dataclass(slots=True)
class Entry:
    """One member. `kind` is the type flag; `size` counts what the stream holds, `length` what the file will have."""

    name: bytes
    kind: int
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    target: bytes
    device: tuple[int, int]
    xattrs: Mapping[str, bytes] = field(default_factory=dict)
    length: int = 0
    # (offset, size) of the pieces that the stream holds, where the file has holes
    pieces: tuple[tuple[int, int], ...] | None = None


class TarReader:
    """Entries from a Source. Between two of them exactly the entry's content must be read, by `content`.

    `seen` is called with all the bytes that are no content: with the contents in between they make the stream again.
    """

    def __init__(self, source: Source, seen: Callable[[bytes], None] | None = None) -> None:
        self._source = source
        self._seen = seen
        self._globals: dict[str, bytes] = {}
        self._left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[Entry]:
        while (entry := self._next()) is not None:
            yield entry
            self._skip_rest()
        self._drain()

    def _take(self, size: int) -> bytes:
        piece = self._source.take(size)
        if len(piece) < size:
            raise TarFault("the archive ends too early")
        if self._seen is not None:
            self._seen(piece)
        return piece

    def _next(self) -> Entry | None:
        records: dict[str, bytes] = {}
        long_name = long_target = None
        first = True
        while True:
            padding, self._padding = self._padding, 0
            piece = self._source.take(padding + BLOCK)
            if len(piece) < padding:
                raise TarFault("the archive ends too early")
            if self._seen is not None:
                self._seen(piece)
            block = piece[padding:]
            if len(block) < BLOCK or block == NOTHING:
                if len(block) % BLOCK or not first:
                    raise TarFault("the archive ends too early")
                return None
            first = False
            check_sum(block)
            kind, size = block[156], number(block[124:136])
            if kind in b"xg":
                found = pax_records(self._header_content(size))
                if kind == 0x67:
                    self._globals.update(found)
                else:
                    records.update(found)
            elif kind == 0x4C:
                long_name = text(self._header_content(size))
            elif kind == 0x4B:
                long_target = text(self._header_content(size))
            else:
                break
        entry = entry_of(block, {**self._globals, **records} if self._globals else records, long_name, long_target)
        self._left, self._padding = entry.size, -entry.size % BLOCK
        if kind == 0x53:
            self._old_sparse(entry, block)
        elif records and any(key.startswith("GNU.sparse.") for key in records):
            self._pax_sparse(entry, records)
        return entry

    def _header_content(self, size: int) -> bytes:
        if size > LARGEST_HEADER:
            raise TarFault(f"an entry's header has {size} bytes: more than {LARGEST_HEADER}")
        content = self._take(size)
        self._padding = -size % BLOCK
        return content

    def content(self, size: int) -> bytes:
        """The next bytes of the present entry, at most `size`; empty at its end. Raises TarFault when it is cut off."""
        if not self._left:
            return b""
        piece = self._source.some(min(size, self._left))
        if not piece:
            raise TarFault("the archive ends too early")
        self._left -= len(piece)
        return piece

    def left(self) -> int:
        """How much of the entry's content is still to come."""
        return self._left

    def take_content(self, size: int) -> bytes:
        """Exactly `size` bytes of the content, fewer at its end."""
        piece = self._source.take(min(size, self._left))
        if len(piece) < min(size, self._left):
            raise TarFault("the archive ends too early")
        self._left -= len(piece)
        return piece

    def _skip_rest(self) -> None:
        """What nobody read belongs to no file: it counts as seen, so that the stream can be made again."""
        while self._left:
            piece = self.content(1 << 16)
            if self._seen is not None:
                self._seen(piece)

    def _drain(self) -> None:
        """After the end mark comes padding, to whatever blocking factor: part of the stream, and of its digest."""
        while piece := self._source.some(1 << 16):
            if self._seen is not None:
                self._seen(piece)

    def _old_sparse(self, entry: Entry, block: bytes) -> None:
        pieces = sparse_pairs(block[386:482])
        entry.length = number(block[483:495])
        more = block[482]
        while more:
            block = self._take(BLOCK)
            pieces += sparse_pairs(block[:504])
            more = block[504]
        entry.pieces = tuple(pieces)

    def _pax_sparse(self, entry: Entry, records: Mapping[str, bytes]) -> None:
        if "GNU.sparse.name" in records:
            entry.name = records["GNU.sparse.name"]
        try:
            if records.get("GNU.sparse.major") == b"1":
                entry.length = int(records["GNU.sparse.realsize"])
                entry.pieces = self._map_in_content()
                return
            entry.length = int(records["GNU.sparse.size"])
            numbers = [int(word) for word in records.get("GNU.sparse.map", b"").split(b",") if word]
        except (KeyError, ValueError) as error:
            raise TarFault(f"a sparse file's map can't be read ({error})") from error
        entry.pieces = tuple(zip(numbers[::2], numbers[1::2], strict=True))

    def _map_in_content(self) -> tuple[tuple[int, int], ...]:
        """Version 1.0: the map stands before the data, in decimal lines, filled up to a block."""
        lines: list[int] = []
        rest = b""
        wanted = 1
        while len(lines) < wanted:
            block = self.take_content(BLOCK)
            if self._seen is not None:
                self._seen(block)
            if len(block) < BLOCK or len(lines) > 100_000:
                raise TarFault("a sparse file's map can't be read")
            *whole, rest = (rest + block).split(b"\n")
            lines += [int(line) for line in whole if line.isdigit()]
            wanted = 1 + 2 * lines[0] if lines else 1
        return tuple(zip(lines[1:wanted:2], lines[2:wanted:2], strict=True))


def check_sum(block: bytes) -> None:
    stored = number(block[148:156])
    # sum(block) is what costs most of a small file: adler32's lower half is 1 + the sum, while that is below 65521
    whole = (adler32(block[:256]) & 0xFFFF) + (adler32(block[256:]) & 0xFFFF) - 2
    if whole - sum(block[148:156]) + 256 != stored:
        raise TarFault("it is not a tar archive, or a damaged one (a header's checksum is wrong)")


@lru_cache(4096)
def number(field: bytes) -> int:
    """Octal, or GNU's base-256 where the first bit is set. Raises TarFault."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=True) if field[0] == 0xFF else int.from_bytes(field, "big")
        return value if field[0] == 0xFF else value - (0x80 << (8 * (len(field) - 1)))
    try:
        return int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        raise TarFault("it is not a tar archive, or a damaged one (a number can't be read)") from None


def text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def sparse_pairs(area: bytes) -> list[tuple[int, int]]:
    pairs = [(area[at : at + 12], area[at + 12 : at + 24]) for at in range(0, len(area) - 23, 24)]
    return [(number(offset), number(size)) for offset, size in pairs if offset.strip(b" \0")]


def pax_records(content: bytes) -> dict[str, bytes]:
    """`<length> <key>=<value>\\n` … ; a sparse 0.0 map, whose keys come again and again, is joined into a 0.1 map."""
    records: dict[str, bytes] = {}
    sparse: list[bytes] = []
    position = 0
    while position < len(content):
        space = content.find(b" ", position, position + 20)
        try:
            length = int(content[position:space])
        except ValueError:
            length = 0
        key, equals, value = content[space + 1 : position + length - 1].partition(b"=")
        if space < 0 or length <= space - position or position + length > len(content) or not equals:
            raise TarFault("a pax header can't be read")
        name = key.decode("utf-8", "surrogateescape")
        if name in {"GNU.sparse.offset", "GNU.sparse.numbytes"}:
            sparse.append(value)
        records[name] = value
        position += length
    if sparse:
        records["GNU.sparse.map"] = b",".join(sparse)
    return records


def entry_of(block: bytes, records: Mapping[str, bytes], long_name: bytes | None, long_target: bytes | None) -> Entry:
    name = text(block[:100])
    if block[257:263] == b"ustar\0" and block[345]:
        name = text(block[345:500]) + b"/" + name
    entry = Entry(
        name=long_name if long_name is not None else name,
        kind=block[156],
        mode=number(block[100:108]) & 0o7777,
        uid=number(block[108:116]),
        gid=number(block[116:124]),
        size=number(block[124:136]),
        mtime_ns=number(block[136:148]) * 1_000_000_000,
        target=long_target if long_target is not None else text(block[157:257]),
        device=(number(block[329:337]), number(block[337:345])) if block[156] in b"34" else (0, 0),
    )
    if records:
        apply_pax(entry, records)
    if entry.kind in b"123456":
        entry.size = 0
    if entry.size < 0 or entry.uid < 0 or entry.gid < 0:
        raise TarFault("an entry's size or owner is negative")
    entry.length = entry.size
    return entry


def apply_pax(entry: Entry, records: Mapping[str, bytes]) -> None:
    try:
        entry.name = records.get("path", entry.name)
        entry.target = records.get("linkpath", entry.target)
        entry.size = int(records.get("size", entry.size))
        entry.uid = int(records.get("uid", entry.uid))
        entry.gid = int(records.get("gid", entry.gid))
        if "mtime" in records:
            entry.mtime_ns = nanoseconds(records["mtime"])
    except ValueError as error:
        raise TarFault(f"a pax header can't be read ({error})") from error
    xattrs = {key.removeprefix(XATTR): value for key, value in records.items() if key.startswith(XATTR)}
    if xattrs:
        entry.xattrs = xattrs


def nanoseconds(decimal: bytes) -> int:
    """Seconds with a fraction, exactly: a float has too few digits."""
    seconds, _, fraction = decimal.partition(b".")
    whole = int(seconds or b"0") * 1_000_000_000
    part = int((fraction + b"0" * 9)[:9]) if fraction else 0
    return whole - part if seconds.startswith(b"-") else whole + part


def is_tar(head: bytes) -> bool:
    """Whether the first block of a stream begins a tar (an empty one counts)."""
    if len(head) < BLOCK:
        return False
    if head[:BLOCK] == NOTHING:
        return True
    try:
        check_sum(head[:BLOCK])
    except TarFault:
        return False
    return True


__all__ = ["BLOCK", "Entry", "Source", "TarFault", "TarReader", "is_tar"]
