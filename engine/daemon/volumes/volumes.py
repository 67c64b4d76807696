"""Volumes of the local driver: folders with names, plain or mounted as their options say.

A record per volume, a folder `<name>/_data`; who holds a volume is recorded too, so that a daemon's death changes
nothing. Options `type`, `device`, `o` are mount(8)'s. Called by containers and the volumes' routes.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import anyio
from anyio import to_thread

from engine.api.errors import Conflict, InvalidArgument, NotFound, SystemFailure
from engine.api.volumes import VolumeCreate, VolumeInspect, VolumesPruned
from engine.daemon.matching import found_in, has_label
from engine.daemon.protocols import Events, Filters, Store
from engine.daemon.volumes.copying import fill_empty, size_of
from engine.daemon.volumes.mounting import is_mounted, mount_volume
from engine.kit.clock import Clock
from engine.kit.syscalls import unmount

KIND = "volume"
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", re.ASCII)
# What is being removed; no volume can be called so.
GONE = ".gone-"
ANONYMOUS = "com.docker.volume.anonymous"
OPTIONS = frozenset({"type", "device", "o", "size"})
LIST_FILTERS = frozenset({"dangling", "driver", "label", "label!", "name"})
PRUNE_FILTERS = frozenset({"all", "label", "label!"})


@dataclass(slots=True)
class Volume:
    name: str
    created: str
    labels: dict[str, str] | None
    options: dict[str, str] | None
    # the containers that hold it
    holders: list[str] = field(default_factory=list)

    @property
    def anonymous(self) -> bool:
        return ANONYMOUS in (self.labels or {})


class LocalVolumes:
    def __init__(self, root: Path, store: Store, events: Events, clock: Clock) -> None:
        self._root = root
        self._store = store
        self._events = events
        self._clock = clock
        root.mkdir(mode=0o701, parents=True, exist_ok=True)
        for aside in root.glob(f"{GONE}*"):
            shutil.rmtree(aside, ignore_errors=True)
        self._volumes = {name: Volume(**record) for name, record in store.list(KIND).items()}
        # One at a time may mount, fill or remove: a volume is small work but for the filling.
        self._lock = anyio.Lock()

    def _save(self, volume: Volume) -> None:
        self._store.put(KIND, volume.name, asdict(volume))

    def _find(self, name: str) -> Volume:
        try:
            return self._volumes[name]
        except KeyError:
            raise NotFound(f"get {name}: no such volume") from None

    def folder(self, name: str) -> Path:
        return self._root / name / "_data"

    # --- the API's verbs
    async def create(self, body: VolumeCreate) -> VolumeInspect:
        name, labels = body.get("Name") or "", dict(body.get("Labels") or {})
        if driver := body.get("Driver") or "":
            check_driver(driver)
        if not name:
            name, labels[ANONYMOUS] = secrets.token_hex(32), ""
        elif len(name) == 1:
            raise InvalidArgument(
                f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
            )
        elif not NAME.fullmatch(name) or len(name) > 255:
            raise InvalidArgument(
                f'create {name}: "{name}" includes invalid characters for a local volume name, only '
                '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
            )
        options = check_options(dict(body.get("DriverOpts") or {}))
        async with self._lock:
            if name in self._volumes:
                self._check_same(self._volumes[name], options)
                return self.shown(self._volumes[name])
            volume = Volume(name, self._now(), labels or None, options or None)
            try:
                # the folder may be left from a removal that a crash cut off
                self.folder(name).mkdir(mode=0o755, parents=True, exist_ok=True)
            except OSError as error:
                raise SystemFailure(f"create {name}: {error.strerror}") from error
            self._save(volume)
            self._volumes[name] = volume
        self._events.publish("volume", "create", name, {"driver": "local"})
        return self.shown(volume)

    def _now(self) -> str:
        return datetime.fromtimestamp(int(self._clock.now()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _check_same(self, volume: Volume, options: dict[str, str]) -> None:
        if options and options != (volume.options or {}):
            raise Conflict(f"create {volume.name}: there is a volume of that name with other options; remove it first")

    def get(self, name: str) -> VolumeInspect:
        return self.shown(self._find(name))

    def shown(self, volume: Volume, usage: int | None = None) -> VolumeInspect:
        found: VolumeInspect = {
            "CreatedAt": volume.created,
            "Driver": "local",
            "Labels": volume.labels,
            "Mountpoint": str(self.folder(volume.name)),
            "Name": volume.name,
            "Options": volume.options,
            "Scope": "local",
        }
        if usage is not None:
            found["UsageData"] = {"Size": usage, "RefCount": len(volume.holders)}
        return found

    # --- a check's
    def unrecorded(self) -> list[str]:
        recorded = self._store.list(KIND)
        return [name for name in self._volumes if name not in recorded]

    def record_again(self, name: str) -> None:
        if (volume := self._volumes.get(name)) is not None:
            self._save(volume)

    def without_folder(self) -> list[str]:
        return [name for name in self._volumes if not self.folder(name).is_dir()]

    def make_folder(self, name: str) -> None:
        if name in self._volumes:
            self.folder(name).mkdir(mode=0o755, parents=True, exist_ok=True)

    def strays(self) -> list[Path]:
        return [
            path for path in self._root.iterdir() if path.name not in self._volumes and not path.name.startswith(GONE)
        ]

    def held(self) -> list[tuple[str, str]]:
        """(volume, container)"""
        return [(volume.name, holder) for volume in self._volumes.values() for holder in volume.holders]

    def list(self, filters: Filters | None = None) -> list[VolumeInspect]:
        return [self.shown(volume) for volume in self._matching(filters or {})]

    async def usages(self) -> list[VolumeInspect]:  # type: ignore[valid-type]  # within the class, list is the call
        """All volumes with their sizes: for /system/df."""
        found = []
        for volume in list_of(self._volumes.values()):
            size = await to_thread.run_sync(size_of, self.folder(volume.name))
            found.append(self.shown(volume, size))
        return found

    def _matching(self, filters: Filters) -> Iterator[Volume]:
        dangling = filters.get("dangling")
        for volume in sorted(self._volumes.values(), key=lambda each: each.name):
            if (
                (not dangling or (not volume.holders) is boolean("dangling", dangling[0]))
                and (not filters.get("driver") or "local" in filters["driver"])
                and (not filters.get("name") or any(found_in(value, volume.name) for value in filters["name"]))
                and all(has_label(volume.labels, value) for value in filters.get("label", ()))
                and not any(has_label(volume.labels, value) for value in filters.get("label!", ()))
            ):
                yield volume

    async def remove(self, name: str, *, force: bool = False) -> None:
        async with self._lock:
            if name not in self._volumes and force:
                return
            await self._remove(self._find(name))

    async def _remove(self, volume: Volume) -> None:
        if volume.holders:
            raise Conflict(f"remove {volume.name}: volume is in use - [{', '.join(volume.holders)}]")
        folder = self.folder(volume.name)
        gone = folder.parent
        with anyio.CancelScope(shield=True):
            if is_mounted(folder):
                unmount(str(folder))
            self._store.delete(KIND, volume.name)
            del self._volumes[volume.name]
            # out of the way at once: a crash must not leave a part of it to the next volume of that name
            aside = self._root / f"{GONE}{secrets.token_hex(8)}"
            with suppress(FileNotFoundError):
                gone.rename(aside)
            await to_thread.run_sync(lambda: shutil.rmtree(aside, ignore_errors=True))
        self._events.publish("volume", "destroy", volume.name, {"driver": "local"})

    async def prune(self, filters: Filters | None = None, *, all: bool = False) -> VolumesPruned:
        """Those that nobody holds; without `all` anonymous ones only. Who gave a volume options wants to keep it."""
        removed, freed = [], 0
        async with self._lock:
            for volume in list_of(self._matching(filters or {})):
                if volume.holders or volume.options or not (all or volume.anonymous):
                    continue
                freed += await to_thread.run_sync(size_of, self.folder(volume.name))
                await self._remove(volume)
                removed.append(volume.name)
        self._events.publish("volume", "prune", "", {"reclaimed": str(freed)})
        return {"VolumesDeleted": removed, "SpaceReclaimed": freed}

    # --- what containers do with them
    async def acquire(self, name: str, container: str) -> Path:
        async with self._lock:
            volume = self._find(name)
            if container not in volume.holders:
                volume.holders.append(container)
                self._save(volume)
        self._events.publish("volume", "mount", name, {"driver": "local", "container": container})
        return await self.path_of(name)

    async def release(self, name: str, container: str) -> None:
        async with self._lock:
            volume = self._volumes.get(name)
            if volume is None or container not in volume.holders:
                return
            volume.holders.remove(container)
            self._save(volume)
            folder = self.folder(name)
            if volume.options and not volume.holders and is_mounted(folder):
                unmount(str(folder))
        self._events.publish("volume", "unmount", name, {"driver": "local", "container": container})

    def holders(self, name: str) -> tuple[str, ...]:
        return tuple(self._find(name).holders)

    async def path_of(self, name: str) -> Path:
        async with self._lock:
            volume = self._find(name)
            folder = self.folder(name)
            if volume.options and "device" in volume.options and not is_mounted(folder):
                await to_thread.run_sync(mount_volume, name, volume.options, folder)
            elif not folder.is_dir():
                raise SystemFailure(f"the folder of the volume {name} is gone: {folder}")
            return folder

    async def copy_up(self, name: str, root: Path, path: str) -> None:
        async with self._lock:
            await to_thread.run_sync(fill_empty, root, path, self.folder(name))


list_of = list


def check_driver(driver: str) -> None:
    if driver != "local":
        raise NotFound(f'plugin "{driver}" not found: this engine has the volume driver "local" only')


def check_options(options: dict[str, str]) -> dict[str, str]:
    """Raises InvalidArgument for what the local driver doesn't know or can't do."""
    for key in options:
        if key not in OPTIONS:
            raise InvalidArgument(f'invalid option: "{key}"; the local driver knows type, device and o')
    if "size" in options:
        raise InvalidArgument('invalid option: "size" needs a quota of the file system, which this engine does not set')
    if options and (not options.get("device") or not (options.get("type") or "bind" in options.get("o", ""))):
        missing = "device" if not options.get("device") else "type"
        raise InvalidArgument(f'missing required option: "{missing}"')
    return options


def boolean(name: str, value: str) -> bool:
    known = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}
    if value.lower() not in known:
        raise InvalidArgument(f"invalid filter '{name}={value}'")
    return known[value.lower()]
