"""examples/build on the embedded engine: built in stages, a changed file planned with its reason, built again, gone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.engines import RunningEngine
from tests.scenarios.commands import ROOT, Workplace, succeeded

pytestmark = [pytest.mark.root, pytest.mark.slow]


def test_a_changed_context_is_a_planned_change_of_the_services_above_it(
    rorqual_engine: RunningEngine, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "examples" / "build", tmp_path / "build")
    place = Workplace(tmp_path / "build", rorqual_engine)
    try:
        assert succeeded(place.rorqual("validate")).out == ""
        succeeded(place.rorqual("up", "-d", "--wait"))
        page = place.fetch("http://127.0.0.1:8084/")
        assert "version 1.0, signed " in page and "a secret" not in page
        assert succeeded(place.rorqual("plan")).out.startswith("Nothing to change")

        (place.folder / "app" / "notes.txt").write_text("which .dockerignore leaves at home")
        assert succeeded(place.rorqual("plan")).out.startswith("Nothing to change")
        (place.folder / "app" / "template.html").write_text("changed, version @VERSION@\n")
        plan = place.rorqual("plan", "--detailed-exitcode")
        assert plan.code == 2
        assert "image.page" in plan.out and "what it is made from has changed" in plan.out
        assert "-/+ service.web.1" in plan.out
        done = succeeded(place.rorqual("up", "-d", "--wait"))
        assert "Using cache" in done.err
        assert place.fetch("http://127.0.0.1:8084/") == "changed, version 1.0\n"

        (place.folder / "app" / "Dockerfile").write_text("FROM base\nCOPPY x y\n")
        failed = place.rorqual("build")
        assert failed.code != 0 and "unknown instruction: COPPY (did you mean COPY?)" in failed.err
    finally:
        place.rorqual("down", "-v", "--remove-orphans", "-t", "0")
