"""One contract for every runtime that this machine has: crun and runc under conmon."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from engine.api.frames import Stream
from engine.daemon.containers.seccomp_profile import default_profile, resolve_profile
from engine.daemon.protocols import RootMount
from engine.daemon.runtime import cgroups
from engine.daemon.runtime.conmon import ConmonRuntime, Launch
from engine.daemon.runtime.hall import settle_run_folder
from engine.daemon.runtime.monitor import NotStartable
from engine.daemon.runtime.processes import ended, read_pid, send_signal
from engine.oci.runtime_spec import Process, RuntimeSpec
from tests.busybox import busybox_archive
from tests.engines import needs, short_folder

pytestmark = [pytest.mark.root, pytest.mark.anyio]
ID = "f0" * 32


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The busybox root file system, unpacked."""
    needs("conmon", "mmdebstrap")
    root = tmp_path_factory.mktemp("busybox")
    with tarfile.open(busybox_archive()) as archive:
        manifest = json.load(archive.extractfile("manifest.json") or pytest.fail("no manifest"))
        for layer in manifest[0]["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(layer)) as tar:
                tar.extractall(root, filter="tar")
    return root


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@pytest.fixture(params=["crun", "runc"])
async def runtime(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[ConmonRuntime]:
    needs(request.param, "conmon")
    settle_run_folder(folder / "run")
    made = ConmonRuntime(folder / "run", folder / "seccomp", request.param)
    made.open()
    yield made
    for id in made.known():
        await made.delete(id)


def spec_of(*words: str, terminal: bool = False) -> RuntimeSpec:
    process: Process = {
        "terminal": terminal,
        "user": {"uid": 0, "gid": 0},
        "args": list(words),
        "env": ["PATH=/usr/bin:/bin"],
        "cwd": "/",
    }
    pts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
    return {
        "ociVersion": "1.0.2",
        "process": process,
        "root": {"path": "rootfs", "readonly": False},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": pts},
        ],
        "linux": {
            "cgroupsPath": f"/rorqual-test/{ID}",
            "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")],
            "resources": {"memory": {"limit": 64 << 20}, "pids": {"limit": 100}},
            "seccomp": resolve_profile(default_profile(), set(), os.uname().machine),
        },
    }


def launch(image: Path, folder: Path, *words: str, **more: Any) -> Launch:
    for name in ("upper", "work"):
        (folder / name).mkdir(exist_ok=True)
    root = RootMount((image,), folder / "upper", folder / "work", Path("/"), (str(image),))
    terminal = more.pop("terminal", False)
    return Launch(
        ID,
        spec_of(*words, terminal=terminal),
        root,
        f"/rorqual-test/{ID}",
        folder / "log",
        folder / "base",
        **more,
    )


async def run(runtime: ConmonRuntime, asked: Launch) -> int:
    pid = await runtime.create(asked)
    await runtime.start(ID)
    return pid


async def test_a_program_runs_writes_its_log_and_tells_its_code(
    runtime: ConmonRuntime, image: Path, folder: Path
) -> None:
    with anyio.fail_after(30):
        await run(runtime, launch(image, folder, "sh", "-c", "echo out; echo err >&2; exit 7"))
        status = await runtime.exited(ID)
    assert (status.code, status.oom_killed, status.error) == (7, False, "")
    log = (folder / "log").read_text()
    assert "stdout F out" in log and "stderr F err" in log


def host_mounts(folder: Path) -> list[str]:
    """Those that have to do with the test: other programs mount at any time."""
    return [line for line in Path("/proc/self/mounts").read_text().splitlines() if f"{folder}/" in line]


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_nothing_of_a_deleted_container_stays(runtime: ConmonRuntime, image: Path, folder: Path) -> None:
    mounts = host_mounts(folder)
    pid = await run(runtime, launch(image, folder, "sleep", "1000"))
    assert host_mounts(folder) == mounts, "the root is mounted in the container's namespace alone"
    assert runtime.pid(ID) == pid and list(runtime.known()) == [ID]
    await runtime.delete(ID)
    assert not alive(pid)
    assert runtime.pid(ID) is None and not runtime.known()
    assert not any((root / "rorqual-test" / ID).exists() for root in cgroups.hierarchies().values())
    await runtime.delete(ID)


async def test_the_program_waits_for_its_start(runtime: ConmonRuntime, image: Path, folder: Path) -> None:
    await runtime.create(launch(image, folder, "sh", "-c", "echo begun"))
    await anyio.sleep(0.2)
    assert not runtime.begun(ID) and (folder / "log").read_text() == ""
    await runtime.start(ID)
    await runtime.exited(ID)
    assert "begun" in (folder / "log").read_text()


@pytest.mark.parametrize(("program", "code"), [("no-such-program", 127), ("/etc", 126), ("/etc/none", 127)])
async def test_what_cannot_be_run_is_told_with_its_exit_code(
    runtime: ConmonRuntime, image: Path, folder: Path, program: str, code: int
) -> None:
    with pytest.raises(NotStartable) as caught:
        await run(runtime, launch(image, folder, program))
    assert caught.value.code == code
    assert f'exec: "{program}"' in caught.value.message
    assert not runtime.known()


async def test_input_goes_in_and_its_end_arrives(runtime: ConmonRuntime, image: Path, folder: Path) -> None:
    await runtime.create(launch(image, folder, "sh", "-c", "cat; echo done >&2", stdin=True))
    joined = runtime.attach(ID)
    await runtime.start(ID)
    await joined.send(b"x" * 30_000 + b"\n")
    joined.send_eof()
    seen: dict[Stream, bytes] = {Stream.STDOUT: b"", Stream.STDERR: b""}
    with anyio.fail_after(30):
        while (frame := await joined.receive()) is not None:
            seen[frame.stream] += frame.data
    joined.close()
    assert (len(seen[Stream.STDOUT]), seen[Stream.STDERR]) == (30_001, b"done\n")


async def test_a_terminal_is_raw_and_can_be_resized(runtime: ConmonRuntime, image: Path, folder: Path) -> None:
    await runtime.create(launch(image, folder, "sh", "-c", "read x; stty size", terminal=True, stdin=True))
    joined = runtime.attach(ID)
    await runtime.start(ID)
    assert runtime.resize(ID, height=12, width=34)
    await joined.send(b"\n")
    seen = b""
    with anyio.fail_after(30):
        while (frame := await joined.receive()) is not None:
            seen += frame.data
    joined.close()
    assert b"12 34" in seen


async def test_execs_have_streams_codes_and_terminals(runtime: ConmonRuntime, image: Path, folder: Path) -> None:
    await run(runtime, launch(image, folder, "sleep", "1000"))
    process = spec_of("sh", "-c", "cat; echo bad >&2; exit 4")["process"]
    with anyio.fail_after(30):
        execution = await runtime.exec(ID, "e1", process, stdin=True)
        await execution.send(b"in\n")
        execution.send_eof()
        seen = {execution.readers[h]: frame.data for h in execution.readers if (frame := await execution.read(h))}
        assert await execution.wait() == 4
    execution.close()
    assert seen == {Stream.STDOUT: b"in\n", Stream.STDERR: b"bad\n"}
    with pytest.raises(NotStartable) as caught:
        await runtime.exec(ID, "e2", spec_of("nope")["process"], stdin=False)
    assert caught.value.code == 127


async def test_an_exec_without_input_is_not_handed_the_hosts_null_device(
    runtime: ConmonRuntime, image: Path, folder: Path
) -> None:
    """crun makes a process' streams its user's: with /dev/null for input, the host's own device changed its owner."""
    await run(runtime, launch(image, folder, "sleep", "1000"))
    with anyio.fail_after(30):
        execution = await runtime.exec(ID, "e1", spec_of("readlink", "/proc/self/fd/0")["process"], stdin=False)
        seen = {execution.readers[h]: frame.data for h in execution.readers if (frame := await execution.read(h))}
        assert await execution.wait() == 0
    execution.close()
    assert seen[Stream.STDOUT].startswith(b"pipe:")


async def test_an_execs_terminal_can_be_resized(runtime: ConmonRuntime, image: Path, folder: Path) -> None:
    await run(runtime, launch(image, folder, "sleep", "1000"))
    process = spec_of("sh", "-c", "read x; stty size; exit 3", terminal=True)["process"]
    with anyio.fail_after(30):
        execution = await runtime.exec(ID, "e1", process, stdin=True)
        execution.resize(height=33, width=44)
        await anyio.sleep(0.1)
        await execution.send(b"\n")
        seen = b""
        (handle,) = execution.readers
        while (frame := await execution.read(handle)) is not None:
            seen += frame.data
        assert await execution.wait() == 3
    execution.close()
    assert b"33 44" in seen


async def at_rest(log: Path) -> None:
    """Until nothing comes any more: conmon may still be writing what it read before the freeze."""
    while True:
        size = length(log)
        await anyio.sleep(0.3)
        if length(log) == size:
            return


def length(log: Path) -> int:
    return log.stat().st_size


async def test_frozen_processes_stand_still_and_limits_change_in_place(
    runtime: ConmonRuntime, image: Path, folder: Path
) -> None:
    await run(runtime, launch(image, folder, "sh", "-c", "while :; do echo x; sleep 0.01; done"))
    await runtime.freeze(ID, frozen=True)
    assert runtime.is_frozen(ID)
    with anyio.fail_after(20):
        await at_rest(folder / "log")
    await runtime.freeze(ID, frozen=False)
    await runtime.update(ID, {"pids": {"limit": 55}})
    place = cgroups.folder("pids", runtime.cgroup(ID))
    assert place is not None and (place / "pids.max").read_text().strip() == "55"


async def test_a_killed_monitor_costs_the_exit_code_and_nothing_else(
    runtime: ConmonRuntime, image: Path, folder: Path
) -> None:
    pid = await run(runtime, launch(image, folder, "sleep", "1000"))
    keeper = read_pid(runtime.bundle(ID) / "conmon.pid")
    assert keeper is not None and send_signal(keeper, 9)
    await ended(keeper)
    assert runtime.pid(ID) == pid
    assert runtime.signal(ID, 9)
    with anyio.fail_after(10):
        status = await runtime.exited(ID)
    assert status.code == 255 and "conmon" in status.error


async def test_a_second_runtime_object_knows_what_the_first_made(
    runtime: ConmonRuntime, image: Path, folder: Path
) -> None:
    pid = await run(runtime, launch(image, folder, "sh", "-c", "sleep 0.3; exit 5"))
    other = ConmonRuntime(folder / "run", folder / "seccomp", None)
    assert (other.pid(ID), other.begun(ID), list(other.known())) == (pid, True, [ID])
    with anyio.fail_after(10):
        assert (await other.exited(ID)).code == 5


async def test_the_seccomp_filter_holds_with_and_without_the_cache(
    runtime: ConmonRuntime, image: Path, folder: Path
) -> None:
    script = "grep Seccomp: /proc/self/status; unshare -n true 2>&1; unshare -U true 2>&1"
    for _ in range(2):
        (folder / "log").unlink(missing_ok=True)
        await run(runtime, launch(image, folder, "sh", "-c", script))
        await runtime.exited(ID)
        log = (folder / "log").read_text()
        assert "Seccomp:\t2" in log
        assert log.count("Operation not permitted") == 2
        await runtime.delete(ID)
    cached = list((folder / "seccomp").glob("[0-9a-f]*"))
    assert len(cached) == (1 if runtime.preferred.name == "crun" else 0)


async def test_a_container_that_takes_too_much_memory_is_told_as_such(
    runtime: ConmonRuntime, image: Path, folder: Path
) -> None:
    asked = launch(image, folder, "sh", "-c", "x=a; while :; do x=$x$x; done")
    asked.spec["linux"]["resources"]["memory"] = {"limit": 16 << 20}
    with anyio.fail_after(60):
        await run(runtime, asked)
        status = await runtime.exited(ID)
    assert (status.code, status.oom_killed) == (137, True)


def test_a_machine_without_conmon_says_what_to_install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    from engine.api.errors import Unavailable
    from engine.daemon.runtime import programs

    monkeypatch.setattr(programs, "PLACES", str(folder))
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    with pytest.raises(Unavailable, match="install the package conmon"):
        programs.find_conmon()
    with pytest.raises(Unavailable, match="install the package crun or runc"):
        programs.choose_runtime({})
