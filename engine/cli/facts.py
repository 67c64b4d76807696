"""One fact of a project a line: what `config --services`, `--volumes`, `--images` and their kin print."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from specs.load import Loaded
from specs.node import Node
from specs.resolve.template import names_in


def values_of(loaded: Loaded) -> dict[str, Any]:
    assert loaded.values is not None
    return loaded.values


def services(loaded: Loaded) -> list[str]:
    """Dependencies before those that need them, else by name."""
    every: dict[str, Any] = values_of(loaded)["services"]
    found: list[str] = []

    def visit(name: str) -> None:
        if name in every and name not in found:
            for other in sorted(every[name].get("depends_on") or ()):
                visit(other)
            found.append(name)

    for name in every:
        visit(name)
    return found


def volumes(loaded: Loaded) -> list[str]:
    return list(values_of(loaded)["volumes"])


def networks(loaded: Loaded) -> list[str]:
    return list(values_of(loaded)["networks"])


def models(loaded: Loaded) -> list[str]:
    return [model["model"] for model in values_of(loaded)["models"].values() if model.get("model")]


def images(loaded: Loaded) -> list[str]:
    """As named, or as Compose would name what it builds."""
    values = values_of(loaded)
    return [service.get("image") or f"{values['name']}-{name}" for name, service in values["services"].items()]


def profiles(loaded: Loaded) -> list[str]:
    values = values_of(loaded)
    every = values["services"] | values["disabled_services"]
    return sorted({profile for service in every.values() for profile in service.get("profiles") or ()})


def environment(loaded: Loaded) -> list[str]:
    return [f"{name}={value}" for name, value in sorted(loaded.variables.items())]


def variables(loaded: Loaded) -> list[str]:
    """A table of the variables that the files name, and what stands in for them."""
    rows: dict[str, tuple[str, str, str]] = {}
    assert loaded.root is not None
    for text in strings(loaded.root):
        for name, operator, word in names_in(text):
            default = word if operator.endswith("-") else ""
            alternate = word if operator.endswith("+") else ""
            rows[name] = ("true" if operator.endswith("?") else "false", default, alternate)
    table = [("NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE"), *((n, *rows[n]) for n in sorted(rows))]
    widths = [max(20, *(len(row[i]) + 3 for row in table)) for i in range(3)]
    return ["".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)) for row in table]


def strings(node: Node) -> Iterator[str]:
    value = node.value
    if isinstance(value, str):
        yield value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from strings(child)


ANSWERS: dict[str, Callable[[Loaded], list[str]]] = {
    "services": services,
    "volumes": volumes,
    "networks": networks,
    "models": models,
    "images": images,
    "profiles": profiles,
    "environment": environment,
    "variables": variables,
}
