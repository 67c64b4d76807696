"""One start of a process: mounts, account, spec, runtime, network, and the moment in which it begins.

Small files are read and written on the event loop: a thread would take longer than they do.

Invariant: on a fault nothing of the start stays but the words and the exit code in the record. The caller holds the
entry's lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import anyio.to_thread

from engine.api.errors import Conflict, InvalidArgument
from engine.daemon.containers.devices import nodes_below
from engine.daemon.containers.linking import link_environment
from engine.daemon.containers.phase import Phase
from engine.daemon.containers.record import Container
from engine.daemon.containers.rooms import Rooms
from engine.daemon.containers.shelf import Entry
from engine.daemon.containers.sources import find_account, find_sources, write_files
from engine.daemon.containers.spec import Situation, Source, make_spec
from engine.daemon.faults import fault_of
from engine.daemon.runtime.conmon import Launch
from engine.daemon.runtime.monitor import NotStartable
from engine.daemon.runtime.programs import find_init
from engine.oci.runtime_spec import RuntimeSpec

JOINING = {"pid": "PidMode", "ipc": "IpcMode", "network": "NetworkMode"}
NAMESPACE = {"pid": "pid", "ipc": "ipc", "network": "net"}


class Launching:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def launch(self, entry: Entry) -> None:
        """From a container at rest to a running process; the record is changed and saved.

        Raises NotStartable or InvalidArgument for what the configuration caused, SystemFailure for the rest.
        """
        container = entry.container
        try:
            await self._launch(entry)
        except Exception as fault:
            # of whatever kind: a start of the restart policy's must not end the daemon with a fault of the machine's
            error = fault_of(fault)
            code = error.code if isinstance(error, NotStartable) else 128
            container.error, container.exit_code = error.message, code
            self._let_down(entry)
            self._rooms.shelf.save(entry)
            if error is fault:
                raise
            raise error from fault

    async def _launch(self, entry: Entry) -> None:
        rooms, container = self._rooms, entry.container
        joined = self._joined(container)
        if "network" in joined:
            # Its name is in that network's names.
            other = rooms.shelf.get(container.network_mode.partition(":")[2]).container
            container.config["Hostname"] = other.config.get("Hostname") or ""
            container.config["Domainname"] = other.config.get("Domainname") or ""
        sources, parts = await find_sources(rooms, container)
        spec, cgroup = await self._spec(container, joined, sources)
        stdin = bool(container.config.get("OpenStdin"))
        launch = Launch(
            container.id,
            spec,
            rooms.snapshots.root_mount(container.id),
            cgroup,
            log=None if log_driver(container) == "none" else rooms.log_of(container.id),
            base=rooms.folder.parent / "base",
            stdin=stdin,
            # A terminal's input never ends by a client's leaving; other input does, where it was meant for one client.
            leave_stdin_open=stdin and (container.tty or not container.config.get("StdinOnce")),
            runtime=container.host.get("Runtime") or None,
            parts=parts,
        )
        try:
            pid = await rooms.runtime.create(launch)
            await self._join_networks(container, pid)
            self._hand_over(entry)
            self._note_running(entry, pid)
            await rooms.runtime.start(container.id)
        except BaseException:
            # first: where the machine can't clean up either, nobody must take it for running
            self._note_failed(entry)
            with anyio.CancelScope(shield=True):
                await rooms.networks.detach(container.id)
                await rooms.runtime.delete(container.id)
            raise
        rooms.tell(entry, "start")

    def _note_running(self, entry: Entry, pid: int) -> None:
        """Before the program begins: should the daemon die here, the next one finds a gate still shut."""
        container = entry.container
        container.phase, container.pid = Phase.RUNNING, pid
        container.started, container.exit_code, container.error = self._rooms.now(), 0, ""
        container.oom_killed = False
        self._rooms.shelf.save(entry)

    def _note_failed(self, entry: Entry) -> None:
        container = entry.container
        if container.phase is Phase.RUNNING:
            container.phase, container.pid = Phase.EXITED if container.finished else Phase.CREATED, 0

    async def _join_networks(self, container: Container, pid: int) -> None:
        rooms = self._rooms
        if container.network_mode.startswith("container:") or not container.endpoints:
            return
        attachment = rooms.attachment(container)
        if container.network_mode in ("host", "none"):
            return
        attached = await rooms.networks.attach(attachment, Path(f"/proc/{pid}/ns/net"))
        write_files(rooms.files_of(container.id), attached.files)

    def _hand_over(self, entry: Entry) -> None:
        """Give who attached before the start their streams, from the first byte."""
        waiting, entry.waiting = entry.waiting, []
        for give in waiting:
            give(self._rooms.runtime.attach(entry.id))

    def _let_down(self, entry: Entry) -> None:
        waiting, entry.waiting = entry.waiting, []
        for give in waiting:
            give(None)

    def _joined(self, container: Container) -> dict[str, str]:
        """Paths of other containers' namespaces. Raises Conflict for one that doesn't run."""
        made = {}
        for kind, key in JOINING.items():
            mode = str(container.host.get(key) or "")
            if not mode.startswith("container:"):
                continue
            other = self._rooms.shelf.get(mode.partition(":")[2])
            if not other.phase.alive:
                word = kind if kind == "network" else kind.upper()
                raise Conflict(f"cannot join {word} of a non running container: {other.id}")
            if kind == "ipc" and (other.container.host.get("IpcMode") or "") != "shareable":
                raise InvalidArgument(f"cannot join IPC of container {other.id}: its IPC mode is not shareable")
            made[kind] = f"/proc/{other.container.pid}/ns/{NAMESPACE[kind]}"
        return made

    async def _spec(
        self, container: Container, joined: Mapping[str, str], sources: Sequence[Source]
    ) -> tuple[RuntimeSpec, str]:
        rooms, host = self._rooms, container.host
        root = rooms.snapshots.root_mount(container.id)
        user = container.config.get("User") or ""
        added = list(host.get("GroupAdd") or [])
        account = find_account(root, user, added)
        privileged = bool(host.get("Privileged"))
        init = find_init() if host.get("Init") else None
        parent = (host.get("CgroupParent") or rooms.cgroup_parent).rstrip("/")
        situation = Situation(
            host=rooms.host,
            account=account,
            sources=sources,
            cgroup=f"{parent if parent.startswith('/') else '/' + parent}/{container.id}",
            hostname=container.config.get("Hostname") or "",
            files=self._files(container),
            joined=joined,
            init=init,
            shm=await self._shared_memory(container),
            linked=link_environment(container, rooms),
            host_devices=await anyio.to_thread.run_sync(nodes_below, Path("/dev"), "/dev") if privileged else (),
        )
        spec, _ = make_spec(container, situation)
        if (host.get("UTSMode") or "") != "host" and not situation.hostname:
            # Network mode host: the host's own name, in a namespace of its own.
            spec["hostname"] = host_name()
        return spec, situation.cgroup

    def _files(self, container: Container) -> dict[str, str]:
        """resolv.conf, hosts and hostname; those of the container whose network it joins, where it does."""
        rooms = self._rooms
        if container.network_mode.startswith("container:"):
            other = rooms.shelf.get(container.network_mode.partition(":")[2])
            folder = rooms.files_of(other.id)
            names = ("resolv.conf", "hosts", "hostname")
            return {name: str(folder / name) for name in names if (folder / name).exists()}
        contents: dict[str, bytes] = dict(rooms.networks.host_files(rooms.attachment(container)))
        name = container.config.get("Hostname") or host_name()
        contents["hostname"] = f"{name}\n".encode()
        return write_files(rooms.files_of(container.id), contents)

    async def _shared_memory(self, container: Container) -> str | None:
        """/dev/shm of the host, or one that other containers may join; None: one of its own."""
        mode, runtime = container.host.get("IpcMode") or "", self._rooms.runtime
        if mode == "host":
            return "/dev/shm"
        if mode.startswith("container:"):
            return str(runtime.shared_memory(self._rooms.shelf.get(mode.partition(":")[2]).id))
        if mode == "shareable":
            size = container.host.get("ShmSize") or 64 << 20
            return str(await anyio.to_thread.run_sync(runtime.make_shared_memory, container.id, size))
        return None


def host_name() -> str:
    return Path("/proc/sys/kernel/hostname").read_text().strip()


def log_driver(container: Container) -> str:
    return (container.host.get("LogConfig") or {}).get("Type") or "json-file"
