"""Dockerfile instructions as `commit --change` and `import --change` take them, applied to an image's config. Pure.

Source: docker/cli, docs/reference/commandline/container_commit.md: CMD, ENTRYPOINT, ENV, EXPOSE,
HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable
from typing import Any

from engine.api.container_config import ContainerConfig
from engine.api.errors import InvalidArgument
from engine.daemon.signals import signal_number

PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.IGNORECASE | re.ASCII)


def applied(config: ContainerConfig, changes: Iterable[str]) -> ContainerConfig:
    """A new config. Raises InvalidArgument for an instruction that is unknown or can't be read."""
    document: dict[str, Any] = dict(config)
    for change in changes:
        for line in filter(None, (part.strip() for part in change.splitlines())):
            word, _, rest = line.partition(" ")
            maker = MAKERS.get(word.upper())
            if maker is None:
                raise InvalidArgument(f"{word.lower()} is not a valid change command")
            if not rest.strip():
                raise InvalidArgument(f"{word.upper()} requires at least one argument")
            maker(document, rest.strip())
    return document  # type: ignore[return-value]  # the same keys


def command(rest: str) -> list[str]:
    """The JSON form, else a shell's."""
    try:
        found = json.loads(rest)
    except ValueError:
        found = None
    if isinstance(found, list) and all(isinstance(word, str) for word in found):
        return found
    return ["/bin/sh", "-c", rest]


def words(rest: str) -> list[str]:
    try:
        return shlex.split(rest)
    except ValueError as error:
        raise InvalidArgument(f"{rest!r} can't be read: {error}") from error


def pairs(rest: str) -> dict[str, str]:
    """`a=b c="d e"`, or the old `a b`."""
    found = words(rest)
    if found and "=" not in found[0]:
        key, _, value = rest.partition(" ")
        return {key: value.strip()}
    if bad := [word for word in found if "=" not in word]:
        raise InvalidArgument(f'can\'t find = in "{bad[0]}": write key=value')
    return dict(word.split("=", 1) for word in found)


def set_cmd(document: dict[str, Any], rest: str) -> None:
    document["Cmd"] = command(rest)


def set_entrypoint(document: dict[str, Any], rest: str) -> None:
    document["Entrypoint"] = command(rest)


def set_env(document: dict[str, Any], rest: str) -> None:
    known = dict(item.split("=", 1) for item in document.get("Env") or () if "=" in item)
    document["Env"] = [f"{key}={value}" for key, value in {**known, **pairs(rest)}.items()]


def set_expose(document: dict[str, Any], rest: str) -> None:
    ports = dict(document.get("ExposedPorts") or {})
    for word in words(rest):
        found = PORT.fullmatch(word)
        if found is None or not 0 < int(found[1]) <= int(found[2] or found[1]) < 65536:
            raise InvalidArgument(f"invalid containerPort: {word}")
        kind = (found[3] or "tcp").lower()
        ports |= {f"{port}/{kind}": {} for port in range(int(found[1]), int(found[2] or found[1]) + 1)}
    document["ExposedPorts"] = ports


def set_label(document: dict[str, Any], rest: str) -> None:
    document["Labels"] = {**(document.get("Labels") or {}), **pairs(rest)}


def set_onbuild(document: dict[str, Any], rest: str) -> None:
    document["OnBuild"] = [*(document.get("OnBuild") or ()), rest]


def set_volume(document: dict[str, Any], rest: str) -> None:
    named = command(rest)
    paths = words(rest) if named[:2] == ["/bin/sh", "-c"] and not rest.startswith("[") else named
    document["Volumes"] = {**(document.get("Volumes") or {}), **{path: {} for path in paths}}


def set_workdir(document: dict[str, Any], rest: str) -> None:
    before = str(document.get("WorkingDir") or "/")
    document["WorkingDir"] = rest if rest.startswith("/") else f"{before.rstrip('/')}/{rest}"


def set_user(document: dict[str, Any], rest: str) -> None:
    document["User"] = rest


def set_stop_signal(document: dict[str, Any], rest: str) -> None:
    signal_number(rest)
    document["StopSignal"] = rest


def set_healthcheck(document: dict[str, Any], rest: str) -> None:
    """`[--interval=… --timeout=… --start-period=… --start-interval=… --retries=N] CMD command`, or NONE."""
    health: dict[str, Any] = {}
    while rest.startswith("--"):
        flag, _, rest = rest.partition(" ")
        name, _, value = flag[2:].partition("=")
        rest = rest.strip()
        if name == "retries" and value.isdecimal():
            health["Retries"] = int(value)
        elif name in HEALTH_TIMES:
            health[HEALTH_TIMES[name]] = nanoseconds(value)
        else:
            raise InvalidArgument(f"HEALTHCHECK: unknown flag or value: {flag}")
    kind, _, command_text = rest.partition(" ")
    if kind.upper() == "NONE" and not command_text.strip():
        document["Healthcheck"] = {"Test": ["NONE"]}
        return
    if kind.upper() != "CMD" or not command_text.strip():
        raise InvalidArgument(f'Unknown type "{kind}" in HEALTHCHECK (try CMD)')
    words_ = command(command_text.strip())
    shell = words_[:2] == ["/bin/sh", "-c"] and not command_text.strip().startswith("[")
    document["Healthcheck"] = {"Test": ["CMD-SHELL", words_[2]] if shell else ["CMD", *words_], **health}


def nanoseconds(text: str) -> int:
    """Go's durations: `1m30s`. Raises InvalidArgument."""
    units = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", text)
    if not parts or "".join(f"{number}{unit}" for number, unit in parts) != text:
        raise InvalidArgument(f'time: invalid duration "{text}"')
    return int(sum(float(number) * units[unit] for number, unit in parts))


HEALTH_TIMES = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
}
MAKERS: dict[str, Callable[[dict[str, Any], str], None]] = {
    "CMD": set_cmd,
    "ENTRYPOINT": set_entrypoint,
    "ENV": set_env,
    "EXPOSE": set_expose,
    "HEALTHCHECK": set_healthcheck,
    "LABEL": set_label,
    "ONBUILD": set_onbuild,
    "STOPSIGNAL": set_stop_signal,
    "USER": set_user,
    "VOLUME": set_volume,
    "WORKDIR": set_workdir,
}
