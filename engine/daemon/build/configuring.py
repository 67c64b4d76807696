"""Instructions that change nothing but the configuration, applied to it. Pure.

Each returns the new config and the words that the history shows, as Docker's classic builder writes them.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, assert_never

from engine.api.errors import InvalidArgument
from engine.daemon.signals import signal_number
from engine.dockerfile.expand import CantExpand, expand, expand_words
from engine.dockerfile.faults import DockerfileError, Fault
from engine.dockerfile.instructions import (
    Cmd,
    Command,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Label,
    Maintainer,
    Onbuild,
    Said,
    Shell,
    StopSignal,
    User,
    Volume,
)

Json = Any
T = TypeVar("T")
Plain = (
    Cmd | Entrypoint | Env | Expose | Healthcheck | Label | Maintainer | Onbuild | Shell | StopSignal | User | Volume
)
PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.IGNORECASE | re.ASCII)
DEFAULT_SHELL = ("/bin/sh", "-c")


class Words:
    """The words of one instruction, expanded. Raises DockerfileError with the instruction's place."""

    def __init__(self, said: Said, values: Mapping[str, str], escape: str) -> None:
        self._said = said
        self._values = values
        self._escape = escape

    def one(self, word: str) -> str:
        return self._try(lambda: expand(word, self._values, self._escape), word)

    def many(self, word: str) -> list[str]:
        return self._try(lambda: expand_words(word, self._values, self._escape), word)

    def _try(self, work: Callable[[], T], word: str) -> T:
        try:
            return work()
        except CantExpand as error:
            raise self.wrong("expand", f"failed to process {json.dumps(word, ensure_ascii=False)}: {error}") from None

    def wrong(self, code: str, message: str, hint: str = "") -> DockerfileError:
        return DockerfileError([Fault(code, message, self._said.place, hint)])


def shell_of(config: Mapping[str, Json]) -> list[str]:
    return list(config.get("Shell") or DEFAULT_SHELL)


def command_of(command: Command, config: Mapping[str, Json]) -> list[str]:
    return [*shell_of(config), *command.words] if command.shell else list(command.words)


def configured(
    instruction: Plain, config: Mapping[str, Json], words: Words, *, cmd_was_set: bool
) -> tuple[dict[str, Json], str]:
    """The new config, and the instruction as the history shows it. Raises DockerfileError."""
    made = dict(config)
    match instruction:
        case Env():
            return set_env(instruction, made, words)
        case Label():
            pairs = {words.one(name): words.one(value) for name, value in instruction.values}
            made["Labels"] = {**(made.get("Labels") or {}), **pairs}
            return made, f"LABEL {' '.join(f'{name}={value}' for name, value in pairs.items())}"
        case Cmd():
            made["Cmd"] = command_of(instruction.command, config)
            return made, f"CMD {listed(made['Cmd'])}"
        case Entrypoint():
            made["Entrypoint"] = command_of(instruction.command, config)
            if not cmd_was_set:
                made["Cmd"] = None
            return made, f"ENTRYPOINT {listed(made['Entrypoint'])}"
        case Shell():
            made["Shell"] = list(instruction.words)
            return made, f"SHELL {listed(made['Shell'])}"
        case User():
            made["User"] = words.one(instruction.user)
            return made, f"USER {made['User']}"
        case Volume():
            paths = [words.one(path) for path in instruction.paths]
            if not all(path.strip() for path in paths):
                raise words.wrong("volume", "VOLUME specified can not be an empty string")
            made["Volumes"] = {**(made.get("Volumes") or {}), **{path: {} for path in paths}}
            return made, f"VOLUME {listed(paths)}"
        case Expose():
            return set_ports(instruction, made, words)
        case StopSignal():
            signal = words.one(instruction.signal)
            try:
                signal_number(signal)
            except InvalidArgument as error:
                raise words.wrong("signal", error.message) from error
            made["StopSignal"] = signal
            return made, f"STOPSIGNAL {signal}"
        case Healthcheck():
            return set_health(instruction, made)
        case Onbuild():
            made["OnBuild"] = [*(made.get("OnBuild") or ()), instruction.trigger]
            return made, f"ONBUILD {instruction.trigger}"
        case Maintainer():
            return made, f"MAINTAINER {words.one(instruction.name)}"
        case _:
            assert_never(instruction)


def set_env(instruction: Env, made: dict[str, Json], words: Words) -> tuple[dict[str, Json], str]:
    entries = [entry.partition("=") for entry in made.get("Env") or ()]
    known = {name: value for name, _, value in entries}
    pairs = {words.one(name): words.one(value) for name, value in instruction.values}
    made["Env"] = [f"{name}={value}" for name, value in {**known, **pairs}.items()]
    return made, f"ENV {' '.join(f'{name}={value}' for name, value in pairs.items())}"


def set_ports(instruction: Expose, made: dict[str, Json], words: Words) -> tuple[dict[str, Json], str]:
    ports: dict[str, Json] = {}
    for text in instruction.ports:
        for word in words.many(text):
            # an address and a port of the host mean nothing in an image: Docker drops them too
            found = PORT.fullmatch(word.rpartition(":")[2])
            if found is None or not 0 < int(found[1]) <= int(found[2] or found[1]) < 65536:
                raise words.wrong("port", f"invalid containerPort: {word}", "write 80, 8000-8010 or 53/udp")
            kind = (found[3] or "tcp").lower()
            ports |= {f"{port}/{kind}": {} for port in range(int(found[1]), int(found[2] or found[1]) + 1)}
    made["ExposedPorts"] = {**(made.get("ExposedPorts") or {}), **ports}
    return made, f"EXPOSE {' '.join(sorted(ports))}"


def set_health(instruction: Healthcheck, made: dict[str, Json]) -> tuple[dict[str, Json], str]:
    found: dict[str, Json] = {"Test": list(instruction.test)}
    times = {
        "Interval": instruction.interval,
        "Timeout": instruction.timeout,
        "StartPeriod": instruction.start_period,
        "StartInterval": instruction.start_interval,
        "Retries": instruction.retries,
    }
    found |= {name: value for name, value in times.items() if value}
    made["Healthcheck"] = found
    return made, instruction.said.source


def listed(words: list[str]) -> str:
    return json.dumps(words, ensure_ascii=False, separators=(" ", ":")) if words else "[]"


def directory_of(config: Mapping[str, Json], path: str) -> str:
    """The absolute path that WORKDIR and relative destinations mean."""
    return posixpath.normpath(posixpath.join("/", str(config.get("WorkingDir") or "/"), path))
