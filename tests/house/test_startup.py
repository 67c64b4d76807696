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
# What reading a file needs not: neither an engine nor an event loop.
NOT_FOR_READING = {*HEAVY, "anyio", "asyncio", "h11", "ssl", "pydantic", "engine.client.session", "engine.plan.make"}
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
    module = COMMANDS[name].module or name
    others = {entry.module or other for other, entry in COMMANDS.items()} - {module}
    loaded = {other for other in others if f"engine.cli.{other}" in modules}
    # `up` is also where what create and scale share with it lives
    assert loaded <= {"up", "plan"}, loaded


@pytest.mark.parametrize("command", [("config", "-q"), ("config", "--services")], ids=" ".join)
def test_reading_a_file_loads_neither_an_engine_nor_models(command: tuple[str, ...], tmp_path: Path) -> None:
    if command[0] not in COMMANDS:
        pytest.skip(f"no command {command[0]}")
    (tmp_path / "compose.yaml").write_text("services:\n  web:\n    image: nginx\n")
    code, modules = loaded_by(*command, folder=tmp_path)
    assert code == 0
    assert sorted(NOT_FOR_READING & modules) == []
