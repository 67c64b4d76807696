"""One logical line → one instruction. Each keyword has its reader; what can't be read is Wrong, with its offset."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cached_property

from engine.dockerfile.durations import CantRead
from engine.dockerfile.faults import Place, meant
from engine.dockerfile.flags import Flag, Flags, Wrong, split_flags
from engine.dockerfile.healthflags import duration_of, retries_of
from engine.dockerfile.instructions import (
    Arg,
    Cmd,
    Command,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Onbuild,
    Run,
    RunMount,
    Said,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from engine.dockerfile.lex import BLANKS, Line, heredoc_of, placed_words
from engine.dockerfile.mounts import mount_of
from engine.dockerfile.pairs import pairs_of

NETWORKS = ("default", "none", "host")
SECURITIES = ("sandbox", "insecure")
CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}|[0-9a-f]{7,64}|.*\$.*", re.ASCII)


class Reader:
    def __init__(self, line: Line, escape: str) -> None:
        self._line = line
        self._escape = escape
        match = re.match(rf"\S+?(?=[{BLANKS}]|$)", line.text)
        self._word = match[0] if match else line.text
        self.keyword = self._word.upper()
        self._start = len(self._word)

    @cached_property
    def flags(self) -> Flags:
        return split_flags(self.keyword, self._line.text, self._start, self._escape)

    @property
    def rest(self) -> str:
        """What stands behind keyword and flags."""
        return self._line.text[self.flags.end :]

    @property
    def said(self) -> Said:
        return Said(self._line.text, self._line.place(0))

    def read(self) -> Instruction | From:
        """Raises Wrong."""
        maker = READERS.get(self.keyword)
        if maker is None:
            raise Wrong("unknown-instruction", f"unknown instruction: {self._word}", 0, meant(self.keyword, KEYWORDS))
        if not self.rest.strip():
            raise self._argument_needed()
        return maker(self)

    def _argument_needed(self) -> Wrong:
        many = "exactly one argument" if self.keyword in SINGLE else "at least one argument"
        if self.keyword in ("COPY", "ADD"):
            many = "at least two arguments: a source and a destination"
        return Wrong("arguments", f"{self.keyword} requires {many}", 0)

    # --- parts
    def _words(self) -> list[str]:
        return [text for _, text in placed_words(self.rest, self._escape)]

    def _json(self) -> tuple[str, ...] | None:
        """The words of an exec form; None for what is none."""
        text = self.rest.strip()
        if not text.startswith("["):
            return None
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not all(isinstance(word, str) for word in found):
            message = "when using JSON array syntax, arrays must be comprised of strings only"
            raise Wrong("json", message, self.flags.end, "quote each word, with double quotes")
        return tuple(found)

    def _command(self) -> Command:
        found = self._json()
        return Command((self.rest.strip(),), shell=True) if found is None else Command(found, shell=False)

    def _single(self) -> str:
        text = self.rest.strip()
        if len(self._words()) != 1:
            raise Wrong("arguments", f"{self.keyword} requires exactly one argument", self.flags.end)
        return text

    # --- keywords
    def _from(self) -> From:
        words = self._words()
        if len(words) not in (1, 3) or (len(words) == 3 and words[1].lower() != "as"):
            message = "FROM requires either one argument, or three: FROM <source> [AS <name>]"
            raise Wrong("arguments", message, self.flags.end)
        return From(self.said, words[0], words[2].lower() if len(words) == 3 else "", self.flags.text("platform"))

    def _arg(self) -> Arg:
        values: list[tuple[str, str | None]] = []
        for offset, word in placed_words(self.rest, self._escape):
            name, equals, value = word.partition("=")
            if not name or any(quote in name for quote in "\"'"):
                raise Wrong("pair", f"ARG names can not be blank or quoted: {word}", self.flags.end + offset)
            values.append((name, value if equals else None))
        return Arg(self.said, tuple(values))

    def _env(self) -> Env:
        return Env(self.said, *pairs_of(self.keyword, self.rest, self.flags.end, self._escape))

    def _label(self) -> Label:
        return Label(self.said, *pairs_of(self.keyword, self.rest, self.flags.end, self._escape))

    def _run(self) -> Run:
        flags = self.flags
        network, security = flags.text("network"), flags.text("security")
        self._one_of("network", network, NETWORKS)
        self._one_of("security", security, SECURITIES)
        if flags.all("device"):
            raise Wrong(
                "flag", "--device needs a device driver, which this builder has not", flags.all("device")[0].offset
            )
        mounts = tuple(self._mount(flag) for flag in flags.all("mount"))
        command = self._command()
        if self._line.heredocs and not command.shell:
            raise Wrong("heredoc", "a here-document needs the shell form of RUN", flags.end)
        return Run(self.said, command, mounts, network, security, self._line.heredocs)

    def _mount(self, flag: Flag) -> RunMount:
        options = []
        for word in flag.value.split(","):
            name, equals, value = word.partition("=")
            options.append((name.strip().lower(), value if equals else None))
        if "$" not in flag.value:
            try:
                mount_of(options)
            except CantRead as error:
                raise Wrong("mount", str(error), flag.offset) from None
        return RunMount(tuple(options), self._line.place(flag.offset))

    def _one_of(self, name: str, value: str, known: tuple[str, ...]) -> None:
        if value and "$" not in value and value not in known:
            flag = self.flags.all(name)[0]
            hint = meant(value, known) or f"one of {', '.join(known)}"
            raise Wrong("flag", f"invalid {name} mode: {value}", flag.offset, hint)

    def _cmd(self) -> Cmd:
        return Cmd(self.said, self._command())

    def _entrypoint(self) -> Entrypoint:
        return Entrypoint(self.said, self._command())

    def _shell(self) -> Shell:
        found = self._json()
        if not found:
            raise Wrong("json", 'SHELL requires the arguments to be in JSON form: ["/bin/bash", "-c"]', self.flags.end)
        return Shell(self.said, found)

    def _copy(self) -> Copy:
        flags, add = self.flags, self.keyword == "ADD"
        found = self._json()
        words = list(found) if found is not None else self._words()
        inline = {heredoc.name: heredoc for heredoc in self._line.heredocs}
        sources = []
        for word in words[:-1]:
            heading = heredoc_of(word, self._escape) if found is None else None
            sources.append(f"<<{heading.name}" if heading is not None and heading.name in inline else word)
        if len(words) < 2:
            raise self._argument_needed()
        checksum = flags.text("checksum")
        if checksum and not CHECKSUM.fullmatch(checksum):
            place = flags.all("checksum")[0].offset
            raise Wrong("flag", f"invalid checksum: {checksum}", place, "write sha256:<64 hexadecimal digits>")
        return Copy(
            self.said,
            tuple(sources),
            words[-1],
            add,
            flags.text("from"),
            flags.text("chown"),
            flags.text("chmod"),
            bool(flags.switch("link")),
            bool(flags.switch("parents")),
            tuple(flag.value for flag in flags.all("exclude")),
            checksum,
            bool(flags.switch("keep-git-dir")),
            flags.switch("unpack"),
            inline,
        )

    def _workdir(self) -> Workdir:
        return Workdir(self.said, self.rest.strip())

    def _user(self) -> User:
        return User(self.said, self._single())

    def _volume(self) -> Volume:
        found = self._json()
        paths = found if found is not None else tuple(self._words())
        if not paths or not all(path.strip() for path in paths):
            raise Wrong("arguments", "VOLUME specified can not be an empty string", self.flags.end)
        return Volume(self.said, paths)

    def _expose(self) -> Expose:
        return Expose(self.said, tuple(self._words()))

    def _stop_signal(self) -> StopSignal:
        return StopSignal(self.said, self._single())

    def _healthcheck(self) -> Healthcheck:
        kind, _, rest = self.rest.partition(" ")
        if kind.upper() == "NONE":
            if rest.strip():
                raise Wrong("arguments", "HEALTHCHECK NONE takes no arguments", self.flags.end)
            return Healthcheck(self.said, ("NONE",))
        if kind.upper() != "CMD":
            hint = meant(kind.upper(), ("CMD", "NONE"))
            raise Wrong("arguments", f'unknown type "{kind}" in HEALTHCHECK (try CMD)', self.flags.end, hint)
        if not rest.strip():
            raise Wrong("arguments", "missing command after HEALTHCHECK CMD", self.flags.end)
        command = Reader(Line(f"CMD {rest.strip()}", self._line.origins, self._line.end), self._escape)._command()
        if not command.words:
            raise Wrong("arguments", "missing command after HEALTHCHECK CMD", self.flags.end)
        test = ("CMD-SHELL" if command.shell else "CMD", *command.words)
        return Healthcheck(
            self.said,
            test,
            duration_of(self.flags, "interval"),
            duration_of(self.flags, "timeout"),
            duration_of(self.flags, "start-period"),
            duration_of(self.flags, "start-interval"),
            retries_of(self.flags),
        )

    def _onbuild(self) -> Onbuild:
        trigger = self.rest.strip()
        word = trigger.split()[0].upper()
        if word in ("ONBUILD", "FROM", "MAINTAINER"):
            said = "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed" if word == "ONBUILD" else ""
            raise Wrong("onbuild", said or f"{word} isn't allowed as an ONBUILD trigger", self.flags.end)
        place = self._line.place(self.flags.end)
        inner = Line(trigger, ((0, place.line, place.column),), self._line.end, self._line.heredocs)
        try:
            Reader(inner, self._escape).read()
        except Wrong as wrong:
            raise Wrong(wrong.code, str(wrong), self.flags.end + wrong.offset, wrong.hint) from None
        for heredoc in self._line.heredocs:
            trigger += f"\n{heredoc.content}{heredoc.name}"
        return Onbuild(self.said, trigger)

    def _maintainer(self) -> Maintainer:
        return Maintainer(self.said, self.rest.strip())


READERS: dict[str, Callable[[Reader], Instruction | From]] = {
    "ADD": Reader._copy,
    "ARG": Reader._arg,
    "CMD": Reader._cmd,
    "COPY": Reader._copy,
    "ENTRYPOINT": Reader._entrypoint,
    "ENV": Reader._env,
    "EXPOSE": Reader._expose,
    "FROM": Reader._from,
    "HEALTHCHECK": Reader._healthcheck,
    "LABEL": Reader._label,
    "MAINTAINER": Reader._maintainer,
    "ONBUILD": Reader._onbuild,
    "RUN": Reader._run,
    "SHELL": Reader._shell,
    "STOPSIGNAL": Reader._stop_signal,
    "USER": Reader._user,
    "VOLUME": Reader._volume,
    "WORKDIR": Reader._workdir,
}
KEYWORDS = tuple(READERS)
SINGLE = frozenset({"USER", "WORKDIR", "STOPSIGNAL", "MAINTAINER"})

__all__ = ["KEYWORDS", "Place", "Reader", "Wrong"]
