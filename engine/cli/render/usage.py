"""One sample of GET /containers/{id}/stats as a row. Source: docker/cli, stats helpers; cgroup v1 and v2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.cli.render.amounts import binary_size, decimal_size

COLUMNS = {
    "ID": "CONTAINER ID",
    "Name": "NAME",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET I/O",
    "BlockIO": "BLOCK I/O",
    "PIDs": "PIDS",
}
MORE = ("Container",)
UNKNOWN = "--"


def usage_row(id: str, name: str, sample: Mapping[str, Any]) -> dict[str, Any]:
    """`sample` {} is a container that there is no sample of yet."""
    row = {"ID": id, "Container": id, "Name": name}
    if not sample.get("cpu_stats"):
        unknown = dict.fromkeys(("CPUPerc", "MemPerc", "PIDs"), UNKNOWN)
        return {**row, **unknown, **dict.fromkeys(("MemUsage", "NetIO", "BlockIO"), f"{UNKNOWN} / {UNKNOWN}")}
    used, limit = memory(sample.get("memory_stats") or {})
    networks = (sample.get("networks") or {}).values()
    read, written = blocks(sample.get("blkio_stats") or {})
    return {
        **row,
        "CPUPerc": f"{cpu_percent(sample):.2f}%",
        "MemUsage": f"{binary_size(used)} / {binary_size(limit)}",
        "MemPerc": f"{used / limit * 100 if limit else 0:.2f}%",
        "NetIO": f"{total(networks, 'rx_bytes')} / {total(networks, 'tx_bytes')}",
        "BlockIO": f"{decimal_size(read)} / {decimal_size(written)}",
        "PIDs": str((sample.get("pids_stats") or {}).get("current") or 0),
    }


def cpu_percent(sample: Mapping[str, Any]) -> float:
    """100 is one processor busy all the time between the two samples."""
    now, before = sample["cpu_stats"], sample.get("precpu_stats") or {}
    used = now["cpu_usage"]["total_usage"] - (before.get("cpu_usage") or {}).get("total_usage", 0)
    system = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    processors = now.get("online_cpus") or len(now["cpu_usage"].get("percpu_usage") or ()) or 1
    return float(used / system * processors * 100) if used > 0 and system > 0 else 0.0


def memory(stats: Mapping[str, Any]) -> tuple[float, float]:
    """Used without the page cache that can be dropped, and the limit."""
    used, details = stats.get("usage") or 0, stats.get("stats") or {}
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    return used - cache if cache < used else used, stats.get("limit") or 0


def blocks(stats: Mapping[str, Any]) -> tuple[int, int]:
    read = written = 0
    for entry in stats.get("io_service_bytes_recursive") or ():
        operation = str(entry.get("op", "")).lower()
        read += entry["value"] if operation == "read" else 0
        written += entry["value"] if operation == "write" else 0
    return read, written


def total(networks: Any, key: str) -> str:
    return decimal_size(sum(network.get(key) or 0 for network in networks))
