"""The entry point: finds the command, imports only that one, and turns every failure into words and an exit code."""

from __future__ import annotations

import errno
import gc
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from engine.api.errors import EngineError, Timeout
from engine.cli.exitcodes import DONE, ERROR, INTERRUPTED, LOCKED, USAGE
from engine.cli.leading import leading
from engine.cli.options import ENGINE_FLAGS, PROJECT_FLAGS
from engine.cli.output import ReaderGone
from specs.source import SpecInvalid

# What a disk or its quota says to a write: it has no file's name, and is no fault of ours.
UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})

# typer vendors click from 0.26 on and depends on it before; the base of its own BadParameter is UsageError in both.
UsageError: Any = typer.BadParameter.__bases__[0]


@dataclass(frozen=True, slots=True)
class Command:
    """Where a command lives: `engine.cli.<module>` holds a function or a typer.Typer named like the command."""

    panel: str
    help: str
    module: str = ""
    hidden: bool = False


LOOK_BEFORE, CONVERGE, LOOP, LOOK, ENTER, PAST, OBJECTS, ENGINE = (
    "Look before you leap",
    "Converge",
    "Loop",
    "Look",
    "Enter",
    "Past",
    "Objects",
    "Engine",
)

COMMANDS: dict[str, Command] = {
    "validate": Command(LOOK_BEFORE, "Say everything that is wrong with the files, for people or for CI."),
    "config": Command(LOOK_BEFORE, "Print the project with everything resolved, as Docker Compose prints it."),
    "explain": Command(LOOK_BEFORE, "Show where a value comes from: every place that had a say."),
    "schema": Command(LOOK_BEFORE, "Print the JSON Schema of the language, for editors."),
    "graph": Command(LOOK_BEFORE, "Show the dependency graph of the project."),
    "plan": Command(LOOK_BEFORE, "Show what would change on the engine, and why."),
    "diff": Command(LOOK_BEFORE, "Show which fields of the host differ from the file."),
    "drift": Command(LOOK_BEFORE, "Show what others changed on the host, field by field."),
    "lock": Command(LOOK_BEFORE, "Write the digests of the images' tags, which plan and up go by."),
    "up": Command(CONVERGE, "Create, update and start what the file asks for."),
    "down": Command(CONVERGE, "Stop and remove containers and networks; volumes only with -v."),
    "apply": Command(CONVERGE, "Apply a saved plan, or refuse it when it is stale."),
    "create": Command(CONVERGE, "Create containers, and start none."),
    "scale": Command(CONVERGE, "Set how many containers services have."),
    "start": Command(CONVERGE, "Start containers that exist."),
    "stop": Command(CONVERGE, "Stop running containers, and keep them."),
    "restart": Command(CONVERGE, "Stop and start containers, with nothing else changed."),
    "kill": Command(CONVERGE, "Send a signal to running containers."),
    "pause": Command(CONVERGE, "Freeze running containers."),
    "unpause": Command(CONVERGE, "Let frozen containers go on."),
    "rm": Command(CONVERGE, "Remove stopped containers."),
    "history": Command(PAST, "List the project's releases."),
    "show": Command(PAST, "Show one release: its plan and reasons, what became of each step."),
    "rollback": Command(PAST, "Return to a release, without network or source tree."),
    "container": Command(OBJECTS, "Containers of the engine, one by one.", module="objects.container"),
    "network": Command(OBJECTS, "Networks of the engine.", module="objects.network"),
    "volume": Command(OBJECTS, "Volumes of the engine.", module="objects.volume"),
    "system": Command(OBJECTS, "The engine itself."),
    "context": Command(ENGINE, "Names for engines, in Docker's own store."),
    "pull": Command(CONVERGE, "Pull the services' images."),
    "build": Command(CONVERGE, "Build the services' images."),
    "push": Command(CONVERGE, "Push the services' images."),
    "watch": Command(CONVERGE, "Keep containers in step with files as they change."),
    "wait": Command(CONVERGE, "Wait until containers stop; their exit code becomes ours."),
    "agent": Command(LOOP, "Keep a host as its git repositories say."),
    "ps": Command(LOOK, "List the project's containers."),
    "ls": Command(LOOK, "List the projects on the engine."),
    "logs": Command(LOOK, "Show the containers' output, and with -f what comes."),
    "top": Command(LOOK, "Show the running processes."),
    "stats": Command(LOOK, "Show CPU, memory, network and disk use."),
    "events": Command(LOOK, "Print the containers' events as they happen."),
    "port": Command(LOOK, "Print the host's address of a published port."),
    "images": Command(LOOK, "List the images that the containers were made of."),
    "volumes": Command(LOOK, "List the project's volumes."),
    "run": Command(ENTER, "Run one command in a new container of a service."),
    "exec": Command(ENTER, "Run a command in a running container."),
    "attach": Command(ENTER, "Join the main process of a running container."),
    "cp": Command(ENTER, "Copy between a container and the host."),
    "commit": Command(ENTER, "Make an image of a service's container."),
    "export": Command(ENTER, "Write a container's file system as a tar."),
    "completion": Command(ENGINE, "Print a completion script for bash, zsh or fish."),
    "complete-line": Command(ENGINE, "What the completion scripts call.", module="completion", hidden=True),
    "image": Command(OBJECTS, "Images of the engine, and of registries."),
    "manifest": Command(OBJECTS, "What a registry holds under a name."),
    "registry": Command(OBJECTS, "Registries: serve one, log in, look around."),
    "daemon": Command(ENGINE, "Run the embedded engine, or stop it."),
    "version": Command(ENGINE, "Show the version of Rorqual."),
}


def identifier(name: str) -> str:
    """The Python name of a command: `import` is `import_`, `dial-stdio` is `dial_stdio`."""
    word = name.replace("-", "_")
    return f"{word}_" if word in {"import", "exec"} else word


def load(name: str) -> Callable[..., Any] | typer.Typer:
    command = COMMANDS[name]
    module = importlib.import_module(f"engine.cli.{command.module or identifier(name)}")
    target: Callable[..., Any] | typer.Typer = getattr(module, identifier(name))
    return target


def not_called() -> None:
    """Stands in for a command in the list of commands, so that the list imports none of them."""
    raise AssertionError("a listed command was called")


def make_app(wanted: str | None) -> typer.Typer:
    """The application with `wanted` imported and the others listed only; with None, all are listed."""
    app = typer.Typer(
        name="rorqual",
        cls=TyperGroup,
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="A declarative, Compose-compatible container engine: a file in, a plan, a host that converges.",
    )

    @app.callback()
    def root() -> None:
        pass

    for name, command in COMMANDS.items():
        target = load(name) if name == wanted else not_called
        settings: dict[str, Any] = {"help": command.help} if name != wanted else {}
        if hasattr(target, "context_settings"):
            settings["context_settings"] = target.context_settings
        if isinstance(target, typer.Typer):
            app.add_typer(target, name=name, help=command.help, rich_help_panel=command.panel, hidden=command.hidden)
        else:
            app.command(name, rich_help_panel=command.panel, hidden=command.hidden, **settings)(target)
    return app


def hoist(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """Find the command word, and move the flags before it behind it, in their long form.

    `-f a.yaml -p shop up -d` → ("up", ["up", "--file", "a.yaml", "--project-name", "shop", "-d"]).
    Compose takes project flags only before the command; here both places are good (CLI.md).
    """
    moved, rest = leading(arguments, {**PROJECT_FLAGS, **ENGINE_FLAGS})
    if not rest:
        return None, moved
    if rest[0].startswith("-") and rest[0] != "-":
        return ("version", ["version"]) if rest[0] in {"-v", "--version"} else (None, list(arguments))
    return rest[0], [rest[0], *moved, *rest[1:]]


def run(arguments: Sequence[str]) -> int:
    """Run one command line; return its exit code (CLI.md, exit codes)."""
    name, words = hoist(arguments)
    app = make_app(name if name in COMMANDS else None)
    # what was imported stays to the end: the collector need never look at it again (entry.py)
    gc.freeze()
    gc.enable()
    try:
        command = typer.main.get_command(app)
        if any("=" in word for word in words):
            # late: few command lines give a flag a value
            from engine.cli.flagvalues import spelled_out

            words = spelled_out(command, words)
        result = command.main(args=words, prog_name="rorqual", standalone_mode=False)
        return result if isinstance(result, int) else DONE
    except UsageError as error:
        return usage(error)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BaseException as error:
        return explain(error)


def usage(error: Any) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message())
        return 0
    print(f"rorqual: {error.format_message()}", file=sys.stderr)
    if error.ctx is not None:
        print(f"Try '{error.ctx.command_path} --help'.", file=sys.stderr)
    return USAGE


def explain(error: BaseException) -> int:
    """The one place where task-group failures are unwrapped and known failures become words."""
    leaves, code = leaves_of(error), ERROR
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
        return INTERRUPTED
    if any(isinstance(leaf, BrokenPipeError | ReaderGone) for leaf in leaves):
        # The reader of our output went away (`rorqual ps | head`): nothing is wrong, and nothing more can be said.
        forget_stdout()
        return 0
    for leaf in leaves:
        if isinstance(leaf, SpecInvalid):
            # late: the renderer is needed only for a faulty file
            from engine.cli.render.diagnostics import render_text

            print(render_text(leaf.report), file=sys.stderr)
        elif isinstance(leaf, EngineError):
            print(f"rorqual: {leaf.message}", file=sys.stderr)
            code = code_of(leaf)
        elif isinstance(leaf, OSError) and leaf.filename is not None:
            print(f"rorqual: {leaf.filename}: {leaf.strerror}", file=sys.stderr)
        elif isinstance(leaf, OSError) and leaf.errno in UNWRITABLE:
            print(f"rorqual: could not write all of the output: {leaf.strerror}", file=sys.stderr)
        else:
            raise error
    return code


def code_of(error: EngineError) -> int:
    if isinstance(error, Timeout):
        # late: only who waited in vain asks
        from engine.reconcile.lock import LockTaken

        return LOCKED if isinstance(error, LockTaken) else ERROR
    return ERROR


def leaves_of(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves_of(inner)]
    return [error]


def forget_stdout() -> None:
    """What is still buffered goes nowhere: Python would try it once more as it ends, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> NoReturn:
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        forget_stdout()
    except OSError as error:
        # said once: a command that met the full disk itself has already told of it
        code = code or explain(error)
        forget_stdout()
    sys.exit(code)


if __name__ == "__main__":
    main()
