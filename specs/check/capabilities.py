"""What each runtime can't honour: a table of keys, so that no key of a file is silently ignored.

Called by validate, and by whatever knows which engine it will talk to. The manual's table is made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from specs.node import Node
from specs.source import Report

Runtime = Literal["docker", "podman", "rorqual"]
Version = tuple[int, int]
RUNTIMES: tuple[Runtime, ...] = ("docker", "podman", "rorqual")
ALL: frozenset[Runtime] = frozenset(RUNTIMES)
NONE: frozenset[Runtime] = frozenset()
PODMAN: frozenset[Runtime] = frozenset({"podman"})
RORQUAL: frozenset[Runtime] = frozenset({"rorqual"})
NOT_DOCKER: frozenset[Runtime] = frozenset({"podman", "rorqual"})


@dataclass(frozen=True, slots=True)
class Lack:
    """A key that some runtimes can't honour. `path` has `*` for any name or item; `value` narrows it to some values,
    which the manual calls `only`. Docker passes it over below the version `since` of its API.
    """

    path: str
    runtimes: frozenset[Runtime]
    why: str
    value: Callable[[Any], bool] = lambda value: True
    only: str = ""
    since: Version | None = None

    def reason(self, runtime: Runtime, api: Version | None) -> str | None:
        """Why the runtime, or Docker with this version of its API, can't honour it; None where it can."""
        if runtime in self.runtimes:
            return self.why
        if runtime == "docker" and self.since is not None and api is not None and api < self.since:
            return f"isn't known to this engine, whose API is {dotted(api)}: it takes {dotted(self.since)}"
        return None

    @property
    def steps(self) -> list[str]:
        return self.path.split(".")


def dotted(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


def at_registry(value: Any) -> bool:
    """Of `cache_to`: a name, or `type=registry,…`."""
    text = str(value)
    return "=" not in text or "type=registry" in text.split(",")


def word(*words: str) -> Callable[[Any], bool]:
    return lambda value: value in words


def other_than_default(value: Any) -> bool:
    return value not in ("", "default")


SWARM = "means something in a Swarm only; this runtime is one machine"
WINDOWS = "means something on Windows only"
BUILDKIT = "needs BuildKit, which this runtime doesn't build with"

LACKS: tuple[Lack, ...] = (
    Lack("services.*.models", ALL, "needs Docker's model runner, which isn't driven: no address of a model is given"),
    Lack("services.*.deploy.placement", ALL, SWARM),
    Lack("services.*.deploy.endpoint_mode", ALL, SWARM),
    Lack(
        "services.*.deploy.resources.reservations.cpus",
        ALL,
        "is a promise of a scheduler; a container has no such limit",
    ),
    Lack("services.*.deploy.resources.reservations.generic_resources", ALL, SWARM),
    Lack("services.*.volumes.*.type", ALL, SWARM, word("cluster"), "cluster"),
    Lack("services.*.volumes.*.type", ALL, WINDOWS, word("npipe"), "npipe"),
    Lack("secrets.*.driver", ALL, SWARM),
    Lack("secrets.*.template_driver", ALL, SWARM),
    Lack("configs.*.template_driver", ALL, SWARM),
    Lack("services.*.credential_spec", ALL, WINDOWS),
    Lack("services.*.cpu_count", ALL, WINDOWS),
    Lack("services.*.cpu_percent", ALL, WINDOWS),
    Lack("services.*.isolation", ALL, WINDOWS, other_than_default, "other than default"),
    Lack("services.*.build.isolation", ALL, WINDOWS, other_than_default, "other than default"),
    Lack("services.*.mem_swappiness", ALL, "is unknown to the control groups (v2) of today's kernels"),
    Lack(
        "services.*.oom_kill_disable",
        ALL,
        "is unknown to the control groups (v2) of today's kernels",
        lambda value: value is True,
        "true",
    ),
    Lack("services.*.links", PODMAN, "isn't known to its API; services find each other by name on a shared network"),
    Lack("services.*.external_links", NOT_DOCKER, "isn't known to its API; join the other container's network instead"),
    Lack("services.*.gpus", NOT_DOCKER, "asks for Docker's device requests"),
    Lack("services.*.deploy.resources.reservations.devices", NOT_DOCKER, "asks for Docker's device requests"),
    Lack("services.*.storage_opt", NOT_DOCKER, "isn't known to its storage"),
    Lack("services.*.healthcheck.start_interval", PODMAN, "isn't known to its API", since=(1, 44)),
    Lack("services.*.networks.*.gw_priority", PODMAN, "isn't known to its API", since=(1, 48)),
    Lack("services.*.networks.*.interface_name", PODMAN, "isn't known to its API", since=(1, 48)),
    Lack("services.*.networks.*.link_local_ips", NOT_DOCKER, "isn't known to its networks"),
    Lack("services.*.volumes.*.volume.subpath", PODMAN, "isn't known to its API", since=(1, 45)),
    Lack("services.*.volumes.*.bind.recursive", PODMAN, "isn't known to its API", since=(1, 44)),
    Lack("services.*.annotations", PODMAN, "isn't known to its API", since=(1, 43)),
    Lack("services.*.networks.*.mac_address", NONE, "isn't known to its API", since=(1, 44)),
    Lack(
        "networks.*.enable_ipv4", NONE, "isn't known to its API", lambda value: value is False, "false", since=(1, 48)
    ),
    Lack("services.*.volumes.*.consistency", ALL, "meant something to Docker Desktop on macOS, once"),
    Lack("services.*.build.ssh", PODMAN, BUILDKIT),
    Lack("services.*.build.secrets", PODMAN, BUILDKIT),
    Lack("services.*.build.entitlements", NOT_DOCKER, BUILDKIT),
    Lack("services.*.build.provenance", NOT_DOCKER, BUILDKIT),
    Lack("services.*.build.sbom", NOT_DOCKER, BUILDKIT),
    Lack("services.*.build.cache_to", PODMAN, BUILDKIT),
    Lack("services.*.build.cache_to.*", RORQUAL, BUILDKIT, lambda value: not at_registry(value), "not at a registry"),
)


def check_capabilities(
    root: Node, runtime: Runtime, report: Report, *, api: Version | None = None, strict: bool = False
) -> None:
    """A warning (an error when strict) for each key in the merged nodes that the runtime can't honour. `api` is the
    version of its API, where the engine is known.
    """
    complain = report.error if strict else report.warning
    for lack in LACKS:
        why = lack.reason(runtime, api)
        if why is None:
            continue
        for path, node in matches(root, lack.steps):
            if node.value is not None and lack.value(node.value):
                span = node.key.span if node.key is not None else node.span
                complain("not-honoured", f"{'.'.join(path)} {why} ({runtime})", span)


def matches(node: Node, steps: list[str], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node]]:
    """The nodes at a path with wildcards, and their own paths."""
    if not steps:
        yield path, node
        return
    children: Mapping[str, Node] = {}
    if isinstance(node.value, dict):
        children = node.value
    elif isinstance(node.value, list):
        children = {str(index): child for index, child in enumerate(node.value)}
    for name in children if steps[0] == "*" else [steps[0]]:
        if name in children:
            yield from matches(children[name], steps[1:], (*path, name))


def table() -> str:
    """The capability table of the manual, in Markdown: keys that some runtime can't honour."""
    rows = [f"| key | {' | '.join(RUNTIMES)} | why not |", "|---|" + "---|" * len(RUNTIMES) + "---|"]
    for lack in LACKS:
        marks = " | ".join(mark(lack, runtime) for runtime in RUNTIMES)
        only = f": {lack.only}" if lack.only else ""
        rows.append(f"| `{lack.path}{only}` | {marks} | it {lack.why} |")
    return "\n".join(rows) + "\n"


def mark(lack: Lack, runtime: Runtime) -> str:
    if runtime in lack.runtimes:
        return "no"
    return f"from API {dotted(lack.since)} on" if runtime == "docker" and lack.since is not None else "yes"
