"""A container's mounts, read into one field a target, whichever of the API's four ways they were asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Values = Mapping[str, Any]

ANONYMOUS = re.compile(r"[0-9a-f]{64}")
# What a bind string may say without changing anything: rw is the default, the rest only other engines' notation.
SILENT = frozenset({"rw", "rbind", "rprivate", "private", "nosuid", "nodev", "exec"})


def mount_fields(config: Values, host: Values) -> dict[str, Any]:
    """`volumes.<target>` → a line that says all about the mount; an anonymous volume is just `volume`."""
    found: dict[str, Any] = {f"volumes.{target}": "volume" for target in config.get("Volumes") or ()}
    for text in host.get("Binds") or ():
        target, line = bind_line(text)
        found[f"volumes.{target}"] = line
    for mount in host.get("Mounts") or ():
        found[f"volumes.{mount.get('Target')}"] = mount_line(mount)
    for target, options in (host.get("Tmpfs") or {}).items():
        found[f"volumes.{target}"] = line_of("tmpfs", "", sorted(filter(None, options.split(","))))
    return found


def bind_line(text: str) -> tuple[str, str]:
    """`/srv/a:/a:ro,z` → ("/a", "bind /srv/a ro z"); a source without a slash is a volume's name."""
    source, _, rest = text.partition(":")
    target, _, options = rest.partition(":")
    if not target:
        return source, "volume"
    words = [word for word in options.split(",") if word and word not in SILENT]
    if source.startswith("/"):
        return target, line_of("bind", source, sorted(words))
    return target, line_of("volume", "" if ANONYMOUS.fullmatch(source) else source, sorted(words))


def mount_line(mount: Values) -> str:
    kind, source = mount.get("Type") or "volume", mount.get("Source") or ""
    words = ["ro"] if mount.get("ReadOnly") else []
    bind = mount.get("BindOptions") or {}
    if bind.get("Propagation") not in (None, "", "rprivate"):
        words.append(bind["Propagation"])
    words += [word for key, word in (("NonRecursive", "norbind"), ("ReadOnlyForceRecursive", "rro")) if bind.get(key)]
    volume = mount.get("VolumeOptions") or {}
    if volume.get("NoCopy"):
        words.append("nocopy")
    subpath = volume.get("Subpath") or (mount.get("ImageOptions") or {}).get("Subpath")
    if subpath:
        words.append(f"subpath={subpath}")
    tmpfs = mount.get("TmpfsOptions") or {}
    words += [f"{key}={tmpfs[name]}" for name, key in (("SizeBytes", "size"), ("Mode", "mode")) if tmpfs.get(name)]
    if kind == "volume" and ANONYMOUS.fullmatch(source):
        source = ""
    return line_of(kind, source, sorted(words))


def line_of(kind: str, source: str, words: list[str]) -> str:
    return " ".join(filter(None, (kind, source, *words)))


def anonymous_volumes(inspect: Values) -> dict[str, str]:
    """Target → name of each anonymous volume of a live container."""
    return {
        mount["Destination"]: mount["Name"]
        for mount in inspect.get("Mounts") or ()
        if mount.get("Type") == "volume" and ANONYMOUS.fullmatch(mount.get("Name") or "")
    }
