"""What an instruction says, as frozen values: parsed, not yet expanded. Expansion needs a stage's environment.

A text marked *raw* may hold variables, quotes and escapes; engine.dockerfile.expand makes a value of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.dockerfile.faults import Place
from engine.dockerfile.lex import Heredoc


@dataclass(frozen=True, slots=True)
class Said:
    """What every instruction has: `source` is its own text (`RUN make`), comments and continuations gone."""

    source: str
    place: Place


@dataclass(frozen=True, slots=True)
class From:
    """`base` and `platform` are raw, over the global ARGs alone; `name` is lower-case, empty for none."""

    said: Said
    base: str
    name: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Arg:
    """Names with their raw defaults; None where there is none."""

    said: Said
    values: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Env:
    """Raw names and values. `old`: the form `ENV name value`."""

    said: Said
    values: tuple[tuple[str, str], ...]
    old: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    said: Said
    values: tuple[tuple[str, str], ...]
    old: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """Words as they stand. `shell`: one text for the stage's SHELL; else the words of an exec form."""

    words: tuple[str, ...]
    shell: bool


@dataclass(frozen=True, slots=True)
class RunMount:
    """One `--mount` of RUN, raw: `options` in their order, a bare word's value None."""

    options: tuple[tuple[str, str | None], ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Run:
    said: Said
    command: Command
    mounts: tuple[RunMount, ...] = ()
    network: str = ""
    security: str = ""
    heredocs: tuple[Heredoc, ...] = ()


@dataclass(frozen=True, slots=True)
class Cmd:
    said: Said
    command: Command


@dataclass(frozen=True, slots=True)
class Entrypoint:
    said: Said
    command: Command


@dataclass(frozen=True, slots=True)
class Shell:
    said: Said
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Copy:
    """COPY, and ADD where `add`. Sources and destination are raw. `origin` is --from's, which takes variables too.

    `inline` are the here-documents among the sources: their names stand in `sources` as `<<NAME`.
    """

    said: Said
    sources: tuple[str, ...]
    destination: str
    add: bool = False
    origin: str = ""
    chown: str = ""
    chmod: str = ""
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()
    checksum: str = ""
    keep_git_dir: bool = False
    # None: archives are unpacked as ADD has always done, downloads are not
    unpack: bool | None = None
    inline: Mapping[str, Heredoc] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Workdir:
    said: Said
    path: str


@dataclass(frozen=True, slots=True)
class User:
    said: Said
    user: str


@dataclass(frozen=True, slots=True)
class Volume:
    said: Said
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expose:
    """Raw: a variable may hold several ports."""

    said: Said
    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StopSignal:
    said: Said
    signal: str


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """Times in nanoseconds, 0 for "as the engine has it". `test` as the API has it: ["NONE"], ["CMD", …] …"""

    said: Said
    test: tuple[str, ...]
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Onbuild:
    """`trigger` is the instruction as it will be run in a build on this image."""

    said: Said
    trigger: str


@dataclass(frozen=True, slots=True)
class Maintainer:
    said: Said
    name: str


Instruction = (
    Arg
    | Env
    | Label
    | Run
    | Cmd
    | Entrypoint
    | Shell
    | Copy
    | Workdir
    | User
    | Volume
    | Expose
    | StopSignal
    | Healthcheck
    | Onbuild
    | Maintainer
)
