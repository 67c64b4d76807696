"""The house's plan as data: which room may import which. Read by test_layers; a new room is one line here."""

from __future__ import annotations

# A room is the longest prefix of a module's name that is listed; `*` allows every room.
ALLOWED: dict[str, set[str]] = {
    "specs": set(),
    "engine.kit": set(),
    "engine.oci": set(),
    "engine.dockerfile": set(),
    "engine.api": {"engine.oci"},
    "engine.http": {"engine.kit"},
    "engine.credentials": {"engine.kit"},
    "engine.registry": {"engine.http", "engine.credentials", "engine.oci", "engine.kit"},
    "engine.client": {"engine.http", "engine.credentials", "engine.api", "engine.oci", "engine.kit"},
    "engine.builders": {"engine.client", "engine.dockerfile", "engine.oci", "engine.kit"},
    "engine.graph": {"specs", "engine.dockerfile"},
    "engine.plan": {"specs", "engine.graph", "engine.api", "engine.oci"},
    "engine.ledger": {"engine.plan", "engine.api", "engine.oci", "engine.kit"},
    "engine.reconcile": {
        "specs",
        "engine.graph",
        "engine.plan",
        "engine.builders",
        "engine.client",
        "engine.api",
        "engine.oci",
        "engine.ledger",
        "engine.kit",
    },
    "engine.gitops": {
        "engine.reconcile",
        "engine.plan",
        "specs",
        "engine.ledger",
        "engine.registry",
        "engine.http",
        "engine.client",
        "engine.kit",
    },
    "engine.dashboard": {
        "engine.reconcile",
        "engine.plan",
        "specs",
        "engine.ledger",
        "engine.registry",
        "engine.http",
        "engine.client",
        "engine.kit",
    },
    "engine.daemon": {
        "engine.http",
        "engine.credentials",
        "engine.api",
        "engine.oci",
        "engine.registry",
        "engine.dockerfile",
        "engine.kit",
    },
    "engine.cli": {"*"},
}

# Inside the daemon: server › containers, build › images › snapshots, runtime, networks, volumes › content, store.
# A room sees the storeys below its own, never its neighbours; app.py wires them and sees all.
DAEMON_STOREYS: tuple[frozenset[str], ...] = (
    frozenset({"server"}),
    frozenset({"containers", "build"}),
    frozenset({"images"}),
    frozenset({"snapshots", "runtime", "networks", "volumes"}),
    frozenset({"content", "store"}),
)


def room_of(module: str) -> str | None:
    """The room that a module of ours lies in; None for the bare packages and for what is not ours."""
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        if (name := ".".join(parts[:end])) in ALLOWED:
            return name
    return None


def may_import(importer: str, imported: str) -> bool:
    """Whether a module may import another of ours, by the table above."""
    here, there = room_of(importer), room_of(imported)
    if here is None or there is None:
        return here == there
    if here == there:
        return here != "engine.daemon" or inside_daemon(importer, imported)
    return "*" in ALLOWED[here] or there in ALLOWED[here]


def inside_daemon(importer: str, imported: str) -> bool:
    above, below = storey(importer), storey(imported)
    if above is None or below is None:
        return True
    same_room = importer.split(".")[2] == imported.split(".")[2]
    return same_room or above < below


def storey(module: str) -> int | None:
    parts = module.split(".")
    room = parts[2] if len(parts) > 2 else ""
    return next((depth for depth, rooms in enumerate(DAEMON_STOREYS) if room in rooms), None)
