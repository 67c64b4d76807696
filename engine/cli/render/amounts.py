"""Sizes, spans of time and ports in the words of Docker's tables. Source: docker/go-units and docker/cli, formatter."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from engine.api.containers import Port

DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def decimal_size(size: float) -> str:
    """13517161 → "13.5MB"."""
    return scaled(size, 1000.0, DECIMAL, 3)


def binary_size(size: float) -> str:
    """1067450 → "1.018MiB"."""
    return scaled(size, 1024.0, BINARY, 4)


def scaled(size: float, base: float, units: tuple[str, ...], digits: int) -> str:
    step = 0
    while size >= base and step < len(units) - 1:
        size /= base
        step += 1
    return f"{size:.{digits}g}{units[step]}"


def human_duration(seconds: float) -> str:
    """7.4 → "7 seconds", 5400 → "2 hours"."""
    whole, minutes, hours = int(seconds), int(seconds / 60), int(seconds / 3600 + 0.5)
    if whole < 1:
        return "Less than a second"
    if whole < 60:
        return "1 second" if whole == 1 else f"{whole} seconds"
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    for limit, unit, length in ((14 * 24, "days", 24), (60 * 24, "weeks", 7 * 24), (730 * 24, "months", 30 * 24)):
        if hours < limit:
            return f"{hours // length} {unit}"
    return f"{int(seconds / 3600) // 24 // 365} years"


def created_at(created: int) -> str:
    """As Go prints a time in UTC."""
    return datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")


def display_ports(ports: Iterable[Port]) -> str:
    """`0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 90-92/tcp`: neighbours with equal numbers on both sides as ranges."""
    groups: dict[tuple[str, str], tuple[int, int]] = {}
    done: list[str] = []
    mapped: list[str] = []
    for port in sorted(ports, key=order):
        private, public = port["PrivatePort"], port.get("PublicPort", 0)
        # Podman leaves out the address that is any
        address = port.get("IP", "") or ("0.0.0.0" if public else "")
        protocol = port.get("Type", "tcp")
        if address and public != private:
            mapped.append(f"{bracketed(address)}:{public}->{private}/{protocol}")
            continue
        key = (address, protocol)
        first, last = groups.get(key, (private, private - 1))
        if private == last + 1 or private == last:
            groups[key] = (first, private)
        else:
            done.append(group_text(key, first, last))
            groups[key] = (private, private)
    done += [group_text(key, *limits) for key, limits in groups.items()]
    return ", ".join([*done, *mapped])


def order(port: Port) -> tuple[int, str, int, str]:
    return port["PrivatePort"], port.get("IP", ""), port.get("PublicPort", 0), port.get("Type", "")


def group_text(key: tuple[str, str], first: int, last: int) -> str:
    address, protocol = key
    numbers = str(first) if first == last else f"{first}-{last}"
    return f"{bracketed(address)}:{numbers}->{numbers}/{protocol}" if address else f"{numbers}/{protocol}"


def bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
