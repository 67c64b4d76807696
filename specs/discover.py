"""Which files, which folder, which variables: what Compose finds out before it reads anything."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from specs import dotenv
from specs.remote import is_remote
from specs.resolve.context import Context
from specs.resolve.include import bad_line, read_env_file
from specs.resolve.interpolate import Variables
from specs.resolve.refusal import refusal
from specs.resolve.remote import fetch
from specs.source import Span

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


class Found:
    """The files (absolute, or `-`), the project directory, and the variables that interpolation will see.

    `base` is where relative paths start: the project directory, but the folder of the first remote file where one is.
    """

    __slots__ = ("base", "directory", "files", "variables")

    def __init__(self, files: list[str], directory: str, base: str, variables: Variables) -> None:
        self.files = files
        self.directory = directory
        self.base = base
        self.variables = variables


def discover(
    context: Context,
    *,
    environment: Mapping[str, str],
    files: Sequence[str] | None,
    project_directory: str | None,
    env_files: Sequence[str] | None,
) -> Found:
    """Find out what was not said. Raises Refusal."""
    cwd = context.working_directory
    variables = Variables(dict(environment))
    variables.values["PWD"] = cwd
    directory = os.path.normpath(os.path.join(cwd, project_directory)) if project_directory else None
    paths = [located(each, cwd) for each in files or ()]
    env_files = env_files or [each for each in environment.get("COMPOSE_ENV_FILES", "").split(",") if each]
    load_env_files(context, variables, env_files, directory or folder_of(paths, cwd))
    if not paths and "COMPOSE_FILE" in variables.values:
        separator = variables.values.get("COMPOSE_PATH_SEPARATOR") or os.pathsep
        named = variables.values["COMPOSE_FILE"].split(separator)
        paths = [located(each, cwd) for each in named]
    if not paths:
        paths = search(context, directory or cwd)
    if not paths:
        hint = "write a compose.yaml here, or name a file with -f"
        raise refusal(None, "no-file", "there is no Compose file in this folder or above it", hint)
    found = directory or folder_of(paths, cwd)
    load_env_files(context, variables, env_files, found)
    fetched = {path: fetch(context, path).file for path in dict.fromkeys(paths) if is_remote(path)}
    base = os.path.dirname(next(iter(fetched.values()))) if fetched else found
    return Found([fetched.get(path, path) for path in paths], found, base, variables)


def located(name: str, cwd: str) -> str:
    return name if name == "-" or is_remote(name) else os.path.normpath(os.path.join(cwd, name))


def folder_of(paths: Sequence[str], cwd: str) -> str:
    """That of the first file which lies on this machine; the working directory where a remote one comes first."""
    first = next((path for path in paths if path != "-"), None)
    return cwd if first is None or is_remote(first) else os.path.dirname(first)


def search(context: Context, directory: str) -> list[str]:
    """The default files of the nearest folder that has any, upwards."""
    while True:
        there = [path for name in NAMES if os.path.isfile(path := os.path.join(directory, name))]
        if there:
            overrides = [path for name in OVERRIDES if os.path.isfile(path := os.path.join(directory, name))]
            for several in (there, overrides):
                if len(several) > 1:
                    shown = ", ".join(context.shown(path) for path in several)
                    message = f"there are several files of default names: {shown}; the first one is used"
                    context.report.warning("several-files", message, Span(context.shown(several[0]), 1, 1, 1, 1))
            return there[:1] + overrides[:1]
        parent = os.path.dirname(directory)
        if parent == directory:
            return []
        directory = parent


def load_env_files(context: Context, variables: Variables, env_files: Sequence[str], directory: str) -> None:
    """The env files' settings below what is set already; `.env` of the folder unless files were named."""
    if env_files:
        paths = [os.path.normpath(os.path.join(context.working_directory, each)) for each in env_files]
    else:
        disabled = variables.values.get("COMPOSE_DISABLE_ENV_FILE")
        if disabled is not None and disabled not in TRUE | FALSE:
            context.report.error("bad-flag", f"COMPOSE_DISABLE_ENV_FILE={disabled!r} is neither true nor false")
        default = os.path.join(directory, ".env")
        paths = [default] if disabled not in TRUE and os.path.isfile(default) else []
    values: dict[str, str] = {}
    places: dict[str, str] = {}
    for path in paths:
        shown = context.shown(path)
        known = len(context.report)
        try:
            read_env_file(context, path, variables.values, values, places)
        except OSError as error:
            hint = "name another with --env-file" if env_files else None
            message = f"can't read the env file {shown}: {error.strerror}"
            context.report.error("env-file-missing", message, hint=hint)
        except dotenv.BadLine as error:
            context.report.diagnostics += bad_line(shown, error, None).diagnostics
        context.losses.variables |= len(context.report) > known
    merged = variables.under(values, {k: v for k, v in places.items() if k not in variables.values})
    variables.values, variables.places = merged.values, merged.places
