"""Who may import whom, everywhere and always; no circles; no file that holds two things."""

from __future__ import annotations

import ast
from pathlib import Path

import networkx
import pytest

from tests.house.layers import ALLOWED, may_import, room_of
from tests.house.modules import ROOT, imports_at_load, imports_of, relative_imports, sources

LONGEST_FILE = 500
BARE = {"engine", "specs"}


def where(module: str, line: int) -> str:
    return f"{sources()[module].relative_to(ROOT)}:{line}"


def test_every_module_lies_in_a_room_of_the_plan() -> None:
    strays = [name for name in sources() if room_of(name) is None and name not in BARE]
    assert strays == [], "a new room needs its line in tests/house/layers.py"


def test_a_module_imports_only_what_its_room_may() -> None:
    broken = [
        f"{where(module, line)}: {room_of(module)} must not import {imported}"
        for module in sources()
        for imported, line in sorted(imports_of(module))
        if not may_import(module, imported)
    ]
    assert broken == [], "\n" + "\n".join(broken)


def test_imports_are_absolute() -> None:
    broken = [where(module, line) for module in sources() for line in relative_imports(module)]
    assert broken == []


def test_no_rooms_import_each_other_in_a_circle() -> None:
    rooms: networkx.DiGraph[str | None] = networkx.DiGraph(
        (room_of(module), room_of(imported))
        for module in sources()
        for imported, _ in imports_of(module)
        if room_of(module) not in {None, room_of(imported)}
    )
    assert list(networkx.simple_cycles(rooms)) == []


def test_no_modules_load_each_other_in_a_circle() -> None:
    modules: networkx.DiGraph[str] = networkx.DiGraph(
        (module, imported) for module in sources() for imported in imports_at_load(module) if imported != module
    )
    assert list(networkx.simple_cycles(modules)) == []


def test_the_plan_itself_has_no_circle() -> None:
    plan: networkx.DiGraph[str] = networkx.DiGraph(
        (room, other) for room, others in ALLOWED.items() for other in others if other != "*"
    )
    assert list(networkx.simple_cycles(plan)) == []


@pytest.mark.parametrize("package", ["engine", "specs", "tests"])
def test_no_file_is_longer_than_it_should_be(package: str) -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sorted((ROOT / package).rglob("*.py"))
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    }
    assert long == {}, "split by noun"


@pytest.mark.parametrize("module", sorted(sources()))
def test_a_module_says_what_it_owns(module: str) -> None:
    path: Path = sources()[module]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not tree.body or ast.get_docstring(tree), f"{path.relative_to(ROOT)} has no docstring"


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("engine.builders.debian", "engine.oci.digest", True),
        ("engine.builders.debian", "specs.source", False),
        ("engine.daemon.server.images", "engine.daemon.images.pull", True),
        ("engine.daemon.images.pull", "engine.daemon.server.images", False),
        ("engine.daemon.runtime.runc", "engine.daemon.networks.ipam", False),
        ("engine.daemon.app", "engine.daemon.server.images", True),
        ("engine.cli.up", "engine.daemon.app", True),
        ("engine.reconcile.apply", "engine.daemon.app", False),
    ],
)
def test_the_plan_reads_as_the_house_says(importer: str, imported: str, allowed: bool) -> None:
    assert may_import(importer, imported) is allowed
