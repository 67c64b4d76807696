"""The Runtime: containers made by crun or runc, each held by a conmon of its own.

Invariant: what it knows of a container lies in its bundle, so a new daemon that finds the bundle knows the same.
Called by containers; never decides what a container should be.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from engine.api.errors import Conflict, NotFound, SystemFailure
from engine.daemon.protocols import RootMount
from engine.daemon.runtime import attachment, cgroups, execution, monitor
from engine.daemon.runtime.attachment import Attachment
from engine.daemon.runtime.execution import Execution
from engine.daemon.runtime.hall import in_hall
from engine.daemon.runtime.monitor import Exit, Monitored
from engine.daemon.runtime.parts import Part, lay, place_of
from engine.daemon.runtime.processes import ended, heeds, names, parent_of, read_pid, send_signal
from engine.daemon.runtime.programs import OciRuntime, choose_runtime, find_conmon, find_runtimes
from engine.daemon.runtime.seccomp import FilterCache
from engine.kit.overlay import mount_at
from engine.kit.syscalls import MS_NODEV, MS_NOEXEC, MS_NOSUID, mount, unmount
from engine.oci.runtime_spec import Process, Resources, RuntimeSpec

# Eight at a time gain nothing on two cores: the kernel takes cgroups and namespaces one by one.
STARTS_AT_ONCE = 4
NAME_LENGTH = 24  # of an id in a bundle's folder: a socket's path is short
COMMAND_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Launch:
    """A container to be made. `cgroup` is the path in every hierarchy; `log` None keeps no output."""

    id: str
    spec: RuntimeSpec
    root: RootMount
    cgroup: str
    log: Path | None
    # A folder of what every container's root must have, laid between the image and the container's own layer.
    base: Path
    stdin: bool = False
    leave_stdin_open: bool = False
    runtime: str | None = None
    parts: Sequence[Part] = ()


class ConmonRuntime:
    def __init__(self, run: Path, cache: Path, wanted: str | None = None, apart: Sequence[Path] = ()) -> None:
        """`apart`: the cgroups of the monitors (kit.apart)."""
        self.bundles = run / "c"
        self.state = run / "oci"
        self._execs = run / "x"
        self.memory = run / "shm"
        self.available: Mapping[str, OciRuntime] = find_runtimes()
        self.preferred = choose_runtime(self.available, wanted)
        self._conmon = find_conmon()
        self._apart = apart
        self._filters = FilterCache(cache)
        self._starts = anyio.Semaphore(STARTS_AT_ONCE)

    def open(self) -> None:
        """Make the folders; once, before any other call."""
        for folder in (self.bundles, self.state, self._execs):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        begun = {id[:NAME_LENGTH] for id in self.known()}
        for place in self.bundles.iterdir():
            if place.name not in begun:
                take_unbegun(place)

    def bundle(self, id: str) -> Path:
        return self.bundles / id[:NAME_LENGTH]

    def part_place(self, id: str, name: str) -> Path:
        """Where a part of that name will lie for the runtime."""
        return place_of(self.bundle(id), name)

    # --- from nothing to a process, and back --------------------------------------------------------------------
    async def create(self, launch: Launch) -> int:
        """Make the container up to the moment before its program; return its pid. On a fault nothing stays.

        Raises NotStartable for a program that can't be run.
        """
        runtime = choose_runtime(self.available, launch.runtime) if launch.runtime else self.preferred
        async with self._starts:
            try:
                return await in_hall(lambda: self._create(launch, runtime))
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await self.delete(launch.id)
                raise

    def _create(self, launch: Launch, runtime: OciRuntime) -> int:
        bundle = self.bundle(launch.id)
        if bundle.exists():
            self._delete(launch.id)
        (bundle / "rootfs").mkdir(parents=True)
        spec = self._filters.apply(launch.spec, runtime)
        (bundle / "config.json").write_text(json.dumps(spec))
        facts = {"id": launch.id, "cgroup": launch.cgroup, "runtime": runtime.name}
        (bundle / "facts.json").write_text(json.dumps(facts))
        root, base = launch.root, ready_base(launch.base)
        lower, short = (base, *root.lower), (str(base), *root.short)
        mount_at(bundle / "rootfs", lower, root.upper, root.work, folder=root.folder, short=short)
        for part in launch.parts:
            lay(part, bundle)
        terminal = spec["process"]["terminal"]
        asked = Monitored(launch.id, bundle, launch.log, terminal, launch.stdin, launch.leave_stdin_open)
        pid = monitor.launch(asked, self._conmon, runtime, self.state, spec["process"]["args"], self._apart)
        self._filters.keep(launch.spec, runtime, self.state / launch.id / "seccomp.bpf")
        return pid

    async def start(self, id: str) -> None:
        """Let the program begin."""
        fifo, name = self.state / id / "exec.fifo", self._runtime_of(id).name
        try:
            if name == "crun":
                open_gate(fifo)
            else:
                await anyio.to_thread.run_sync(wait_at_gate, fifo)
        except OSError:
            # Another version keeps its gate elsewhere: its own command knows.
            await in_hall(lambda: self._command(id, "start"))

    async def exited(self, id: str) -> Exit:
        """Wait for the end of a container that was created, and tell how it ended."""
        bundle = self.bundle(id)
        keeper, pid = read_pid(bundle / "conmon.pid"), read_pid(bundle / "pid")
        if keeper is not None and names(keeper, id):
            await ended(keeper)
        if (found := monitor.read_exit(bundle)) is not None:
            return found
        # The monitor was killed, and with it went the exit code; the process may live on.
        if pid is not None and self._is_first(id, pid):
            await ended(pid)
        error = "the container's monitor (conmon) was killed: its exit code is lost"
        return Exit(255, time.time(), (bundle / "oom").exists(), error)

    async def delete(self, id: str) -> None:
        """Take everything of the container away, killing what still runs. Idempotent."""
        if any(place.exists() for place in (self.bundle(id), self.state / id, self.shared_memory(id))):
            await anyio.to_thread.run_sync(self._delete, id)

    def _delete(self, id: str) -> None:
        bundle = self.bundle(id)
        facts = self._facts(id)
        pid = read_pid(bundle / "pid")
        if pid is not None and self._is_first(id, pid):
            send_signal(pid, 9)
        if facts is not None:
            with contextlib.suppress(OSError):
                cgroups.remove(facts["cgroup"])
        keeper = read_pid(bundle / "conmon.pid")
        deadline = time.monotonic() + 5
        while keeper is not None and names(keeper, id) and parent_of(keeper) is not None:
            if time.monotonic() > deadline:
                send_signal(keeper, 9)
                break
            time.sleep(0.002)
        if (memory := self.shared_memory(id)).is_dir():
            with contextlib.suppress(OSError):
                unmount(str(memory))
            memory.rmdir()
        shutil.rmtree(self.state / id, ignore_errors=True)
        shutil.rmtree(bundle, ignore_errors=True)

    def shared_memory(self, id: str) -> Path:
        """Where a /dev/shm lies that other containers may join."""
        return self.memory / id

    def make_shared_memory(self, id: str, size: int) -> Path:
        """On the host, since a mount can't be taken over from another mount namespace. `delete` takes it away."""
        folder = self.shared_memory(id)
        if not folder.is_dir():
            folder.mkdir(parents=True)
            mount("shm", str(folder), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, f"mode=1777,size={size}")
        return folder

    # --- what runs ----------------------------------------------------------------------------------------------
    def pid(self, id: str) -> int | None:
        """The pid of a container whose first process lives."""
        pid = read_pid(self.bundle(id) / "pid")
        return pid if pid is not None and self._is_first(id, pid) else None

    def begun(self, id: str) -> bool:
        """Whether its program was let begin: the gate goes with that."""
        return not (self.state / id / "exec.fifo").exists()

    def exit_of(self, id: str) -> Exit | None:
        return monitor.read_exit(self.bundle(id))

    def known(self) -> Collection[str]:
        """The ids of all bundles."""
        found = []
        for file in self.bundles.glob("*/facts.json"):
            with contextlib.suppress(OSError, ValueError):
                found.append(str(json.loads(file.read_text())["id"]))
        return found

    def _is_first(self, id: str, pid: int) -> bool:
        """Whether the pid is still that container's: it is its monitor's child, or, without one, in its cgroup."""
        parent = parent_of(pid)
        if parent is None:
            return False
        if parent == read_pid(self.bundle(id) / "conmon.pid"):
            return True
        facts = self._facts(id)
        return facts is not None and pid in cgroups.pids(facts["cgroup"])

    def signal(self, id: str, number: int) -> bool:
        """False when it doesn't run."""
        pid = self.pid(id)
        return pid is not None and send_signal(pid, number)

    def heeds(self, id: str, number: int) -> bool:
        """Whether its first process handles the signal, or awaits it: the kernel drops any other but SIGKILL."""
        pid = self.pid(id)
        return pid is None or heeds(pid, number)

    def cgroup(self, id: str) -> str:
        """Raises NotFound."""
        if (facts := self._facts(id)) is None:
            raise NotFound(f"the runtime has no container {id[:12]}")
        return facts["cgroup"]

    def _facts(self, id: str) -> dict[str, str] | None:
        try:
            facts: dict[str, str] = json.loads((self.bundle(id) / "facts.json").read_text())
        except (OSError, ValueError):
            return None
        return facts

    def _runtime_of(self, id: str) -> OciRuntime:
        facts = self._facts(id)
        return self.available.get(facts["runtime"], self.preferred) if facts is not None else self.preferred

    def is_frozen(self, id: str) -> bool:
        facts = self._facts(id)
        return facts is not None and cgroups.is_frozen(facts["cgroup"])

    async def freeze(self, id: str, *, frozen: bool) -> None:
        path = self.cgroup(id)
        try:
            await anyio.to_thread.run_sync(lambda: cgroups.freeze(path, frozen=frozen))
        except (OSError, TimeoutError) as error:
            raise SystemFailure(f"the container can't be {'paused' if frozen else 'unpaused'}: {error}") from error

    async def update(self, id: str, resources: Resources) -> None:
        """Change limits in place. Raises SystemFailure with the runtime's words."""
        file = self.bundle(id) / "resources.json"
        if resources.get("pids", {}).get("limit") == -1:
            # crun writes the number, which the kernel takes for none
            cgroups.lift_pids(self.cgroup(id))
            resources = {**resources}
            del resources["pids"]
        if not resources:
            return
        file.write_text(json.dumps(resources))
        await in_hall(lambda: self._command(id, "update", "--resources", str(file)))

    def _command(self, id: str, verb: str, *options: str) -> None:
        runtime = self._runtime_of(id)
        command = [runtime.path, "--root", str(self.state), verb, *options, id]
        try:
            done = subprocess.run(
                command, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_SECONDS
            )
        except subprocess.TimeoutExpired:
            raise SystemFailure(f"{runtime.name} {verb} did not end within {COMMAND_SECONDS:g} seconds") from None
        if done.returncode:
            raise SystemFailure(f"{runtime.name} {verb} failed: {monitor.plain(done.stderr.decode(errors='replace'))}")

    # --- streams ------------------------------------------------------------------------------------------------
    def attach(self, id: str) -> Attachment:
        """Raises Conflict when there is nothing to attach to any more."""
        try:
            return attachment.connect(self.bundle(id))
        except OSError:
            raise Conflict(f"container {id[:12]} has ended: there is nothing to attach to") from None

    def resize(self, id: str, *, height: int, width: int) -> bool:
        return monitor.control(self.bundle(id), f"1 {height} {width}")

    def reopen_log(self, id: str) -> bool:
        """After the log file was renamed: a new one of the old name is opened."""
        return monitor.control(self.bundle(id), "2 0 0")

    async def exec(self, id: str, exec_id: str, process: Process, *, stdin: bool) -> Execution:
        """Run one more process in it. Raises NotStartable."""
        runtime = self._runtime_of(id)
        folder = self._execs / exec_id[:NAME_LENGTH]

        def work() -> Execution:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "process.json").write_text(json.dumps(process))
            command = [runtime.path, "--root", str(self.state), "exec", "--process", str(folder / "process.json")]
            command += ["--pid-file", str(folder / "pid"), id]
            return execution.begin(command, folder, process, stdin=stdin, relayed=runtime.name == "runc")

        try:
            return await in_hall(work)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def ready_base(folder: Path) -> Path:
    """The mount points and files that the runtime needs in any image: made there, they are no change of a container's.

    As dockerd's own layer between image and container.
    """
    if not folder.is_dir():
        beside = folder.with_name(f".{folder.name}.{os.urandom(4).hex()}")
        for name in ("proc", "sys", "dev/pts", "dev/shm", "etc"):
            (beside / name).mkdir(parents=True)
        for name in ("etc/hosts", "etc/hostname", "etc/resolv.conf", "dev/console", ".dockerenv"):
            (beside / name).touch(0o644)
        (beside / "etc/mtab").symlink_to("/proc/mounts")
        with contextlib.suppress(OSError):  # another start was faster
            beside.rename(folder)
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def open_gate(fifo: Path) -> None:
    """What `crun start` comes down to: the container's side reads a byte. Raises OSError."""
    handle = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fifo.unlink()
        os.write(handle, b"0")
    finally:
        os.close(handle)


def wait_at_gate(fifo: Path) -> None:
    """What `runc start` comes down to: the container's side writes a byte. Blocks. Raises OSError."""
    handle = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        wait_for_byte(handle)
    finally:
        os.close(handle)
    fifo.unlink()


def wait_for_byte(handle: int) -> None:
    """Until the container's side has opened the fifo and written. Raises OSError after five seconds."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with contextlib.suppress(BlockingIOError):
            if os.read(handle, 1):
                return
        time.sleep(0.0005)
    raise TimeoutError("the container did not open its gate")


def take_unbegun(bundle: Path) -> None:
    """A bundle without facts: its daemon died before anything was mounted or ran there. One that is in use stays."""
    with contextlib.suppress(OSError):
        if (bundle / "rootfs").exists():
            # refused where something is mounted
            (bundle / "rootfs").rmdir()
        for name in ("config.json", "facts.json"):
            (bundle / name).unlink(missing_ok=True)
        bundle.rmdir()
