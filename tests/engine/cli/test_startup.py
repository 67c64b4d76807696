"""Start-up is a feature: what a command doesn't need, it doesn't import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli.main import COMMANDS

# Each costs 20 ms to 300 ms; commands that look at files only need none of them.
HEAVY = {"networkx", "rich", "httpx", "sqlite3", "asyncio", "anyio", "pydantic", "ruamel", "h11", "ssl", "watchfiles"}
LIGHT_COMMANDS = ("config", "validate", "explain", "schema", "version")
ARGUMENTS = {"explain": ("services.a.image",), "config": ("-q",)}

PROBE = """
import sys
from engine.cli.main import run
code = run(sys.argv[1:])
print("\\n".join(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
sys.exit(code)
"""


def imported_by(folder: Path, *words: str) -> set[str]:
    """The top-level modules that stand in memory after a command ran."""
    (folder / "compose.yaml").write_text("services: {a: {image: x, depends_on: [b]}, b: {build: .}}\n")
    done = subprocess.run([sys.executable, "-c", PROBE, *words], cwd=folder, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize("command", [name for name in LIGHT_COMMANDS if name in COMMANDS])
def test_a_command_on_files_imports_nothing_heavy(command: str, tmp_path: Path) -> None:
    assert imported_by(tmp_path, command, *ARGUMENTS.get(command, ())) & HEAVY == set()


def test_the_list_of_commands_imports_none_of_them(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "engine.cli.main", "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0
    own = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert {f"engine.cli.{name}" for name in COMMANDS} & own == set()
