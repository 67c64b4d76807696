"""`rorqual completion SHELL`: a script for bash, zsh or fish, which asks this program what may come next.

What may come is read off the commands themselves, and the services off the project's file, so neither can grow stale.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stderr
from io import StringIO
from typing import Annotated, Any

import typer

from engine.cli import main
from engine.cli.options import ANSI, ENGINE_FLAGS, PROGRESS, PROJECT_FLAGS, ProjectOptions

SCRIPTS = {
    "bash": r"""# eval "$(rorqual completion bash)"
_rorqual() {
    local IFS=$'\n'
    COMPREPLY=($(rorqual complete-line -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _rorqual rorqual""",
    "zsh": r"""#compdef rorqual
# eval "$(rorqual completion zsh)"
_rorqual() {
    local -a found
    found=("${(@f)$(rorqual complete-line -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "$found[1]" ]]; then compadd -- $found; else _files; fi
}
compdef _rorqual rorqual""",
    "fish": r"""# rorqual completion fish | source
function __rorqual_complete
    set -l words (commandline -opc) (commandline -ct)
    rorqual complete-line -- $words[2..-1] 2>/dev/null
end
complete -c rorqual -a '(__rorqual_complete)'""",
}
VALUES = {
    "--format": ("table", "json"),
    "--progress": PROGRESS,
    "--ansi": ANSI,
    "--pull": ("always", "missing", "never"),
    "--rmi": ("local", "all"),
    "--policy": ("missing", "always"),
    "--status": ("paused", "restarting", "removing", "running", "dead", "created", "exited"),
}
# Options whose value is a service, and arguments that are services.
SERVICE_OPTIONS = frozenset({"--attach", "--no-attach", "--exit-code-from", "--rerun"})
SERVICE_ARGUMENTS = frozenset({"service", "services"})


def completion(
    shell: Annotated[str, typer.Argument(help="bash, zsh or fish")],
) -> None:
    """Print a completion script for a shell. Example: eval "$(rorqual completion bash)" """
    if shell not in SCRIPTS:
        raise typer.BadParameter(f'there is completion for {", ".join(SCRIPTS)}, not for "{shell}"')
    print(SCRIPTS[shell])


def complete_line(
    words: Annotated[list[str] | None, typer.Argument(help="The words after rorqual, the last one unfinished")] = None,
) -> None:
    """Print what the last word may become, one a line: what the completion scripts call."""
    *before, unfinished = words or [""]
    for candidate in candidates(before, unfinished):
        if candidate.startswith(unfinished):
            print(candidate)


complete_line.context_settings = {"ignore_unknown_options": True}  # type: ignore[attr-defined]


def candidates(before: Sequence[str], unfinished: str) -> Iterable[str]:
    name, arguments = main.hoist(before)
    if name is None:
        return shared_flag_values(before) or (
            sorted({*PROJECT_FLAGS, *ENGINE_FLAGS}) if unfinished.startswith("-") else visible_commands()
        )
    if name not in main.COMMANDS:
        return ()
    target: Any = main.load(name)
    if not isinstance(target, typer.Typer):
        app = typer.Typer(add_completion=False)
        app.command()(target)
        target = app
    return candidates_of(typer.main.get_command(target), arguments[1:], unfinished)


def visible_commands() -> list[str]:
    return sorted(name for name, command in main.COMMANDS.items() if not command.hidden)


def shared_flag_values(before: Sequence[str]) -> Sequence[str]:
    """Of a flag that stands before any command and still wants its value."""
    return VALUES.get(before[-1], ()) if before else ()


def candidates_of(command: Any, arguments: Sequence[str], unfinished: str) -> Iterable[str]:
    commands = getattr(command, "commands", None)
    if commands is not None:
        chosen = next((word for word in arguments if word in commands), None)
        if chosen is None:
            return sorted(commands)
        rest = list(arguments)[list(arguments).index(chosen) + 1 :]
        return candidates_of(commands[chosen], rest, unfinished)
    options = {spelling: p for p in command.params for spelling in [*p.opts, *p.secondary_opts] if spelling[:1] == "-"}
    last = options.get(arguments[-1]) if arguments else None
    if last is not None and not getattr(last, "is_flag", False):
        return value_candidates(options, last, arguments)
    if unfinished.startswith("-"):
        return sorted(options)
    names = [p.name for p in command.params if not any(o.startswith("-") for o in p.opts)]
    if "shell" in names:
        return SCRIPTS
    if command_takes_paths(names):
        return [f"{service}:" for service in services(options, arguments)]
    return services(options, arguments) if SERVICE_ARGUMENTS & set(names) else ()


def command_takes_paths(names: Sequence[str | None]) -> bool:
    return "source" in names and "target" in names


def value_candidates(options: Mapping[str, Any], option: Any, arguments: Sequence[str]) -> Iterable[str]:
    long = next((spelling for spelling in option.opts if spelling.startswith("--")), "")
    if long in SERVICE_OPTIONS:
        return services(options, arguments)
    if long == "--scale":
        return [f"{service}=" for service in services(options, arguments)]
    return VALUES.get(long, ())


def services(options: Mapping[str, Any], arguments: Sequence[str]) -> list[str]:
    """The names in the project's file, in any profile; none where it can't be read."""
    # late: only service names need the language
    from engine.cli.project import load_project

    try:
        with redirect_stderr(StringIO()):
            values = load_project(project_options(options, arguments), quiet=True).values or {}
    except Exception:
        # whatever is wrong, a person who presses Tab wants no error
        return []
    return sorted([*values.get("services", ()), *values.get("disabled_services", ())])


def project_options(options: Mapping[str, Any], arguments: Sequence[str]) -> ProjectOptions:
    """The project's own flags among the words so far; `-f` is one only where the command hasn't taken it."""
    found: dict[str, Any] = {}
    words = iter(arguments)
    for word in words:
        head, _, value = word.partition("=")
        name = getattr(options.get(head), "name", None)
        if name in {"file", "profile", "env_file"}:
            found.setdefault(name, []).append(value or next(words, ""))
        elif name in {"project_name", "project_directory"}:
            found[name] = value or next(words, "")
    return ProjectOptions(**found)
