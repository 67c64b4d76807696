"""Writes the pages of the manual that the code knows better: the command line, exit codes, what runtimes can't honour.

`python docs/generate.py` writes them; a test holds that they are as it would write them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import typer

from engine.cli.exitcodes import MEANINGS, PASSING
from engine.cli.main import COMMANDS, make_app
from engine.cli.options import PANELS
from specs.check.capabilities import table as capability_table

FOLDER = Path(__file__).parent / "reference"
HEAD = """# Command line

Written from the commands themselves. Project and engine flags are taken before the command, as Compose has it, and
after it.
"""


def reference() -> str:
    """The whole page, every command by its group."""
    parts = [HEAD]
    shared: dict[str, list[Any]] = {}
    for panel in dict.fromkeys(command.panel for command in COMMANDS.values()):
        parts.append(f"\n## {panel}\n")
        for name, entry in COMMANDS.items():
            if entry.panel == panel and not entry.hidden:
                command = command_named(name)
                parts += section(name, command, shared)
    for panel, options in shared.items():
        parts.append(f"\n## {panel} flags\n")
        parts += table(options)
    return "\n".join(parts) + "\n"


def command_named(name: str) -> Any:
    group: Any = typer.main.get_command(make_app(name))
    return group.commands[name]


def section(name: str, command: Any, shared: dict[str, list[Any]], depth: str = "###") -> list[str]:
    words = [f"\n{depth} rorqual {name}\n", (command.help or "").strip().replace("\n\n", "\n"), ""]
    subcommands = getattr(command, "commands", None)
    if subcommands:
        if command.invoke_without_command:
            # what the group does by itself
            words += [*usage_block(name, command), *table(options_of(command, shared))]
        for inner, subcommand in subcommands.items():
            words += section(f"{name} {inner}", subcommand, shared, f"{depth}#")
        return words
    own = options_of(command, shared)
    return words + usage_block(name, command) + (table(own) if own else [])


def usage_block(name: str, command: Any) -> list[str]:
    arguments = " ".join(usage(param) for param in command.params if param.param_type_name == "argument")
    return ["```", f"rorqual {name} [OPTIONS] {arguments}".rstrip(), "```", ""]


def options_of(command: Any, shared: dict[str, list[Any]]) -> list[Any]:
    """A command's own options; those of a panel that many share are kept in `shared`."""
    own = []
    for param in command.params:
        panel: str = getattr(param, "rich_help_panel", None) or ""
        if param.param_type_name != "option" or param.name == "help" or getattr(param, "hidden", False):
            continue
        if panel in PANELS.values():
            known = shared.setdefault(panel, [])
            # the fullest spelling: a command may have claimed a short flag for itself
            others = [option for option in known if option.name != param.name]
            here = [option for option in known if option.name == param.name]
            shared[panel] = [*others, max([*here, param], key=lambda option: len(option.opts))]
        else:
            own.append(param)
    return own


def usage(param: Any) -> str:
    word = (param.metavar or param.name or "").upper().strip("[]").removesuffix("...").strip("[]")
    many = "..." if param.nargs != 1 else ""
    return f"{word}{many}" if param.required else f"[{word}{many}]"


def table(options: list[Any]) -> list[str]:
    rows = ["| flag | meaning |", "|---|---|"]
    for option in options:
        flags = ", ".join(f"`{flag}`" for flag in (*option.opts, *option.secondary_opts))
        variable = f" (`${option.envvar}`)" if getattr(option, "envvar", None) else ""
        rows.append(f"| {flags} | {(option.help or '').replace('|', chr(92) + '|')}{variable} |")
    return rows


def exit_codes() -> str:
    """The page of exit codes: those of every command, then what single commands add."""
    rows = ["| code | command | meaning |", "|---|---|---|"]
    for each in MEANINGS:
        command = f"`{each.command}`" if each.command else "every"
        rows.append(f"| {each.code} | {command} | {each.meaning} |")
    passing = ", ".join(f"`{command}`" for command in PASSING)
    tail = f"{passing}: the exit code of the container itself."
    return "\n".join(["# Exit codes", "", "Written from the table in the code.", "", *rows, "", tail]) + "\n"


CAPABILITIES = """# What a runtime can't honour

Written from the table in the code. A key that the runtime at hand can't honour is a warning that names the key and its
place (`rorqual validate --runtime NAME`, `plan`, `up`); with `--strict` it is an error. Keys that are not listed work
on all of them. `*` stands for any name or item.

"""


def capabilities() -> str:
    return CAPABILITIES + capability_table()


PAGES = {"cli.md": reference, "exit-codes.md": exit_codes, "capabilities.md": capabilities}


def main() -> None:
    # help texts must not be wrapped to some terminal
    os.environ["COLUMNS"] = "200"
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
        print(f"wrote {FOLDER / name}", file=sys.stderr)


if __name__ == "__main__":
    main()
