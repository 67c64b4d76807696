"""Starting is what a command line does most: what is heavy is imported only by the command that needs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli.main import COMMANDS
from tests.house.modules import ROOT

# Each costs 25 to 350 ms. Which commands may have it imported before they do anything: none that isn't named.
HEAVY: dict[str, set[str]] = {
    "networkx": set(),
    "rich": set(),
    "httpx": set(),
    "sqlite3": set(),
    "watchfiles": {"watch"},
    "multiprocessing": {"watch"},
    "jsonschema": set(),
    "hypothesis": set(),
}
# What a command that only reads files needs not to its very end: neither an engine, nor an event loop, nor models.
NOT_FOR_READING = {*HEAVY, "anyio", "asyncio", "h11", "ssl", "pydantic", "ruamel", "engine.client.session"}
ON_FILES = (
    ("config", "-q"),
    ("config", "--services"),
    ("config", "--format", "json"),
    ("validate",),
    ("explain", "services.web.image"),
    ("schema",),
    ("version",),
    ("--help",),
)
SCRIPT = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from engine.cli.main import run
with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
    code = run(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]))
"""


def loaded_by(*words: str, folder: Path = ROOT) -> tuple[int, set[str]]:
    """The exit code of a command line, and every module that a fresh interpreter has loaded by its end."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    code, modules = json.loads(done.stdout)
    return code, set(modules)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_loads_nothing_heavy_before_it_works(name: str) -> None:
    code, modules = loaded_by(name, "--help")
    assert code == 0
    assert sorted(heavy for heavy, allowed in HEAVY.items() if heavy in modules and name not in allowed) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_loads_no_other_command(name: str) -> None:
    _, modules = loaded_by(name, "--help")
    # `up` is also where what create and scale share with it lives
    assert commands_in(modules) - {COMMANDS[name].module or name} <= {"up", "plan"}


def test_the_list_of_commands_loads_none_of_them(tmp_path: Path) -> None:
    _, modules = loaded_by("--help", folder=tmp_path)
    assert commands_in(modules) == set()


def commands_in(modules: set[str]) -> set[str]:
    names = {entry.module or name for name, entry in COMMANDS.items()}
    return {name for name in names if f"engine.cli.{name}" in modules}


@pytest.mark.parametrize("command", ON_FILES, ids=" ".join)
def test_a_command_on_files_loads_neither_an_engine_nor_models(command: tuple[str, ...], tmp_path: Path) -> None:
    text = "services:\n  web:\n    image: nginx\n    depends_on: [db]\n  db:\n    build: .\n"
    (tmp_path / "compose.yaml").write_text(text)
    code, modules = loaded_by(*command, folder=tmp_path)
    assert code == 0
    assert sorted(NOT_FOR_READING & modules) == []
