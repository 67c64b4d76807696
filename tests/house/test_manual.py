"""The manual says what the code does: the reference is fresh, and every command that a page names is there."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli.main import COMMANDS
from tests.house.modules import ROOT

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.yaml")])


@pytest.mark.parametrize("name", ["cli.md", "exit-codes.md", "capabilities.md"])
def test_a_page_of_the_reference_is_as_the_code_is(name: str) -> None:
    written = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    made = subprocess.run(
        [sys.executable, "-c", f"import generate; print(generate.PAGES[{name!r}](), end='')"],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'docs'}", "COLUMNS": "200", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert written == made.stdout, "run `python docs/generate.py`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_no_command_that_is_not_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    code = "\n".join([*re.findall(r"```[^\n]*\n(.*?)```", text, re.DOTALL), *re.findall(r"`([^`\n]+)`", text)])
    if page.suffix == ".yaml":
        code = text
    named = re.findall(r"\brorqual (?:-\S+ )*([a-z][a-z-]*)\b", code)
    assert [name for name in named if name not in COMMANDS] == []


@pytest.mark.slow
def test_the_manual_builds_without_a_warning(tmp_path: Path) -> None:
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("needs the docs extra: `make docs`")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
