"""The options that many commands share: which project, which engine. Declared once, added by decorator."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from typing import Annotated, Any, TypeVar, get_args

import typer

T = TypeVar("T")

PROGRESS = ("auto", "tty", "plain", "json", "quiet")
ANSI = ("auto", "always", "never")
PULLS = ("always", "missing", "never")


@dataclass(frozen=True, slots=True)
class ProjectOptions:
    """Which files make the project, and how they are read. Names as Compose's own flags (CLI.md)."""

    file: Annotated[
        list[str] | None, typer.Option("--file", "-f", help="Compose file; repeat to override; - is stdin")
    ] = None
    project_name: Annotated[str | None, typer.Option("--project-name", "-p", help="Project name")] = None
    project_directory: Annotated[
        str | None,
        typer.Option("--project-directory", help="Where relative paths start (default: the first file's folder)"),
    ] = None
    profile: Annotated[list[str] | None, typer.Option("--profile", help="Profile to enable; repeatable")] = None
    env_file: Annotated[list[str] | None, typer.Option("--env-file", help="Environment file; repeatable")] = None
    compatibility: Annotated[bool, typer.Option("--compatibility", help="Names as docker-compose 1 wrote them")] = False
    all_resources: Annotated[bool, typer.Option("--all-resources", help="Include resources that no service uses")] = (
        False
    )
    strict: Annotated[bool, typer.Option("--strict", help="A key that the runtime can't honour is an error")] = False


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Which engine, and how its work is shown (CLI.md)."""

    host: Annotated[str | None, typer.Option("--host", "-H", help="Engine socket: unix://, tcp://, ssh://")] = None
    context: Annotated[str | None, typer.Option("--context", help="Docker context to use")] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing")] = False
    parallel: Annotated[int | None, typer.Option("--parallel", help="How many steps at a time; -1 for no limit")] = None
    ansi: Annotated[str, typer.Option("--ansi", help="auto, always or never")] = "auto"
    progress: Annotated[str, typer.Option("--progress", help="auto, tty, plain, json or quiet")] = "auto"

    def __post_init__(self) -> None:
        one_of("--progress", self.progress, PROGRESS)
        one_of("--ansi", self.ansi, ANSI)


@dataclass(frozen=True, slots=True)
class LockOptions:
    """One writer a project: how long to wait for another (CLI.md, exit code 5)."""

    lock_timeout: Annotated[
        float, typer.Option("--lock-timeout", min=0, help="Seconds to wait for another command on this project")
    ] = 60.0
    break_lock: Annotated[
        bool, typer.Option("--break-lock", help="Take the project's lock from whoever has it, if that one is gone")
    ] = False


def one_of(flag: str, value: str | None, allowed: tuple[str, ...]) -> None:
    """Raises typer.BadParameter, which names what the flag takes; None was not said."""
    if value is not None and value not in allowed:
        raise typer.BadParameter(f'{flag} takes {", ".join(allowed[:-1])} or {allowed[-1]}, not "{value}"')


def said_beside(call: typer.Context, known: Collection[str]) -> list[str]:
    """What the command line says beside these parameters, as it spells it."""
    said = []
    for param in call.command.params:
        source = call.get_parameter_source(param.name or "")
        if param.name not in known and source is not None and source.name == "COMMANDLINE":
            said.append(param.opts[0] if param.param_type_name == "option" else str(param.name))
    return said


def spellings_of(option: Any) -> tuple[str, ...]:
    """Every spelling of an option. In the Annotated style typer keeps the first one in `default`, to be sorted out."""
    first = getattr(option, "default", None)
    rest = getattr(option, "param_decls", None) or ()
    return (first, *rest) if isinstance(first, str) and first.startswith("-") else tuple(rest)


def flags_of(cls: type) -> dict[str, tuple[str, bool]]:
    """Each spelling of each option → its long form, and whether it takes a value."""
    found: dict[str, tuple[str, bool]] = {}
    for name, annotation in inspect.get_annotations(cls, eval_str=True).items():
        kind, option = get_args(annotation)[:2]
        for spelling in spellings_of(option):
            found[spelling] = (f"--{name.replace('_', '-')}", kind is not bool)
    return found


PROJECT_FLAGS = flags_of(ProjectOptions)
ENGINE_FLAGS = flags_of(EngineOptions)
PANELS = {ProjectOptions: "Project", EngineOptions: "Engine", LockOptions: "Lock"}


def with_options(*kinds: type) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Add the options of each dataclass to a command, whose first parameters take one value of each, in order.

    `@with_options(ProjectOptions, EngineOptions)` on `def up(project, engine, *, detach: …)` gives `up` all of them.
    Where the command claims a short flag itself (`logs -f`), the shared option keeps only its long form.
    """

    def decorate(command: Callable[..., T]) -> Callable[..., T]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[len(kinds) :]
        claimed = {spelling for p in own for spelling in spellings(p.annotation)}
        shared = [parameter(cls, name, claimed) for cls in kinds for name in names_of(cls)]

        @functools.wraps(command)
        def call(**values: Any) -> T:
            options = [cls(**{name: values.pop(name) for name in names_of(cls)}) for cls in kinds]
            return command(*options, **values)

        keyword_only = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*own, *shared)]
        call.__signature__ = inspect.Signature(keyword_only)  # type: ignore[attr-defined]
        call.__annotations__ = {p.name: p.annotation for p in keyword_only}
        return call

    return decorate


def names_of(cls: type) -> list[str]:
    return [field.name for field in fields(cls)]


def spellings(annotation: Any) -> tuple[str, ...]:
    return tuple(s for extra in get_args(annotation)[1:] for s in spellings_of(extra))


def parameter(cls: type, name: str, claimed: set[str]) -> inspect.Parameter:
    annotation = inspect.get_annotations(cls, eval_str=True)[name]
    kind, option = get_args(annotation)[:2]
    left = [s for s in spellings_of(option) if s not in claimed]
    again = typer.Option(*left, help=option.help, rich_help_panel=PANELS.get(cls))
    default = next(field.default for field in fields(cls) if field.name == name)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, again])
