"""A project as Compose's YAML: what JSON leaves out (nested x-*, models), and without what JSON adds."""

from __future__ import annotations

from typing import Any

from specs.typed.kinds import EXTENSIONS, ULIMIT, Kind
from specs.typed.service import SECTIONS, SERVICE_KIND

ORDER = ("networks", "volumes", "secrets", "configs", "models")
# Structs that Compose leaves out of its YAML when there is nothing in them.
OMITTED_EMPTY = frozenset({"resources", "placement", "ipam", "exec"})


def yaml_values(values: dict[str, Any]) -> dict[str, Any]:
    """Resolved values → what Compose's YAML holds, in its order."""
    found: dict[str, Any] = {"name": values["name"]} if values["name"] else {}
    found["services"] = {name: dressed(SERVICE_KIND, service) for name, service in values["services"].items()}
    for kind in ORDER:
        if values.get(kind):
            found[kind] = {name: dressed(SECTIONS[kind], resource) for name, resource in values[kind].items()}
    if values.get("images"):
        found["images"] = values["images"]
    return found | dict(sorted(values.get(EXTENSIONS, {}).items()))


def dressed(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    if kind is ULIMIT:
        return value["single"] if value.get("single") else {"soft": value.get("soft", 0), "hard": value.get("hard", 0)}
    if kind.item is not None:
        if isinstance(value, dict):
            return {name: dressed(kind.item, item) for name, item in value.items()}
        return [dressed(kind.item, item) for item in value]
    if kind.fields is None:
        return value if kind.encode is None else kind.encode(value)
    found: dict[str, Any] = {}
    for name, item in value.items():
        if name != EXTENSIONS and item is not None:
            new = dressed(kind.fields[name], item)
            if not (new == {} and name in OMITTED_EMPTY):
                found[name] = new
    if "content" in kind.fields and ("environment" in found or not found.get("content")):
        found.pop("content", None)
    return found | dict(sorted(value.get(EXTENSIONS, {}).items()))
