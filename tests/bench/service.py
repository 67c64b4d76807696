"""What the embedded engine costs while it serves: memory, answers a second, and how long an answer takes at most."""

from __future__ import annotations

import os
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import anyio

from engine.client.session import open_client
from tests.bench.calls import NETWORK, all_at_once, asked_of
from tests.bench.table import Table
from tests.engines import RunningEngine, processes_naming, running_rorqual, short_folder

MANY, MOST = 100, 200
RATE_SECONDS = 3.0
LOOKS = 51
# Between two inspects during an `up`.
PAUSE_SECONDS = 0.002
MIB = 1 << 20


class Line:
    """One connection that is kept open; nothing of a client's library is measured with it."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))

    def close(self) -> None:
        self._socket.close()

    def get(self, target: str) -> bytes:
        """The body of a 200 that says its length."""
        self._socket.sendall(f"GET {target} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._received()
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"GET {target}: {head[:200]!r}")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(body) < length:
            body += self._received()
        return body

    def _received(self) -> bytes:
        piece = self._socket.recv(1 << 18)
        if not piece:
            raise RuntimeError("the engine hung up")
        return piece


def resident(pid: int) -> int:
    """Bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def named(engine: RunningEngine, word: str) -> list[int]:
    """The engine's other processes: `conmon`, or the steward of its networks."""
    found = []
    for pid in processes_naming(f"{engine.socket.parent}/"):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if any(word.encode() in part for part in words[:3]):
            found.append(pid)
    return found


def engine_memory(engine: RunningEngine) -> int:
    """The daemon's and its steward's."""
    return resident(engine.pid) + sum(resident(pid) for pid in named(engine, "steward"))


async def start(engine: RunningEngine, first: int, last: int) -> None:
    async with open_client(engine.target) as client:

        async def one(number: int) -> None:
            made = await client.containers.create(asked_of(engine.image, number), name=f"bench-{number}")
            await client.containers.start(made["Id"])

        if not first:
            await client.networks.create({"Name": NETWORK})
        await all_at_once([partial(one, number) for number in range(first, last)])


def a_second(ask: Callable[[], object]) -> float:
    """How often it is answered in a second, by one client after the other."""
    done, began = 0, time.monotonic()
    while time.monotonic() - began < RATE_SECONDS:
        ask()
        done += 1
    return done / (time.monotonic() - began)


@contextmanager
def on_one_core(engine: RunningEngine) -> Iterator[None]:
    """The engine has the first core, and who asks the others."""
    ours = os.sched_getaffinity(0)
    first, others = {min(ours)}, ours - {min(ours)} or ours
    for task in Path(f"/proc/{engine.pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), first)
    os.sched_setaffinity(0, others)
    try:
        yield
    finally:
        os.sched_setaffinity(0, ours)
        for task in Path(f"/proc/{engine.pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), ours)


def slowest_inspects(engine: RunningEngine) -> tuple[float, int]:
    """The 99th percentile of an inspect's seconds while the second hundred starts; and how many were asked."""
    taken: list[float] = []
    over = threading.Event()

    def ask() -> None:
        with closing(Line(engine.socket)) as line:
            while not over.is_set():
                began = time.monotonic()
                line.get("/containers/bench-0/json")
                taken.append(time.monotonic() - began)
                time.sleep(PAUSE_SECONDS)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        anyio.run(start, engine, MANY, MOST)
    finally:
        over.set()
        asking.join()
    return statistics.quantiles(taken, n=100)[98], len(taken)


def service_bench() -> Table:
    table = Table("The embedded engine as a service", ("what", "measured", "bar"))

    def note(what: str, shown: str, bar: str, held: bool) -> None:
        table.rows.append((what, shown, bar))
        table.bars[f"{what}: {bar} ({shown})"] = held

    with short_folder() as folder, running_rorqual(folder) as engine, closing(Line(engine.socket)) as line:
        line.get("/containers/json")
        idle = engine_memory(engine)
        note("memory, idle", f"{idle / MIB:.0f} MiB", "under 80 MiB", idle < 80 * MIB)
        anyio.run(start, engine, 0, 1)
        with on_one_core(engine):
            pings = a_second(lambda: line.get("/_ping"))
            note("_ping on one core", f"{pings:,.0f} a second", "at least 1,500", pings >= 1500)
            inspects = a_second(lambda: line.get("/containers/bench-0/json"))
            note("inspects on one core", f"{inspects:,.0f} a second", "at least 250", inspects >= 250)
        anyio.run(start, engine, 1, MANY)
        full = engine_memory(engine)
        note(f"memory, {MANY} containers", f"{full / MIB:.0f} MiB", "under 150 MiB", full < 150 * MIB)
        each = statistics.mean(resident(pid) for pid in named(engine, "conmon"))
        note("memory of a container's monitor", f"{each / MIB:.1f} MiB", "at most 3 MiB", each <= 3 * MIB)
        slow, asked = slowest_inspects(engine)
        what = f"p99 of {asked} inspects while {MANY} start"
        note(what, f"{slow * 1e3:.1f} ms", "under 50 ms", slow < 0.05)
        look = statistics.median(took(lambda: line.get("/containers/json")) for _ in range(LOOKS))
        note(f"list of {MOST} containers", f"{look * 1e3:.1f} ms", "under 10 ms", look < 0.01)
        with on_one_core(engine):
            inspects = a_second(lambda: line.get("/containers/bench-7/json"))
            what = f"inspects on one core, {MOST} containers probed every 5 s"
            note(what, f"{inspects:,.0f} a second", "at least 250", inspects >= 250)
    return table


def took(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


BENCHES = (service_bench,)
