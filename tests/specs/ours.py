"""Our side of the differential test: one `config` run inside this process, from the flags of a case."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from specs.load import Request, load
from specs.output import config_hash, json_text, json_values

MANY = {"-f": "files", "--profile": "profiles", "--env-file": "env_files"}
ONE = {"-p": "project_name", "--project-directory": "project_directory"}


def resolve(
    argv: Sequence[str], environment: Mapping[str, str], folder: Path, hashes: bool
) -> tuple[Any, str, dict[str, str]]:
    """The project as JSON (None when refused), every complaint, and the hashes of its services when asked.

    Raises AssertionError for a refusal that says nothing.
    """
    loaded = load(request_of(argv, environment, folder))
    complaints = "\n".join(map(str, loaded.report))
    if loaded.report.failed or loaded.values is None:
        assert loaded.report.failed, "refused without an error"
        return None, complaints, {}
    found: dict[str, str] = {}
    if hashes:
        project = loaded.project
        assert project is not None
        found = {name: config_hash(project, name) for name in project.services}
    return json.loads(json_text(json_values(loaded.values))), complaints, found


def request_of(argv: Sequence[str], environment: Mapping[str, str], folder: Path) -> Request:
    settings: dict[str, Any] = {}
    for flag, value in zip(argv[::2], argv[1::2], strict=True):
        if flag in MANY:
            settings.setdefault(MANY[flag], []).append(value)
        else:
            settings[ONE[flag]] = value
    return Request(working_directory=str(folder), environment=environment, **settings)
