"""Which values nobody may read off a plan, a label, a log or the ledger: by where they stand, and by what they are.

Sensitive are the contents of secrets, and environment values (and build arguments) whose name says so or that the
spec marks: `x-rorqual: {sensitive: [LICENSE]}`, in a service or for the whole project. A value that is sensitive in
one place is so wherever it turns up, since variables are interpolated into command lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # for annotations only: drift and the listings ask for names here without building the models
    from specs.models import Project, Service

SENSITIVE = re.compile(r"(?i)(passw(or)?d|passphrase|secret|token|credential|private_?key|api_?key|access_?key)")
ENVIRONMENT = "environment."
HIDDEN = "(sensitive)"
# A shorter value turns up by chance: `1` is a password somewhere, and a number of replicas everywhere else.
SHORTEST = 6
LONG_LINE = 16


def is_sensitive_name(name: str, marked: Iterable[str] = ()) -> bool:
    return SENSITIVE.search(name) is not None or name in marked


def is_sensitive(path: str, marked: Iterable[str] = ()) -> bool:
    """Whether a field's own name says that its value is sensitive, or the spec does."""
    return path.startswith(ENVIRONMENT) and is_sensitive_name(path.removeprefix(ENVIRONMENT), marked)


def marked_names(project: Project, service: Service) -> frozenset[str]:
    """The names that `x-rorqual: {sensitive: […]}` of the service or of the project lists."""
    found = [project.x_rorqual.get("sensitive"), service.x_rorqual.get("sensitive")]
    return frozenset(str(name) for names in found if isinstance(names, list) for name in names)


def sensitive_values(project: Project) -> frozenset[str]:
    """Every sensitive value that the spec itself holds; contents of files are not among them."""
    found = {secret.content for secret in project.secrets.values()}
    for service in (*project.services.values(), *project.disabled_services.values()):
        marked = marked_names(project, service)
        arguments = (service.build.args if service.build else None) or {}
        found |= {v for values in (service.environment or {}, arguments) for v in named_values(values, marked)}
    for image in project.images.values():
        found |= set(named_values((image.build.args if image.build else None) or {}, marked_names_of(project)))
    return frozenset(value for value in found if value)


def marked_names_of(project: Project) -> frozenset[str]:
    names = project.x_rorqual.get("sensitive")
    return frozenset(map(str, names)) if isinstance(names, list) else frozenset()


def named_values(values: Mapping[str, Any], marked: Iterable[str]) -> Iterator[str]:
    for name, value in values.items():
        if value is not None and is_sensitive_name(name, marked):
            yield str(value)


def environment_values(entries: Iterable[str], marked: Iterable[str] = ()) -> Iterator[str]:
    """Of `KEY=value` lines, as the engine tells a container's environment."""
    yield from named_values(dict(entry.partition("=")[::2] for entry in entries), marked)


def telling(values: Iterable[str]) -> tuple[str, ...]:
    """Those long enough to be recognised inside other text, the longest first; a long line of several counts too."""
    lines = {line for value in values for line in value.splitlines() if len(line) >= LONG_LINE}
    return tuple(sorted({*lines, *(v for v in values if len(v) >= SHORTEST)}, key=len, reverse=True))


def gives_away(value: Any, values: Iterable[str]) -> bool:
    """Whether one of `values` (see telling) can be read in a field's value, however deep."""
    if isinstance(value, str):
        return any(secret in value for secret in values)
    if isinstance(value, Mapping):
        return any(gives_away(item, values) for pair in value.items() for item in pair)
    return isinstance(value, list | tuple) and any(gives_away(item, values) for item in value)


def hider(values: Iterable[str]) -> Callable[[str], str]:
    """What takes sensitive values out of a text: an error of the engine, the end of a log."""
    known = telling(values)

    def hide(text: str) -> str:
        for value in known:
            text = text.replace(value, HIDDEN)
        return text

    return hide
