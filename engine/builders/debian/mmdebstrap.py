"""Runs mmdebstrap: packages in, a tar stream to a reader's thread, progress lines and clear faults out."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from engine.builders.debian.sources import lines_for
from engine.builders.sources import DebianImage
from engine.client.errors import EngineError, InvalidArgument, SystemFailure, Unavailable

T = TypeVar("T")
PACKAGE = "rorqual-package "
# Names of the unpacked archives, one a line on stderr: name_version_architecture.deb, the colon as %3a.
LIST_PACKAGES = f'for deb in "$1"/var/cache/apt/archives/*.deb; do echo "{PACKAGE}${{deb##*/}}" >&2; done'
TAIL = 12
TARBALL = "I: creating tarball"
LAG_SECONDS = 30.0
# What of its chatter tells a waiting person where it stands.
NEWS = re.compile(r"I: (running apt-get|downloading|extracting archives|installing|creating tarball)|E: ")
APT_SOURCES = Path("/etc/apt")


@dataclass(slots=True)
class Log:
    """What mmdebstrap says: packages are noted, its own words are passed on, the last lines are kept for a fault."""

    on_line: Callable[[str], None]
    packages: dict[str, str] = field(default_factory=dict)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))
    # set when the tar begins: all packages have been named by then
    packed: threading.Event = field(default_factory=threading.Event)

    def names(self) -> frozenset[str]:
        """The packages' names, for the thread that reads the tar: it may be ahead of this log."""
        self.packed.wait(LAG_SECONDS)
        return frozenset(self.packages)

    def line(self, text: str) -> None:
        if text.startswith(PACKAGE):
            name, version, *_ = text.removeprefix(PACKAGE).removesuffix(".deb").split("_")
            self.packages[name] = version.replace("%3a", ":")
        elif found := re.match(r"Inst (\S+) (?:\[\S+\] )?\((\S+) ", text):
            self.packages[found[1]] = found[2]
        elif text.strip():
            self.tail.append(text)
            if text.startswith(TARBALL):
                self.packed.set()
            if NEWS.match(text):
                self.on_line(text.removeprefix("I: "))


def command(image: DebianImage, sources: Sequence[str], *, simulate: bool) -> list[str]:
    words = ["mmdebstrap", f"--variant={image.variant}", "--format=tar"]
    if image.packages:
        words.append(f"--include={','.join(sorted(set(image.packages)))}")
    if image.architecture:
        words.append(f"--architectures={image.architecture}")
    # apt's own words name the packages that a simulation would take
    words += ["--verbose", "--simulate"] if simulate else [f"--extract-hook={LIST_PACKAGES}"]
    return [*words, "--", image.suite, "-", *sources]


def host_sources(suite: str) -> list[str]:
    """The entries of this machine's apt for `suite`; none where it has none, or is no Debian."""
    lists = [APT_SOURCES / "sources.list", *sorted(APT_SOURCES.glob("sources.list.d/*.list"))]
    return lines_for(
        suite,
        [path.read_text(errors="replace") for path in lists if path.is_file()],
        [path.read_text(errors="replace") for path in sorted(APT_SOURCES.glob("sources.list.d/*.sources"))],
    )


async def resolve_packages(image: DebianImage, on_line: Callable[[str], None]) -> dict[str, str]:
    """The packages and versions that a build would take now. Asks the network; unpacks nothing."""
    log = Log(on_line)
    await run(image, log, lambda _, __: None, simulate=True)
    return log.packages


async def unpack(
    image: DebianImage, read: Callable[[IO[bytes], Callable[[], frozenset[str]]], T], on_line: Callable[[str], None]
) -> tuple[T, dict[str, str]]:
    """Give the root file system's tar to `read`, in a thread; return its result and the packages with their versions.

    `read` gets a function for the packages' names that is good once the stream has ended.
    """
    log = Log(on_line)
    result = await run(image, log, read, simulate=False)
    return result, log.packages


async def run(
    image: DebianImage, log: Log, read: Callable[[IO[bytes], Callable[[], frozenset[str]]], T], *, simulate: bool
) -> T:
    if shutil.which("mmdebstrap") is None:
        raise Unavailable(missing())
    out, into = os.pipe()
    outcome: list[T] = []
    fault: list[Exception] = []

    async def consume() -> None:
        # abandon_on_cancel: the read ends by itself when the process, and with it the pipe's other end, is gone
        try:
            with_stream = partial(consume_pipe, out, read, log.names)
            outcome.append(await anyio.to_thread.run_sync(with_stream, abandon_on_cancel=True))
        except Exception as error:
            fault.append(error)

    process = await anyio.open_process(
        command(image, host_sources(image.suite), simulate=simulate), stdin=None, stdout=into, start_new_session=True
    )
    os.close(into)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(consume)
            group.start_soon(listen, process, log)
            code = await process.wait()
    finally:
        await stop(process)
    if code != 0:
        raise explain(image, code, list(log.tail))
    if fault:
        raise fault[0]
    return outcome[0]


def consume_pipe(
    out: int, read: Callable[[IO[bytes], Callable[[], frozenset[str]]], T], names: Callable[[], frozenset[str]]
) -> T:
    with os.fdopen(out, "rb") as stream:
        try:
            return read(stream, names)
        finally:
            # mmdebstrap must never wait for a reader that has had enough
            while stream.read(1 << 20):
                pass


async def listen(process: Process, log: Log) -> None:
    assert process.stderr is not None
    rest = ""
    async for text in TextReceiveStream(process.stderr, errors="replace"):
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            log.line(line)
    log.line(rest)


async def stop(process: Process) -> None:
    """On cancellation: mmdebstrap removes its own temporary root when it is asked to end, so ask first.

    It waits for its children before it does, so they are asked with it: the session is theirs alone.
    """
    if process.returncode is not None:
        return
    with anyio.CancelScope(shield=True):
        for number, seconds in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with anyio.move_on_after(seconds):
                await process.wait()
                return


def missing() -> str:
    if sys.platform != "linux":
        return f"an image from Debian packages can't be built on {sys.platform}: mmdebstrap needs Linux"
    return "an image from Debian packages needs mmdebstrap, which is not installed: apt-get install mmdebstrap"


def explain(image: DebianImage, code: int, tail: list[str]) -> EngineError:
    """mmdebstrap's fault in the user's words, with its last lines."""
    text = "\n".join(tail)
    if unknown := re.findall(r"Unable to locate package (\S+)", text):
        names = ", ".join(f'"{name}"' for name in dict.fromkeys(unknown))
        return InvalidArgument(f"Debian {image.suite} has no package {names}")
    if re.search(r"does not have a Release file|404\s+Not Found", text) and "Release" in text:
        return InvalidArgument(f'the apt sources have no suite "{image.suite}"\n{text}')
    if re.search(r"Could not resolve|Could not connect|Temporary failure|Unable to connect", text):
        reasons = re.findall(r"Could not resolve.*|Could not connect.*|Temporary failure.*|Unable to connect.*", text)
        return Unavailable(f"the apt sources for Debian {image.suite} can't be reached: {reasons[0].strip()}")
    return SystemFailure(f"mmdebstrap failed with exit code {code}:\n{text}")
