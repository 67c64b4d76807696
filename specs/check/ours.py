"""What Rorqual's own options say: the fields that drift passes over, and the variables that are marked sensitive."""

from __future__ import annotations

from difflib import get_close_matches

from specs.check.subject import Subject
from specs.shapes.project import NETWORK, VOLUME
from specs.shapes.service import SERVICE

EVERY = "*"
# What a path may begin with, and the keys of what stands there: those of a file, and what only a container has.
LIVE = frozenset({"state", "health", "content"})
# What there is below x-rorqual: of the project, of its `drift`, and of a service. More may begin with x-.
OF_PROJECT, OF_DRIFT, OF_SERVICE = ("drift", "images", "sensitive"), ("ignore",), ("kind", "sensitive")


def options(subject: Subject) -> None:
    """`x-rorqual: {drift: {ignore: […]}, sensitive: […]}`, and `kind` and `sensitive` of each service."""
    known(subject, OF_PROJECT, "x-rorqual")
    known(subject, OF_DRIFT, "x-rorqual", "drift")
    texts(subject, "x-rorqual", "sensitive")
    for name in subject.services:
        at = ("services", name, "x-rorqual")
        known(subject, OF_SERVICE, *at)
        texts(subject, *at, "sensitive")
        kind = subject.node(*at, "kind")
        if kind is not None and kind.value not in (None, "job"):
            text = f'services.{name}.x-rorqual.kind is "job" or left out, not {kind.value!r}'
            subject.report.error("not-allowed", text, subject.at(*at, "kind"))
    for place, path in texts(subject, "x-rorqual", "drift", "ignore").items():
        check_path(subject, path, place)


def known(subject: Subject, keys: tuple[str, ...], *path: str) -> None:
    """A slip in a key would pass over what was meant: a secret that is shown, a field that is mended."""
    node, where = subject.node(*path), ".".join(path)
    if node is None or node.value is None:
        return
    if not isinstance(node.value, dict):
        subject.report.error("wrong-type", f"{where} must be a mapping of {' and '.join(keys)}", subject.at(*path))
        return
    for key in node.value:
        if key not in keys and not key.startswith("x-"):
            close = get_close_matches(key, keys, 1, 0.7)
            hint = f'did you mean "{close[0]}"?' if close else f"there is {' and '.join(keys)}"
            text = f"{where}.{key}: '{key}' is not a key that Rorqual knows here"
            subject.report.error("unknown-key", text, subject.key(*path, key), hint=hint)


def texts(subject: Subject, *path: str) -> dict[int, str]:
    """The items of a list of texts, by place; anything else is an error."""
    node, where = subject.node(*path), ".".join(path)
    if node is None or node.value is None:
        return {}
    if not isinstance(node.value, list):
        subject.report.error("wrong-type", f"{where} must be a list of texts", subject.at(*path))
        return {}
    for place, item in enumerate(node.value):
        if not isinstance(item.value, str) or not item.value:
            subject.report.error("wrong-type", f"{where}.{place} must be a text", subject.at(*path, place))
    return {place: item.value for place, item in enumerate(node.value) if isinstance(item.value, str) and item.value}


def check_path(subject: Subject, path: str, place: int) -> None:
    """`services.web.deploy.resources`, `services.*.labels`, `networks.front`: each step must be one that there is."""
    sections = {"services": keys_of(SERVICE.schema) | LIVE, "networks": keys_of(NETWORK.schema)}
    sections["volumes"] = keys_of(VOLUME.schema)
    first, *rest = path.split(".")
    if first not in sections:
        return fault(subject, place, path, first, sorted(sections))
    known = {*subject.section(first), *(subject.disabled if first == "services" else ())}
    if not rest:
        return fault(subject, place, path, "", [f"{first}.{name}" for name in sorted(known)])
    if rest[0] != EVERY and rest[0] not in known:
        return fault(subject, place, path, rest[0], sorted(known))
    if len(rest) > 1 and rest[1] not in sections[first]:
        return fault(subject, place, path, rest[1], sorted(sections[first]))
    return None


def fault(subject: Subject, place: int, path: str, step: str, known: list[str]) -> None:
    close = get_close_matches(step, known, 1, 0.5)
    what = f'there is no "{step}"' if step else "it names no object"
    hint = f'did you mean "{close[0]}"?' if close else f"there are: {', '.join(known)}" if len(known) <= 8 else None
    text = f'x-rorqual.drift.ignore: "{path}" is no path of this project: {what}'
    subject.report.error("unknown-path", text, subject.at("x-rorqual", "drift", "ignore", place), hint=hint)


def keys_of(schema: dict[str, object]) -> frozenset[str]:
    found = schema.get("properties")
    if isinstance(found, dict):
        return frozenset(found)
    parts = schema.get("oneOf") or schema.get("anyOf")
    return frozenset(key for part in parts for key in keys_of(part)) if isinstance(parts, list) else frozenset()
