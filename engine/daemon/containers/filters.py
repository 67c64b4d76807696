"""Which containers a list's filters let through. Pure. Source: Engine API v1.50, /containers/json and /prune."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from engine.api.errors import InvalidArgument
from engine.daemon.containers.moments import SECOND, nanoseconds_of
from engine.daemon.containers.phase import Phase
from engine.daemon.containers.record import Container
from engine.daemon.matching import has_label

LIST_FILTERS = [
    *("ancestor", "before", "expose", "exited", "health", "id", "isolation", "is-task", "label", "name"),
    *("network", "publish", "since", "status", "volume"),
]
PRUNE_FILTERS = ["label", "label!", "until"]
STATES = {phase.value for phase in Phase}
HEALTH = {"starting", "healthy", "unhealthy", "none"}


@dataclass(frozen=True, slots=True)
class Lookups:
    """What filters ask of others: a container's creation by name, an image's ids by reference, a network's id."""

    created_of: Callable[[str], int]
    images_of: Callable[[str], Collection[str]]
    networks_of: Callable[[Container], Collection[str]]
    # As ports of the container, and as ports of the host that lead to them: "80/tcp".
    exposed_of: Callable[[Container], Collection[str]]
    published_of: Callable[[Container], Collection[str]]


def check_filters(filters: Mapping[str, Sequence[str]]) -> None:
    """Raises InvalidArgument."""
    for state in filters.get("status", []):
        if state not in STATES:
            raise InvalidArgument(f"invalid filter 'status={state}'")
    for state in filters.get("health", []):
        if state not in HEALTH:
            raise InvalidArgument(f"invalid filter 'health={state}'")
    for code in filters.get("exited", []):
        if not re.fullmatch(r"-?\d{1,5}", code, re.ASCII):
            raise InvalidArgument(f"invalid filter 'exited={code}'")
    for name in ("expose", "publish"):
        for word in filters.get(name, []):
            port_fits((), word)
    for word in filters.get("is-task", []):
        if word.lower() not in ("true", "false", "1", "0"):
            raise InvalidArgument(f"invalid filter 'is-task={word}'")


def shows_stopped(filters: Mapping[str, Sequence[str]]) -> bool:
    """A filter about the state says itself whether stopped ones are meant."""
    return bool(filters.get("status") or filters.get("exited"))


def matcher(filters: Mapping[str, Sequence[str]], lookups: Lookups) -> Callable[[Container], bool]:
    """Values of one filter are alternatives (labels: all must be there); filters must all hold."""
    check_filters(filters)
    before = [lookups.created_of(word) for word in filters.get("before", [])]
    since = [lookups.created_of(word) for word in filters.get("since", [])]
    ancestors = {id for word in filters.get("ancestor", []) for id in lookups.images_of(word)}

    def fits(container: Container) -> bool:
        return all(
            [
                not before or container.created < min(before),
                not since or container.created > max(since),
                not filters.get("ancestor") or container.image in ancestors,
                any_of(filters, "id", lambda w: container.id.startswith(w)),
                any_of(filters, "name", lambda w: name_fits(container.name, w)),
                all(has_label(container.labels, word) for word in filters.get("label", [])),
                any_of(filters, "status", lambda w: container.phase.value == w),
                any_of(filters, "exited", lambda w: container.phase is Phase.EXITED and container.exit_code == int(w)),
                any_of(filters, "health", lambda w: health_of(container) == w),
                any_of(filters, "is-task", lambda w: w.lower() in ("false", "0")),
                any_of(
                    filters, "volume", lambda w: any(w in (m.name, m.destination, m.source) for m in container.mounts)
                ),
                any_of(filters, "network", lambda w: w in lookups.networks_of(container)),
                any_of(filters, "expose", lambda w: port_fits(lookups.exposed_of(container), w)),
                any_of(filters, "publish", lambda w: port_fits(lookups.published_of(container), w)),
            ]
        )

    return fits


def any_of(filters: Mapping[str, Sequence[str]], name: str, fits: Callable[[str], bool]) -> bool:
    words = filters.get(name)
    return not words or any(fits(word) for word in words)


def health_of(container: Container) -> str:
    return container.health.status if container.health is not None else "none"


def name_fits(name: str, pattern: str) -> bool:
    """A regular expression somewhere in the name, with or without its slash; what is none is taken as text."""
    try:
        found = re.compile(pattern)
    except re.error:
        return pattern in f"/{name}"
    return found.search(name) is not None or found.search(f"/{name}") is not None


def port_fits(ports: Collection[str], word: str) -> bool:
    """`80`, `80/udp`, `80-90/tcp`."""
    numbers, _, kind = word.partition("/")
    low, _, high = numbers.partition("-")
    if not low.isdecimal() or (high and not high.isdecimal()):
        raise InvalidArgument(f'invalid filter: "{word}" is no port')
    for port in ports:
        number, _, protocol = port.partition("/")
        if (
            (protocol or "tcp") == (kind or "tcp")
            and number.isdecimal()
            and int(low) <= int(number) <= int(high or low)
        ):
            return True
    return False


def prune_matcher(filters: Mapping[str, Sequence[str]], now: int) -> Callable[[Container], bool]:
    limits = [moment(word, now) for word in filters.get("until", [])]

    def fits(container: Container) -> bool:
        return (
            all(container.created < limit for limit in limits)
            and all(has_label(container.labels, word) for word in filters.get("label", []))
            and not any(has_label(container.labels, word) for word in filters.get("label!", []))
        )

    return fits


def moment(word: str, now: int) -> int:
    """`10m` is that long ago; else a time."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    if re.fullmatch(r"(\d+(\.\d+)?(ms|[smhd]))+", word, re.ASCII):
        parts = re.findall(r"(\d+(?:\.\d+)?)(ms|[smhd])", word)
        return now - int(sum(float(n) * units.get(unit, 0.001) for n, unit in parts) * SECOND)
    return nanoseconds_of(word)
