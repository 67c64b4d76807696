"""One fact of a project a line: what `config --services`, `--volumes`, `--images` and their kin print."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

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
    rows = [(v.name, str(v.required).lower(), v.default, v.alternate) for v in named_variables(loaded)]
    table = [("NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE"), *rows]
    widths = [max(20, *(len(row[i]) + 3 for row in table)) for i in range(3)]
    return ["".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)) for row in table]


def variables_json(loaded: Loaded) -> str:
    found = {
        v.name: {"Name": v.name, "DefaultValue": v.default, "PresenceValue": v.alternate, "Required": v.required}
        for v in named_variables(loaded)
    }
    return json.dumps(found, indent=4, ensure_ascii=False) + "\n"


class Named(NamedTuple):
    """A variable as the files ask for it."""

    name: str
    required: bool
    default: str
    alternate: str


def named_variables(loaded: Loaded) -> list[Named]:
    """By name. As Compose has it, not those of the project's own name, which is found out before all else."""
    assert loaded.root is not None
    found: dict[str, Named] = {}
    for key, node in loaded.root.value.items():
        for text in strings(node) if key != "name" else ():
            for name, operator, word in names_in(text):
                default, alternate = (word if operator.endswith(sign) else "" for sign in "-+")
                found[name] = Named(name, operator.endswith("?"), default, alternate)
    return [found[name] for name in sorted(found)]


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
