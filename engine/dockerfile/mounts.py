"""`RUN --mount=…`: its options as one value. Pure. Source: Dockerfile reference, "RUN --mount"."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass

from engine.dockerfile.durations import CantRead
from engine.dockerfile.faults import meant

TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
SHARINGS = ("shared", "private", "locked")
PLACE = frozenset({"type", "target", "dst", "destination"})
ACCESS = frozenset({"ro", "readonly", "rw", "readwrite"})
OWNED = frozenset({"id", "mode", "uid", "gid"})
OPTIONS: dict[str, frozenset[str]] = {
    "bind": PLACE | ACCESS | {"source", "src", "from"},
    "cache": PLACE | ACCESS | OWNED | {"sharing", "source", "src", "from"},
    "tmpfs": PLACE | {"size"},
    "secret": PLACE | OWNED | {"required", "env"},
    "ssh": PLACE | OWNED | {"required"},
}
SAME = {
    "dst": "target",
    "destination": "target",
    "src": "source",
    "readonly": "ro",
    "readwrite": "rw",
}
SIZE = re.compile(r"(\d+)([kmgt]?)b?", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Mount:
    """`target` may be relative to the WORKDIR. `size` in bytes, 0: none. `mode` None: the kind's default."""

    type: str = "bind"
    target: str = ""
    source: str = ""
    origin: str = ""
    read_only: bool = True
    id: str = ""
    sharing: str = "shared"
    mode: int | None = None
    uid: int = 0
    gid: int = 0
    required: bool = False
    env: str = ""
    size: int = 0


def mount_of(options: Iterable[tuple[str, str | None]]) -> Mount:
    """Raises CantRead, in the user's words."""
    given = list(options)
    kind = next((value or "" for name, value in given if name == "type"), "bind")
    if kind not in TYPES:
        hint = meant(kind, TYPES) or f"one of {', '.join(TYPES)}"
        raise CantRead(f'unsupported mount type "{kind}": {hint}')
    found: dict[str, str | None] = {}
    for name, value in given:
        if name not in OPTIONS[kind]:
            hint = meant(name, sorted(OPTIONS[kind]))
            raise CantRead(f"unexpected key '{name}' in a mount of type {kind}{f': {hint}' if hint else ''}")
        found[SAME.get(name, name)] = value
    return made(kind, found)


def made(kind: str, found: dict[str, str | None]) -> Mount:
    target = found.get("target") or ""
    env = found.get("env") or ""
    id = found.get("id") or ""
    if kind in ("bind", "cache", "tmpfs") and not target:
        raise CantRead(f"a mount of type {kind} needs a target")
    if kind == "secret":
        id = id or posixpath.basename(target)
        if not id:
            raise CantRead("a mount of type secret needs an id or a target")
        target = target or ("" if env else f"/run/secrets/{id}")
    if kind == "ssh":
        id = id or "default"
    if (sharing := found.get("sharing") or "shared") not in SHARINGS:
        raise CantRead(
            f'unsupported sharing value "{sharing}": {meant(sharing, SHARINGS) or "shared, private, locked"}'
        )
    return Mount(
        type=kind,
        target=target,
        source=found.get("source") or "",
        origin=found.get("from") or "",
        read_only=access(kind, found),
        id=id,
        sharing=sharing,
        mode=octal(found["mode"]) if "mode" in found else None,
        uid=whole("uid", found.get("uid")),
        gid=whole("gid", found.get("gid")),
        required=truth("required", found["required"]) if "required" in found else False,
        env=env,
        size=size_of(found["size"] or "") if "size" in found else 0,
    )


def access(kind: str, found: dict[str, str | None]) -> bool:
    """Whether it is read-only: a bind is, unless it says rw; a cache isn't, unless it says ro."""
    if "rw" in found:
        return not truth("rw", found["rw"])
    if "ro" in found:
        return truth("ro", found["ro"])
    return kind == "bind"


def truth(name: str, value: str | None) -> bool:
    if value is None or value.lower() in ("true", "1"):
        return True
    if value.lower() in ("false", "0"):
        return False
    raise CantRead(f"invalid value for {name}: {value}: write true or false")


def whole(name: str, value: str | None) -> int:
    if not value:
        return 0
    if not re.fullmatch(r"\d{1,10}", value, re.ASCII) or int(value) >= 1 << 31:
        raise CantRead(f"invalid value {value} for {name}")
    return int(value)


def octal(value: str | None) -> int:
    if not re.fullmatch(r"0?o?[0-7]{1,4}", value or "", re.ASCII):
        raise CantRead(f"invalid value {value} for mode: write it in octal, like 0600")
    return int((value or "").replace("o", ""), 8)


def size_of(text: str) -> int:
    match = SIZE.fullmatch(text)
    if match is None:
        raise CantRead(f"invalid value {text} for size")
    return int(match[1]) << {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}[match[2].lower()]
