"""What is imported is declared: a fresh install must not lack what a developer's machine happens to have."""

from __future__ import annotations

import ast
import re
import sys
import tomllib

from tests.house.modules import ROOT, sources

OURS = {"engine", "specs"}
# Where the import's name is not the distribution's.
DISTRIBUTION_OF = {"yaml": "pyyaml", "prometheus_client": "prometheus-client"}


def imported_roots() -> dict[str, str]:
    """Each top-level module that the product imports, anywhere in a file → one module of ours that does so."""
    roots: dict[str, str] = {}
    for module, path in sources().items():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            roots.update((name.split(".")[0], module) for name in names)
    return roots


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {re.split(r"[^A-Za-z0-9._-]", line)[0].lower() for line in project["dependencies"]}


def test_every_package_that_the_product_imports_is_a_declared_dependency() -> None:
    missing = {
        root: module
        for root, module in imported_roots().items()
        if root not in sys.stdlib_module_names | OURS and DISTRIBUTION_OF.get(root, root) not in declared()
    }
    assert missing == {}, "add them to pyproject.toml's dependencies"
