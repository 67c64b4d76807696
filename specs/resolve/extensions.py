"""Keys that begin with `x-` in mappings of the user's own names, which Compose takes for extensions all the same: it
makes one entry of them, `#extensions`. A variable or a label that is called so gets lost in it: a warning says so.

Source: compose-go 2.9, loader.processExtensions, which spares the names of services, networks, volumes,
secrets, configs and models, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from specs.node import Node
from specs.resolve.refusal import refusal
from specs.scalars import printed
from specs.source import Report
from specs.typed.kinds import EXTENSIONS

Grouping = Callable[[Node, str, Report], None]


def as_text(node: Node, path: str, report: Report) -> None:
    """The value of the entry is what Go prints for the mapping."""
    given = taken(node)
    node.value[EXTENSIONS] = node.at(go_text(Node(given)))
    warn(node, given, path, report)


def as_mapping(node: Node, path: str, report: Report) -> None:
    given = taken(node)
    node.value[EXTENSIONS] = node.at(given)
    warn(node, given, path, report)


def refused(node: Node, path: str, report: Report) -> None:
    for name, child in taken(node).items():
        message = (
            f"{path}: {name!r} begins with x-, and so it is an extension to Compose, which has no use for one here"
        )
        hint = "write a list: [HOST=IP]" if path.endswith("extra_hosts") else "choose a name that begins otherwise"
        report.diagnostics += refusal(child.key_span, "extension", message, hint).diagnostics


def taken(node: Node) -> dict[str, Node]:
    """The extensions, taken out of the mapping."""
    names = [name for name in node.value if name[:2] == "x-"]
    return {name: node.value.pop(name) for name in sorted(names)}


def warn(node: Node, given: dict[str, Node], path: str, report: Report) -> None:
    lists = path.endswith((".environment", ".labels", ".annotations", ".args", ".sysctls"))
    for name, child in given.items():
        message = f"{path}: {name!r} begins with x-, and so it is an extension of the file to Compose, and gets lost"
        value = printed(child.value) if type(child.value) in (str, int, float, bool) else "VALUE"
        hint = (
            f"in a list it is what it seems to be: - {name}={value}" if lists else "choose a name that begins otherwise"
        )
        report.warning("extension", message, child.key_span, hint=hint)


def go_text(node: Node) -> str:
    value = node.value
    if value is None:
        return "<nil>"
    if type(value) is dict:
        return f"map[{' '.join(f'{name}:{go_text(child)}' for name, child in sorted(value.items()))}]"
    if type(value) is list:
        return f"[{' '.join(map(go_text, value))}]"
    return printed(value)


def table(**groupings: Grouping) -> dict[str, Any]:
    """Nested tables: step → table, with the grouping of the mapping itself under the empty step; `__` is a dot."""
    root: dict[str, Any] = {}
    for path, grouping in groupings.items():
        inner = root
        for step in path.split("__"):
            inner = inner.setdefault("*" if step == "each" else step, {})
        inner[""] = grouping
    return root


SERVICE = table(
    environment=as_text,
    labels=as_text,
    annotations=as_text,
    sysctls=as_text,
    storage_opt=refused,
    extra_hosts=refused,
    ulimits=as_mapping,
    models=as_mapping,
    networks=refused,
    networks__each__driver_opts=as_text,
    build__args=as_text,
    build__labels=as_text,
    build__additional_contexts=as_text,
    build__extra_hosts=refused,
    build__ulimits=as_mapping,
    logging__options=as_text,
    provider__options=as_text,
    gpus__each__options=as_text,
    deploy__labels=as_text,
    deploy__resources__reservations__devices__each__options=as_text,
    volumes__each__volume__labels=as_text,
    post_start__each__environment=as_text,
    pre_stop__each__environment=as_text,
    develop__watch__each__exec__environment=as_text,
)
TABLE: dict[str, Any] = {
    "services": {"*": SERVICE},
    "networks": {"*": table(driver_opts=as_text, labels=as_text, ipam__config__each__aux_addresses=as_text)},
    "volumes": {"*": table(driver_opts=as_text, labels=as_text)},
    "secrets": {"*": table(labels=as_text, driver_opts=refused)},
    "configs": {"*": table(labels=as_text)},
}


def group_extensions(root: Node, report: Report) -> None:
    """In the whole project, in place. Runs once everything is merged and filled in."""
    walk(root, TABLE, None, report)


# The steps to a node, the last one outside: written out only where there is something to tell.
Steps: TypeAlias = "tuple[Steps, str] | None"


def walk(node: Node, inner: dict[str, Any], steps: Steps, report: Report) -> None:
    value = node.value
    if type(value) is dict:
        grouping = inner.get("")
        if grouping is not None:
            for name in value:
                if name[:2] == "x-":
                    grouping(node, written(steps), report)
                    break
            if len(inner) == 1:
                return
        every = inner.get("*")
        if every is not None:
            for name, child in value.items():
                walk(child, every, (steps, name), report)
        else:
            for name, below in inner.items():
                if name and (child := value.get(name)) is not None:
                    walk(child, below, (steps, name), report)
    elif type(value) is list and "*" in inner:
        for number, child in enumerate(value):
            walk(child, inner["*"], (steps, str(number)), report)


def written(steps: Steps) -> str:
    if steps is None:
        return ""
    before = written(steps[0])
    return f"{before}.{steps[1]}" if before else steps[1]
