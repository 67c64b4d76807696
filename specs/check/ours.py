"""What Rorqual's own options say: the fields that drift passes over, and the variables that are marked sensitive."""

from __future__ import annotations

from difflib import get_close_matches

from specs.check.subject import Subject
from specs.shapes.project import NETWORK, VOLUME
from specs.shapes.service import SERVICE

EVERY = "*"
# What a path may begin with, and the keys of what stands there: those of a file, and what only a container has.
LIVE = frozenset({"state", "health", "content"})


def options(subject: Subject) -> None:
    """`x-rorqual: {drift: {ignore: […]}, sensitive: […]}`, and `sensitive` of each service."""
    texts(subject, "x-rorqual", "sensitive")
    for name in subject.services:
        texts(subject, "services", name, "x-rorqual", "sensitive")
    for place, path in texts(subject, "x-rorqual", "drift", "ignore").items():
        check_path(subject, path, place)


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
