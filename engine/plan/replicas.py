"""Which live container is which replica: numbers kept, doubles from an interrupted run and surplus told apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.plan.observed import LiveContainer


@dataclass(frozen=True, slots=True)
class Replicas:
    """`wanted` has one entry a replica: its number, and the container that stands for it now, if any."""

    wanted: tuple[tuple[int, LiveContainer | None], ...]
    surplus: tuple[LiveContainer, ...]
    doubles: tuple[LiveContainer, ...]


def match_replicas(live: Iterable[LiveContainer], count: int, names: Mapping[int, str]) -> Replicas:
    """Keep the lowest numbers that exist, fill up with the smallest free ones.

    Two containers with one number are an interrupted replacement: the one that bears the right name is the older, and
    stays until the other has been proven; the newer never ran. The planner then replaces or keeps it on its merits.
    """
    by_number: dict[int, list[LiveContainer]] = {}
    for container in live:
        by_number.setdefault(container.number, []).append(container)
    doubles: list[LiveContainer] = []
    kept: dict[int, LiveContainer] = {}
    for number, found in by_number.items():
        found.sort(key=lambda c: (not c.running, c.name != names.get(number), c.name))
        kept[number] = found[0]
        doubles += found[1:]
    numbers = sorted(kept)
    chosen = numbers[:count]
    surplus = tuple(kept[n] for n in numbers[count:])
    free = (n for n in range(1, count + len(numbers) + 1) if n not in kept)
    chosen += [next(free) for _ in range(count - len(chosen))]
    return Replicas(tuple((n, kept.get(n)) for n in sorted(chosen)), surplus, tuple(doubles))
