"""No service may wait for itself, through however many others: depends_on, links, volumes_from, shared namespaces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from specs.check.subject import Subject
from specs.source import Related


def no_cycles(subject: Subject) -> None:
    """One error a cycle, with its path and the place of every step."""
    edges = {
        name: [wanted for wanted in service.get("depends_on") or {} if wanted in subject.services]
        for name, service in subject.services.items()
    }
    for cycle in cycles_of(edges):
        steps = list(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
        spans = [(a, b, subject.key("services", a, "depends_on", b)) for a, b in steps]
        subject.report.error(
            "dependency-cycle",
            f"services wait for each other in a circle: {' → '.join([*cycle, cycle[0]])}",
            spans[0][2],
            hint="remove one of these dependencies",
            related=[Related(f'"{a}" depends on "{b}"', span) for a, b, span in spans[1:] if span],
        )


def cycles_of(edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """A cycle for every edge that closes one, in the order of a depth-first walk without recursion."""
    found: list[list[str]] = []
    done: set[str] = set()
    for start in edges:
        if start in done:
            continue
        path, ways = [start], [iter(edges[start])]
        on_path = {start: 0}
        while path:
            step = next(ways[-1], None)
            if step is None:
                done.add(path[-1])
                del on_path[path.pop()]
                ways.pop()
            elif step in on_path:
                found.append(path[on_path[step] :])
            elif step not in done:
                on_path[step] = len(path)
                path.append(step)
                ways.append(iter(edges[step]))
    return found
