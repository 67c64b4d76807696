"""A project as Compose prints it: JSON in Go's order and dress. Hashes are made of it too."""

from __future__ import annotations

from hashlib import sha256
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

from specs.depth import deep
from specs.node import Timestamp
from specs.scalars import json_number, rfc3339
from specs.typed import parts
from specs.typed.kinds import EXTENSIONS
from specs.typed.service import SECTIONS, SERVICE_KIND

if TYPE_CHECKING:
    from specs.models import Project
    from specs.models.base import Model

SORTED = ("networks", "volumes", "secrets", "configs")


def json_values(values: dict[str, Any]) -> dict[str, Any]:
    """Resolved values → what Compose's JSON holds, top-level keys sorted."""
    encode_service = SERVICE_KIND.encode
    assert encode_service is not None
    found: dict[str, Any] = {
        "name": values["name"],
        "services": {name: encode_service(service) for name, service in values["services"].items()},
    }
    for kind in SORTED:
        if values.get(kind):
            encode = SECTIONS[kind].encode
            assert encode is not None
            found[kind] = {name: encode(resource) for name, resource in values[kind].items()}
    if values.get("images"):
        found["images"] = values["images"]
    found |= values.get(EXTENSIONS, {})
    return dict(sorted(found.items()))


def json_text(value: Any, *, escape: bool = True) -> str:
    """Indented JSON as Go writes it: maps of names sorted, < > & escaped, every $ doubled."""
    pieces: list[str] = []
    with deep():
        write(value, pieces, "\n")
    text = "".join(pieces)
    text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return text.replace("$", "$$") if escape else text


def write(value: Any, parts: list[str], indent: str) -> None:
    kind = type(value)
    if kind is str:
        parts.append(encode_basestring(value))
    elif kind is dict:
        write_mapping(value, parts, indent)
    elif kind is list:
        write_list(value, parts, indent)
    elif value is None:
        parts.append("null")
    elif kind is bool:
        parts.append("true" if value else "false")
    elif kind is float:
        parts.append(json_number(value))
    elif isinstance(value, Timestamp):
        parts.append(encode_basestring(rfc3339(value)))
    else:
        parts.append(str(value))


def write_mapping(value: dict[str, Any], parts: list[str], indent: str) -> None:
    if not value:
        parts.append("{}")
        return
    inner = indent + "  "
    separator = "{" + inner
    for name, item in value.items():
        parts.append(separator)
        parts.append(encode_basestring(name))
        parts.append(": ")
        if type(item) is str:
            parts.append(encode_basestring(item))
        else:
            write(item, parts, inner)
        separator = "," + inner
    parts.append(indent + "}")


def write_list(value: list[Any], parts: list[str], indent: str) -> None:
    if not value:
        parts.append("[]")
        return
    inner = indent + "  "
    separator = "[" + inner
    for item in value:
        parts.append(separator)
        write(item, parts, inner)
        separator = "," + inner
    parts.append(indent + "]")


def compact_json(value: Any) -> str:
    """JSON on one line as Go's json.Marshal writes it."""
    with deep():
        text = compact(value)
    text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def compact(value: Any) -> str:
    if type(value) is dict:
        return "{" + ",".join([f"{encode_basestring(name)}:{compact(item)}" for name, item in value.items()]) + "}"
    if type(value) is list:
        return "[" + ",".join([compact(item) for item in value]) + "]"
    parts: list[str] = []
    write(value, parts, "")
    return parts[0]


def service_hash_of(service: dict[str, Any], files: dict[str, Any] | None = None) -> str:
    """Compose's hash of one service's values; `files` are fields that take the place of its own."""
    fields = SERVICE_KIND.fields
    assert SERVICE_KIND.encode is not None and fields is not None
    whole = {name: item for name, item in (service | (files or {})).items() if item is not None or name in NULLS}
    encoded = SERVICE_KIND.encode(whole)
    if "deploy" in encoded:
        deploy = {name: item for name, item in encoded["deploy"].items() if name != "replicas"}
        encoded = encoded | {"deploy": deploy}
    kept = [name for name in fields if name in encoded and name not in UNHASHED]
    return sha256(compact_json({name: encoded[name] for name in kept}).encode()).hexdigest()


NULLS = frozenset({"command", "entrypoint"})
UNHASHED = frozenset({"build", "pull_policy", "scale", "depends_on", "profiles"})


def network_hash_of(network: dict[str, Any]) -> str:
    encode = SECTIONS["networks"].encode
    assert encode is not None
    return sha256(compact_json(encode(network)).encode()).hexdigest()


def volume_hash_of(volume: dict[str, Any]) -> str:
    encode = SECTIONS["volumes"].encode
    assert encode is not None
    encoded = {"driver": "local"} | encode(volume)
    ordered = {name: encoded[name] for name in parts.VOLUME if name in encoded}
    return sha256(compact_json(ordered).encode()).hexdigest()


def service_hash(project: Project, name: str) -> str:
    """The hash that Compose's `up` writes on containers as com.docker.compose.config-hash.

    Its env files are folded in and gone, its label files are folded in and named too, unlike in config_hash.
    """
    folded = project.folded_files.get(name, {})
    return service_hash_of(dumped(project.services[name]), only(folded, "label_file"))


def config_hash(project: Project, name: str) -> str:
    """The hash that `config --hash` prints: of the service with its env files still to be read."""
    return config_hash_of(dumped(project.services[name]), project.folded_files.get(name, {}))


def config_hash_of(service: dict[str, Any], folded: dict[str, Any]) -> str:
    return service_hash_of(service, only(folded, "env_file", "environment"))


def only(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def network_hash(project: Project, name: str) -> str:
    return network_hash_of(dumped(project.networks[name]))


def volume_hash(project: Project, name: str) -> str:
    return volume_hash_of(dumped(project.volumes[name]))


def dumped(model: Model) -> dict[str, Any]:
    """A model as the values that it was made of: what was never set is not there."""
    # late: models are pydantic's, and `config` does without
    from specs.models.construct import taken_apart

    values = taken_apart(model)
    return {name: item for name, item in values.items() if item is not None or name in NULLS}


def project_values(project: Project) -> dict[str, Any]:
    sections = {
        kind: {name: dumped(item) for name, item in getattr(project, kind).items()} for kind in ("services", *SORTED)
    }
    return sections | {"name": project.name, EXTENSIONS: project.extensions}
