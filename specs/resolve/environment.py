"""Values that come from outside without `${}`: `environment: [NAME]`, secrets, configs, env_file, label_file."""

from __future__ import annotations

import os
from typing import Any

from specs import dotenv
from specs.node import Node
from specs.openfile import near, read_text
from specs.resolve.include import bad_line
from specs.resolve.interpolate import Variables, given_outside
from specs.resolve.refusal import attempt, each_of, refusal
from specs.resolve.template import Lookup
from specs.source import Report
from specs.typed.scalars import flag

SECRET_CONTENT = "#content"


def resolve_lists(root: Node, variables: Variables) -> None:
    """`- NAME` in a service's environment list, and the content of secrets and configs, from the environment."""
    services = root.get("services")
    for service in services.value.values() if services is not None else ():
        environment = service.get("environment")
        if environment is not None and type(environment.value) is list:
            environment.value = [
                given_outside(item, item.value, f"{item.value}={variables.values[item.value]}", variables)
                if isinstance(item.value, str) and item.value in variables.values
                else item
                for item in environment.value
            ]
    for kind, key in (("secrets", SECRET_CONTENT), ("configs", "content")):
        section = root.get(kind)
        for resource in section.value.values() if section is not None else ():
            name = resource.get("environment")
            if name is not None and type(name.value) is str and name.value in variables.values:
                resource.value[key] = name.at(variables.values[name.value])


def service_environment(
    service: Node, values: dict[str, Any], variables: Variables, report: Report
) -> dict[str, str | None]:
    """`environment` over the env files, later files over earlier; what the outside sets fills the nulls.

    What is wrong with a file goes to the report, and the others count.
    """
    known = variables.values
    own: dict[str, str | None] = {
        name: known.get(name) if value is None else value for name, value in values.get("environment", {}).items()
    }
    found = {name: value for name, value in own.items() if value is not None}

    def lookup(name: str) -> str | None:
        return known[name] if name in known else own.get(name)

    env_files = service.get("env_file")
    if env_files is not None:
        for entry in env_files.value:
            attempt(report, read_env_file, entry, found, lookup)
    return {**found, **own}


def read_env_file(entry: Node, found: dict[str, str], lookup: Lookup) -> None:
    """One env file over what earlier ones and `environment` have set."""
    path_node = entry.get("path")
    if path_node is None:
        return
    path: str = path_node.value
    required = entry.get("required")
    if not os.path.exists(path):
        if required is None or flag(required):
            hint = near(path) or "create it, or write {path: …, required: false} where it may be missing"
            shown = os.path.relpath(path) if path.startswith(os.path.join(os.getcwd(), "")) else path
            raise refusal(path_node, "env-file-missing", f"the env file {shown} does not exist", hint)
        return
    style = entry.get("format")
    if style is not None and style.value not in ("", "raw"):
        raise refusal(style, "bad-format", f"{style.value!r} is no format of an env file; there is raw, or none")
    raw = style is not None and style.value == "raw"
    settings = parse_file(path, path_node, lookup, found, raw=raw)
    found |= {name: setting.value for name, setting in settings.items()}


def parse_file(
    path: str, place: Node, lookup: Lookup, before: dict[str, str], *, raw: bool = False
) -> dict[str, dotenv.Setting]:
    try:
        text = read_text(path)
        return dotenv.parse_raw(text, lookup) if raw else dotenv.parse(text, lookup, before)
    except OSError as error:
        raise refusal(place, "env-file-unreadable", f"{path}: {error.strerror}") from None
    except dotenv.BadLine as error:
        raise bad_line(path, error, place) from None


def service_labels(service: Node, values: dict[str, Any]) -> dict[str, str]:
    """`labels` over the label files."""
    found: dict[str, str] = {}
    files = service.get("label_file")

    def read_label_file(entry: Node) -> None:
        if not os.path.exists(entry.value):
            raise refusal(entry, "label-file-missing", f"the label file {entry.value} does not exist")
        settings = parse_file(entry.value, entry, found.get, found)
        found.update((name, setting.value) for name, setting in settings.items())

    each_of(files.value if files is not None else (), read_label_file)
    own: dict[str, str] = values.get("labels", {})
    return found | own
