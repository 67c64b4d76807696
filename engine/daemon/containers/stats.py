"""stats and top: what a container uses, read from its cgroup and its network namespace; which processes it has.

Source: Engine API v1.50, /containers/{id}/stats and /top; kernel's cgroup-v1 and v2 documents.
"""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from engine.api.containers import Top
from engine.api.errors import InvalidArgument, SystemFailure
from engine.daemon.containers.moments import UNSET, rfc3339
from engine.daemon.containers.phase import must_run
from engine.daemon.containers.rooms import Rooms
from engine.daemon.containers.shelf import Entry
from engine.daemon.runtime import cgroups
from engine.kit.process import ProcessTimeout, run_process

CLOCK_TICK = os.sysconf("SC_CLK_TCK")
INTERVAL = 1.0
EMPTY_CPU: dict[str, Any] = {
    "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
    "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
}
# /proc/net/dev: received bytes, packets, errors, drops; sent ones eight columns later.
COLUMNS = {
    "rx_bytes": 0, "rx_packets": 1, "rx_errors": 2, "rx_dropped": 3,
    "tx_bytes": 8, "tx_packets": 9, "tx_errors": 10, "tx_dropped": 11,
}  # fmt: skip


class Stats:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def once(self, entry: Entry, *, two_samples: bool) -> dict[str, Any]:
        """One answer; with two samples, a second apart, `precpu_stats` is the first of them."""
        before = None
        if two_samples and entry.phase.alive:
            before = await self._sample(entry)
            await anyio.sleep(INTERVAL)
        return self._answer(entry, await self._sample(entry), before)

    async def stream(self, entry: Entry) -> AsyncIterator[dict[str, Any]]:
        """One each second; while it doesn't run they are empty. Ends with the container."""
        before: dict[str, Any] | None = None
        while not entry.removed.happened:
            now = await self._sample(entry)
            yield self._answer(entry, now, before)
            before = now
            await anyio.sleep(INTERVAL)

    async def _sample(self, entry: Entry) -> dict[str, Any]:
        if not entry.phase.alive:
            return {}
        path, pid = self._rooms.runtime.cgroup(entry.id), entry.container.pid
        return await anyio.to_thread.run_sync(sample, path, pid, self._rooms.host.cpus, entry.container.network_mode)

    def _answer(self, entry: Entry, now: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "read": rfc3339(self._rooms.now()) if now else UNSET,
            "preread": (before or {}).get("read", UNSET),
            "pids_stats": {},
            "blkio_stats": dict.fromkeys(
                [
                    "io_service_bytes_recursive", "io_serviced_recursive", "io_queue_recursive",
                    "io_service_time_recursive", "io_wait_time_recursive", "io_merged_recursive",
                    "io_time_recursive", "sectors_recursive",
                ]
            ),
            "num_procs": 0,
            "storage_stats": {},
            "cpu_stats": EMPTY_CPU,
            "memory_stats": {},
            **{key: value for key, value in now.items() if key != "read"},
            "precpu_stats": (before or {}).get("cpu_stats", EMPTY_CPU),
            "name": f"/{entry.container.name}",
            "id": entry.id,
        }  # fmt: skip

    async def top(self, entry: Entry, arguments: str) -> Top:
        """The host's `ps`, of which the container's processes are shown. Raises InvalidArgument for its options."""
        if not entry.phase.alive:
            must_run(entry.phase, entry.id, "top")
        program = shutil.which("ps")
        if program is None:
            raise SystemFailure("the program ps is not installed on this machine: install the package procps")
        members = set(await anyio.to_thread.run_sync(cgroups.pids, self._rooms.runtime.cgroup(entry.id)))
        try:
            words = shlex.split(arguments or "-ef")
            done = await run_process([program, *words], timeout_seconds=20)
        except (ValueError, ProcessTimeout) as error:
            raise InvalidArgument(f"ps: {error}") from None
        if done.code:
            raise InvalidArgument(f"ps: {done.stderr.decode(errors='replace').strip().partition(chr(10))[0]}")
        self._rooms.tell(entry, "top")
        return parse_ps(done.stdout.decode(errors="replace"), members)


def parse_ps(text: str, members: set[int]) -> Top:
    """Titles, and the rows whose PID is one of them; the last column may hold spaces. Raises InvalidArgument."""
    lines = text.splitlines()
    titles = lines[0].split() if lines else []
    if "PID" not in titles:
        raise InvalidArgument("Couldn't find PID field in ps output")
    place = titles.index("PID")
    rows = []
    for line in lines[1:]:
        words = line.split(None, len(titles) - 1)
        if len(words) > place and words[place].isdecimal() and int(words[place]) in members:
            rows.append(words)
    return {"Titles": titles, "Processes": rows}


# --- the kernel's files --------------------------------------------------------------------------------------------
def sample(path: str, pid: int, cpus: int, network_mode: str) -> dict[str, Any]:
    two = cgroups.version() == 2
    made: dict[str, Any] = {
        "read": rfc3339_now(),
        "pids_stats": pids_of(path),
        "cpu_stats": (cpu_two if two else cpu_one)(path, cpus),
        "memory_stats": (memory_two if two else memory_one)(path),
        "blkio_stats": {"io_service_bytes_recursive": block(path, two), "io_serviced_recursive": None},
    }
    if network_mode not in ("host",):
        networks = network_of(pid)
        if networks:
            made["networks"] = networks
    return made


def rfc3339_now() -> str:
    return rfc3339(time.time_ns())


def text(controller: str, path: str, name: str) -> str:
    folder = cgroups.folder(controller, path)
    try:
        return (folder / name).read_text() if folder is not None else ""
    except OSError:
        return ""


def number(controller: str, path: str, name: str) -> int:
    word = text(controller, path, name).strip()
    return int(word) if word.isdecimal() else 0


def table(content: str) -> dict[str, int]:
    return {
        words[0]: int(words[1])
        for line in content.splitlines()
        if len(words := line.split()) == 2 and words[1].isdecimal()
    }


def pids_of(path: str) -> dict[str, int]:
    made = {"current": number("pids", path, "pids.current")}
    limit = number("pids", path, "pids.max")
    if limit:
        made["limit"] = limit
    return made


def system_cpu() -> int:
    """Nanoseconds that all processors have spent, since the boot."""
    with open("/proc/stat") as file:
        words = file.readline().split()[1:9]
    return sum(int(word) for word in words) * 1_000_000_000 // CLOCK_TICK


def cpu_one(path: str, cpus: int) -> dict[str, Any]:
    ticks = table(text("cpuacct", path, "cpuacct.stat"))
    throttled = table(text("cpu", path, "cpu.stat"))
    each = [int(word) for word in text("cpuacct", path, "cpuacct.usage_percpu").split()]
    usage: dict[str, Any] = {
        "total_usage": number("cpuacct", path, "cpuacct.usage"),
        "usage_in_kernelmode": ticks.get("system", 0) * 1_000_000_000 // CLOCK_TICK,
        "usage_in_usermode": ticks.get("user", 0) * 1_000_000_000 // CLOCK_TICK,
    }
    if each:
        usage["percpu_usage"] = each
    return {
        "cpu_usage": usage,
        "system_cpu_usage": system_cpu(),
        "online_cpus": cpus,
        "throttling_data": {
            "periods": throttled.get("nr_periods", 0),
            "throttled_periods": throttled.get("nr_throttled", 0),
            "throttled_time": throttled.get("throttled_time", 0),
        },
    }


def cpu_two(path: str, cpus: int) -> dict[str, Any]:
    found = table(text("", path, "cpu.stat"))
    return {
        "cpu_usage": {
            "total_usage": found.get("usage_usec", 0) * 1000,
            "usage_in_kernelmode": found.get("system_usec", 0) * 1000,
            "usage_in_usermode": found.get("user_usec", 0) * 1000,
        },
        "system_cpu_usage": system_cpu(),
        "online_cpus": cpus,
        "throttling_data": {
            "periods": found.get("nr_periods", 0),
            "throttled_periods": found.get("nr_throttled", 0),
            "throttled_time": found.get("throttled_usec", 0) * 1000,
        },
    }


def memory_total() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def memory_one(path: str) -> dict[str, Any]:
    limit = number("memory", path, "memory.limit_in_bytes")
    return {
        "usage": number("memory", path, "memory.usage_in_bytes"),
        "max_usage": number("memory", path, "memory.max_usage_in_bytes"),
        "failcnt": number("memory", path, "memory.failcnt"),
        "stats": table(text("memory", path, "memory.stat")),
        "limit": min(limit, memory_total()) if limit else memory_total(),
    }


def memory_two(path: str) -> dict[str, Any]:
    return {
        "usage": number("", path, "memory.current"),
        "stats": table(text("", path, "memory.stat")),
        "limit": number("", path, "memory.max") or memory_total(),
    }


def block(path: str, two: bool) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    if two:
        for line in text("", path, "io.stat").splitlines():
            device, *pairs = line.split()
            major, _, minor = device.partition(":")
            values = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
            for key, word in (("rbytes", "read"), ("wbytes", "write")):
                if key in values and major.isdecimal() and minor.isdecimal():
                    made.append({"major": int(major), "minor": int(minor), "op": word, "value": int(values[key])})
        return made
    for line in text("blkio", path, "blkio.throttle.io_service_bytes_recursive").splitlines():
        words = line.split()
        if len(words) == 3:
            major, _, minor = words[0].partition(":")
            made.append({"major": int(major), "minor": int(minor), "op": words[1], "value": int(words[2])})
    return made


def network_of(pid: int) -> dict[str, dict[str, int]]:
    """Every interface but the loopback, as the process sees them."""
    try:
        lines = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
    except OSError:
        return {}
    made = {}
    for line in lines:
        name, _, rest = line.partition(":")
        words = rest.split()
        if name.strip() != "lo" and len(words) >= 12:
            made[name.strip()] = {key: int(words[column]) for key, column in COLUMNS.items()}
    return made
