"""A runtime that hangs, dies or lies: a clear error in time, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from engine.api.errors import SystemFailure
from engine.daemon.runtime import conmon, execution, monitor
from engine.daemon.runtime.conmon import ConmonRuntime
from engine.daemon.runtime.hall import settle_run_folder
from engine.oci.runtime_spec import Process
from tests.engine.daemon.runtime.test_runtime import ID, image, launch, run
from tests.engines import needs, processes_naming, short_folder

__all__ = ["image"]
pytestmark = [pytest.mark.root, pytest.mark.anyio]


@pytest.fixture
def folder() -> Iterator[Path]:
    needs("crun", "conmon")
    with short_folder() as folder:
        settle_run_folder(folder / "run")
        yield folder


def runtime_that(folder: Path, verb: str, does: str) -> ConmonRuntime:
    """crun, but for one of its commands."""
    made = ConmonRuntime(folder / "run", folder / "seccomp", "crun")
    real = made.preferred
    script = folder / "crun"
    script.write_text(
        f'#!/bin/sh\nfor word; do if [ "$word" = {verb} ]; then {does}; fi; done\nexec {real.path} "$@"\n'
    )
    script.chmod(0o755)
    made.preferred = replace(real, path=str(script))
    made.available = {"crun": made.preferred}
    made.open()
    return made


async def nothing_left(runtime: ConmonRuntime, folder: Path) -> None:
    assert not runtime.known() and list(runtime.bundles.iterdir()) == [] and list(runtime.state.iterdir()) == []
    with anyio.fail_after(10):
        while processes_naming(f"{folder}/"):  # noqa: ASYNC110  # other processes' ends
            await anyio.sleep(0.02)


async def test_a_runtime_that_hangs_in_create_is_ended_and_said(
    folder: Path, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "CREATE_SECONDS", 1.0)
    runtime = runtime_that(folder, "create", "exec sleep 1000")
    with pytest.raises(SystemFailure, match="did not answer within 1 seconds"):
        await runtime.create(launch(image, folder, "true"))
    await nothing_left(runtime, folder)
    runtime = ConmonRuntime(folder / "run", folder / "seccomp", "crun")
    await run(runtime, launch(image, folder, "true"))
    with anyio.fail_after(30):
        assert (await runtime.exited(ID)).code == 0
    await runtime.delete(ID)


async def test_a_runtime_that_dies_without_a_word_is_said(folder: Path, image: Path) -> None:
    runtime = runtime_that(folder, "create", "kill -9 $$")
    with pytest.raises(SystemFailure, match=r"the runtime \(crun\) or the container.s monitor ended at once"):
        await runtime.create(launch(image, folder, "true"))
    await nothing_left(runtime, folder)


async def test_a_runtime_that_complains_is_quoted(folder: Path, image: Path) -> None:
    runtime = runtime_that(folder, "create", "echo the moon is in the way >&2; exit 1")
    with pytest.raises(SystemFailure, match="the moon is in the way"):
        await runtime.create(launch(image, folder, "true"))
    await nothing_left(runtime, folder)


async def test_a_runtime_that_hangs_in_exec_or_update_costs_its_time_alone(
    folder: Path, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "START_SECONDS", 1.0)
    monkeypatch.setattr(conmon, "COMMAND_SECONDS", 1.0)
    runtime = runtime_that(folder, "exec", "exec sleep 1000")
    pid = await run(runtime, launch(image, folder, "sleep", "1000"))
    process: Process = {
        "terminal": False,
        "user": {"uid": 0, "gid": 0},
        "args": ["true"],
        "env": ["PATH=/bin"],
        "cwd": "/",
    }
    with pytest.raises(SystemFailure, match="did not start the exec within 1 seconds"):
        await runtime.exec(ID, "e" * 32, process, stdin=False)
    hanging = runtime_that(folder, "update", "exec sleep 1000")
    with pytest.raises(SystemFailure, match="crun update did not end within 1 seconds"):
        await hanging.update(ID, {"pids": {"limit": 5}})
    assert runtime.pid(ID) == pid, "the container is none the worse for it"
    await runtime.delete(ID)
    await nothing_left(runtime, folder)
