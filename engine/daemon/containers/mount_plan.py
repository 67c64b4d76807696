"""Which mounts a container gets, out of Binds, Mounts, Tmpfs, the image's Volumes and other containers' (VolumesFrom).

Pure: nothing is made here; a volume without a name is one still to be made. Later words win over earlier ones for the
same place, as dockerd has it: VolumesFrom, Binds, Mounts, Tmpfs; the image's volumes only where nobody else was.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.api.errors import InvalidArgument
from engine.daemon.containers.record import MountRecord

PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", re.ASCII)
LABELS = ("z", "Z")
CONSISTENCIES = ("consistent", "cached", "delegated", "default")

# What --tmpfs takes (tmpfs(5), mount(8)).
TMPFS_VALUES = frozenset(["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"])
TMPFS_FLAGS = frozenset(
    [
        *("defaults", "ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync", "async", "dirsync"),
        *("mand", "nomand", "atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime"),
        *("nostrictatime", "private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable"),
    ]
)


def planned_mounts(
    config: Mapping[str, Any], host: Mapping[str, Any], mounts_of: Callable[[str], Sequence[MountRecord]]
) -> list[MountRecord]:
    """`mounts_of` gives another container's mounts by name or id (raising NotFound). Raises InvalidArgument."""
    places: dict[str, MountRecord] = {}
    for word in host.get("VolumesFrom") or []:
        for mount in borrowed(word, mounts_of):
            places[mount.destination] = mount
    seen: set[str] = set()
    for text in host.get("Binds") or []:
        add(places, seen, parse_bind(text, host.get("VolumeDriver") or ""))
    for entry in host.get("Mounts") or []:
        add(places, seen, parse_mount(entry))
    for destination, options in (host.get("Tmpfs") or {}).items():
        place = checked_destination(destination, destination)
        words = [checked_tmpfs_option(word) for word in options.split(",") if word]
        add(places, seen, MountRecord("tmpfs", place, options=words, label="tmpfs-flag"))
    for destination in config.get("Volumes") or {}:
        place = checked_destination(destination, destination)
        if place not in places:
            driver = host.get("VolumeDriver") or "local"
            places[place] = MountRecord("volume", place, driver=driver, anonymous=True)
    return sorted(places.values(), key=lambda mount: (mount.destination.count("/"), mount.destination))


def add(places: dict[str, MountRecord], seen: set[str], mount: MountRecord) -> None:
    if mount.destination in seen:
        raise InvalidArgument(f"Duplicate mount point: {mount.destination}")
    seen.add(mount.destination)
    places[mount.destination] = mount


def borrowed(word: str, mounts_of: Callable[[str], Sequence[MountRecord]]) -> list[MountRecord]:
    name, _, mode = word.partition(":")
    if not name or mode not in ("", "ro", "rw", "z", "Z"):
        raise InvalidArgument(f"invalid mode: {mode}" if name else "malformed volumes-from specification")
    found = []
    for mount in mounts_of(name):
        if mount.kind in ("bind", "volume"):
            copy = MountRecord(**{key: getattr(mount, key) for key in MountRecord.__dataclass_fields__})
            copy.anonymous = False
            copy.read_only = mode == "ro" if mode else mount.read_only
            found.append(copy)
    return found


def parse_bind(text: str, driver: str) -> MountRecord:
    """`[source:]destination[:mode,…]`; a source with a slash is a path, else a volume's name."""
    words = text.split(":")
    if len(words) > 3 or not all(words):
        raise InvalidArgument(f"invalid volume specification: '{text}'")
    if len(words) == 1:
        place = checked_destination(words[0], text)
        return MountRecord("volume", place, driver=driver or "local", anonymous=True)
    source, destination, mode = words[0], words[1], words[2] if len(words) == 3 else ""
    place = checked_destination(destination, text)
    options = [word for word in mode.split(",") if word]
    if source.startswith("/"):
        made = MountRecord("bind", place, source=posixpath.normpath(source), mode=mode, create_source=True)
        made.propagation = "rprivate"
    else:
        if not VOLUME_NAME.fullmatch(source):
            raise InvalidArgument(
                f'{source!r} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" '
                "are allowed. If you intended to pass a host directory, use absolute path"
            )
        made = MountRecord("volume", place, name=source, driver=driver or "local", mode=mode or "z")
    apply_options(made, options)
    return made


def apply_options(made: MountRecord, options: Sequence[str]) -> None:
    for option in options:
        if option in ("ro", "rw"):
            made.read_only = option == "ro"
        elif option == "nocopy" and made.kind == "volume":
            made.no_copy = True
        elif option in PROPAGATIONS and made.kind == "bind":
            made.propagation = option
        elif option in LABELS or option in CONSISTENCIES:
            continue
        else:
            raise InvalidArgument(f"invalid mode: {','.join(options)}")


def parse_mount(entry: Mapping[str, Any]) -> MountRecord:
    """One of HostConfig.Mounts."""
    kind = entry.get("Type") or ""
    place = checked_destination(entry.get("Target") or "", f"{entry.get('Target')}")
    source = entry.get("Source") or ""
    read_only = bool(entry.get("ReadOnly"))
    if kind == "bind":
        return parse_bind_mount(entry, place, source, read_only)
    if kind == "volume":
        return parse_volume_mount(entry, place, source, read_only)
    if kind == "tmpfs":
        if source:
            raise InvalidArgument('invalid mount config for type "tmpfs": field Source must not be specified')
        made = MountRecord("tmpfs", place, read_only=read_only, options=tmpfs_options(entry.get("TmpfsOptions") or {}))
        return made
    if kind == "image":
        if not source:
            raise InvalidArgument('invalid mount config for type "image": field Source must not be empty')
        options = entry.get("ImageOptions") or {}
        return MountRecord("image", place, name=source, read_only=True, subpath=checked_subpath(options.get("Subpath")))
    raise InvalidArgument(f'invalid mount config for type "{kind}": mount type unknown')


def parse_bind_mount(entry: Mapping[str, Any], place: str, source: str, read_only: bool) -> MountRecord:
    if not source:
        raise InvalidArgument('invalid mount config for type "bind": field Source must not be empty')
    if not source.startswith("/"):
        raise InvalidArgument(
            f"invalid mount config for type \"bind\": invalid mount path: '{source}' mount path must be absolute"
        )
    options = entry.get("BindOptions") or {}
    propagation = options.get("Propagation") or "rprivate"
    if propagation not in PROPAGATIONS:
        raise InvalidArgument(f'invalid mount config for type "bind": invalid propagation mode: {propagation}')
    made = MountRecord("bind", place, source=posixpath.normpath(source), read_only=read_only, propagation=propagation)
    made.strict = not options.get("CreateMountpoint")
    made.create_source = bool(options.get("CreateMountpoint"))
    made.recursive = not options.get("NonRecursive")
    return made


def parse_volume_mount(entry: Mapping[str, Any], place: str, source: str, read_only: bool) -> MountRecord:
    options = entry.get("VolumeOptions") or {}
    if source and not VOLUME_NAME.fullmatch(source):
        raise InvalidArgument(f'create {source}: "{source}" includes invalid characters for a local volume name')
    driver = options.get("DriverConfig") or {}
    made = MountRecord("volume", place, name=source, driver=driver.get("Name") or "local", mode="z" if source else "")
    if read_only and not source:
        raise InvalidArgument(
            'invalid mount config for type "volume": must not set ReadOnly mode when using anonymous volumes'
        )
    made.read_only = read_only
    made.anonymous = not source
    made.no_copy = bool(options.get("NoCopy"))
    made.subpath = checked_subpath(options.get("Subpath"))
    return made


def checked_subpath(text: str | None) -> str:
    path = posixpath.normpath(text) if text else ""
    if path.startswith(("/", "../")) or path == "..":
        raise InvalidArgument(f"invalid subpath: {text!r} leaves the volume")
    return "" if path == "." else path


def checked_tmpfs_option(option: str) -> str:
    """Raises InvalidArgument."""
    key, equals, value = option.partition("=")
    if key not in (TMPFS_VALUES if equals else TMPFS_FLAGS):
        raise InvalidArgument(
            f'invalid tmpfs option ["{key}" "{value}"]' if equals else f'invalid tmpfs option ["{key}"]'
        )
    return option


def tmpfs_options(options: Mapping[str, Any]) -> list[str]:
    made = []
    if size := options.get("SizeBytes"):
        if not isinstance(size, int) or size < 0:
            raise InvalidArgument('invalid mount config for type "tmpfs": SizeBytes must be a positive number')
        made.append(f"size={size}")
    if isinstance(mode := options.get("Mode"), int):
        made.append(f"mode={mode:o}")
    for option in options.get("Options") or []:
        made.append("=".join(str(word) for word in option))
    return made


def checked_destination(destination: str, text: str) -> str:
    said = f"invalid volume specification: '{text}': invalid mount config for type \"bind\""
    if not destination.startswith("/"):
        raise InvalidArgument(f"{said}: invalid mount path: '{destination}' mount path must be absolute")
    place = "/" + posixpath.normpath(destination).lstrip("/")
    if place == "/":
        raise InvalidArgument(f"{said}: invalid specification: destination can't be '/'")
    return place
