"""docs/moving.md, as it is told there: a service with its data goes from one engine to another."""

from __future__ import annotations

import pytest

from tests.engines import RunningEngine, running_rorqual, short_folder
from tests.scenarios.commands import ROOT, Workplace, succeeded

pytestmark = [pytest.mark.root, pytest.mark.slow]
LABELS = ("--label", "com.docker.compose.project=logbook", "--label", "com.docker.compose.volume=entries")


def test_a_service_finds_its_data_on_another_engine(rorqual_engine: RunningEngine) -> None:
    here = Workplace(ROOT / "examples" / "moving", rorqual_engine)
    with short_folder() as folder:
        image, entries = str(folder / "keeper.tar"), str(folder / "entries.tar")
        try:
            succeeded(here.rorqual("up", "-d", "--wait"))
            succeeded(here.rorqual("stop", "-t", "0"))
            succeeded(here.rorqual("image", "save", "-o", image, "logbook/keeper:1"))
            succeeded(here.rorqual("volume", "export", "-o", entries, "logbook_entries"))
        finally:
            here.rorqual("down", "-v", "-t", "0")
        (folder / "other").mkdir()
        with running_rorqual(folder / "other") as other:
            there = Workplace(here.folder, other)
            succeeded(there.rorqual("image", "load", "-i", image))
            succeeded(there.rorqual("volume", "import", *LABELS, "logbook_entries", entries))
            succeeded(there.rorqual("up", "-d", "--no-build", "--wait"))
            assert there.rorqual("logs", "--no-log-prefix", "keeper").out == "entry 1\nentry 2\n"
            owner = there.rorqual("exec", "-T", "keeper", "busybox", "stat", "-c", "%u:%g %a", "/entries")
            assert owner.out == "33:33 2750\n"
            assert there.rorqual("plan", "--detailed-exitcode").code == 0
            succeeded(there.rorqual("down", "-v", "-t", "0"))
            assert there.remains("logbook") == ""
