"""Our modules and what each imports, read from the text by ast: late imports count, TYPE_CHECKING ones too."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("specs", "engine")


@cache
def sources() -> dict[str, Path]:
    """Every module of the packages that are shipped, by its dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports_of(module: str) -> frozenset[tuple[str, int]]:
    """(module of ours, line) for each import in `module`; `from a import b` counts as a.b where that is a module."""
    tree = ast.parse(sources()[module].read_text(encoding="utf-8"))
    found: set[tuple[str, int]] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(alias.name, node.lineno) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            found |= {(submodule_or(node.module, alias.name), node.lineno) for alias in node.names}
    return frozenset((name, line) for name, line in found if name.split(".")[0] in PACKAGES)


def submodule_or(package: str, name: str) -> str:
    whole = f"{package}.{name}"
    return whole if whole in sources() else package


def relative_imports(module: str) -> list[int]:
    tree = ast.parse(sources()[module].read_text(encoding="utf-8"))
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level > 0]


@cache
def imports_at_load(module: str) -> frozenset[str]:
    """The modules of ours that loading `module` loads: imports outside functions and `if TYPE_CHECKING`."""
    tree = ast.parse(sources()[module].read_text(encoding="utf-8"))
    lines = {node.lineno for node in outside_functions(tree.body)}
    return frozenset(name for name, line in imports_of(module) if line in lines and name in sources())


def outside_functions(body: list[ast.stmt]) -> list[ast.stmt]:
    found: list[ast.stmt] = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        found.append(node)
        for part in ("body", "orelse", "finalbody"):
            found += outside_functions(getattr(node, part, []))
        for handler in getattr(node, "handlers", []):
            found += outside_functions(handler.body)
    return found
