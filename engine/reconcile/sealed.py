"""A project as it may be written down: resolved, its sensitive values sealed. And the way back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from engine.api.errors import InvalidArgument
from engine.ledger.sealing import Sealing
from engine.plan.sensitive import is_sensitive_name, marked_names, marked_names_of, sensitive_values
from engine.reconcile.contents import Sealer
from specs.models import Project
from specs.models.construct import taken_apart

Json = dict[str, Any]
# What interpolation saw is no part of the result; env files are folded into the environment already.
LEFT_OUT = frozenset({"environment"})
FOLDED = frozenset({"label_file"})


def sealed_project(project: Project, sealer: Sealer, more: Iterable[str] = ()) -> tuple[Json, dict[str, bytes]]:
    """The document, and the values behind the digests in it. `more` are sensitive values that the spec doesn't hold."""
    sealing = Sealing(sealer.seal, {*sensitive_values(project), *more}, Places(project))
    return sealing.sealed(document_of(project)), sealing.found


def document_of(project: Project) -> Json:
    # not model_dump: it would build every serializer first, 60 ms before the first write of an `up`
    found = taken_apart(project)
    folded = project.folded_files.items()
    labels = {key: {k: v for k, v in files.items() if k in FOLDED} for key, files in folded}
    kept = {key: files for key, files in labels.items() if files}
    return {k: v for k, v in found.items() if k not in LEFT_OUT} | ({"folded_files": kept} if kept else {})


def opened_project(document: Mapping[str, Any]) -> Project:
    """Of a document whose values are back in place. Raises InvalidArgument for one that this version doesn't know."""
    try:
        return Project.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidArgument(f"the spec was written by another version of Rorqual: {place}: {first['msg']}") from error


class Places:
    """Whether a sensitive value stands at a path of the document."""

    def __init__(self, project: Project) -> None:
        services = {**project.services, **project.disabled_services}
        self.marked = {key: marked_names(project, service) for key, service in services.items()}
        self.everywhere = marked_names_of(project)

    def __call__(self, path: tuple[str, ...]) -> bool:
        match path:
            case ("secrets", _, "content"):
                return True
            case ("services" | "disabled_services", key, "environment", name):
                return is_sensitive_name(name, self.marked.get(key, ()))
            case ("services" | "disabled_services", key, "build", "args", name):
                return is_sensitive_name(name, self.marked.get(key, ()))
            case ("images", _, "build", "args", name):
                return is_sensitive_name(name, self.everywhere)
        return False
