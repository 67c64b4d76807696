"""The shelf: every container by id and name, in memory and in the store. A record is saved before a call answers.

`Entry` is a container and what only the living daemon knows of it. Nothing here acts on processes.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import anyio

from engine.api.errors import Conflict, InvalidArgument, NotFound
from engine.daemon.containers.names import made_name
from engine.daemon.containers.phase import Phase
from engine.daemon.containers.record import Container
from engine.daemon.protocols import Store
from engine.daemon.runtime.attachment import Attachment

KIND = "container"


class Signal:
    """Something that happens once, with a value for who waits."""

    def __init__(self) -> None:
        self._event = anyio.Event()
        self.value = 0

    def set(self, value: int = 0) -> None:
        self.value = value
        self._event.set()

    @property
    def happened(self) -> bool:
        return self._event.is_set()

    async def wait(self) -> int:
        await self._event.wait()
        return self.value


@dataclass(eq=False, slots=True)
class Entry:
    """`lock` is held by whoever changes the phase. The signals are of the next end: each end renews them."""

    container: Container
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    # The next end of the process.
    exited: Signal = field(default_factory=Signal)
    # The next time that it is not running: the end of the process, or of the wait for its restart.
    stopped: Signal = field(default_factory=Signal)
    # The end of everything about the process: its addresses, cgroups and bundle are gone.
    cleaned: Signal = field(default_factory=Signal)
    removed: Signal = field(default_factory=Signal)
    # Who attached before the start, and gets the streams from their first byte.
    waiting: list[Callable[[Attachment | None], None]] = field(default_factory=list)
    execs: dict[str, object] = field(default_factory=dict)
    # The restart policy's present pause, and its scope to cut it short.
    pause_seconds: float = 0.0
    pause: anyio.CancelScope | None = None
    probing: anyio.CancelScope | None = None

    def tell_exited(self, code: int) -> None:
        signal, self.exited = self.exited, Signal()
        signal.set(code)

    def tell_stopped(self, code: int) -> None:
        signal, self.stopped = self.stopped, Signal()
        signal.set(code)

    def tell_cleaned(self) -> None:
        signal, self.cleaned = self.cleaned, Signal()
        signal.set()

    @property
    def id(self) -> str:
        return self.container.id

    @property
    def phase(self) -> Phase:
        return self.container.phase


class Shelf:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._entries: dict[str, Entry] = {}
        self._names: dict[str, str] = {}

    def load(self) -> None:
        """Read the store; a record that is none is left out (the store keeps it aside)."""
        for record in self._store.list(KIND).values():
            try:
                container = Container.from_json(record)
            except (KeyError, TypeError, ValueError, AttributeError):
                continue
            self._entries[container.id] = Entry(container)
            self._names[container.name] = container.id

    def __iter__(self) -> Iterator[Entry]:
        """The newest first."""
        return iter(sorted(self._entries.values(), key=lambda entry: -entry.container.created))

    def __len__(self) -> int:
        return len(self._entries)

    def ids(self) -> set[str]:
        """Those that are being made too."""
        return {*self._entries, *self._names.values()}

    def reserve(self, name: str | None, id: str) -> str:
        """Take a name for a container that is being made. Raises Conflict."""
        if name is None:
            name = made_name(self._names.keys(), secrets.randbelow)
        if (holder := self._names.get(name)) is not None:
            raise Conflict(
                f'Conflict. The container name "/{name}" is already in use by container "{holder}". '
                "You have to remove (or rename) that container to be able to reuse that name."
            )
        self._names[name] = id
        return name

    def release(self, name: str, id: str) -> None:
        if self._names.get(name) == id:
            del self._names[name]

    def put(self, container: Container) -> Entry:
        """A new container, its name reserved before."""
        entry = Entry(container)
        self.save(entry)
        self._entries[container.id] = entry
        return entry

    def save(self, entry: Entry) -> None:
        self._store.put(KIND, entry.id, entry.container.to_json())

    def rename(self, entry: Entry, name: str) -> None:
        self.reserve(name, entry.id)
        self.release(entry.container.name, entry.id)
        entry.container.name = name
        self.save(entry)

    def drop(self, entry: Entry) -> None:
        self._store.delete(KIND, entry.id)
        self._entries.pop(entry.id, None)
        self.release(entry.container.name, entry.id)

    def find(self, word: str) -> Entry | None:
        """By whole id, name (with or without its slash) or the beginning of an id. Raises InvalidArgument for many."""
        if (entry := self._entries.get(word)) is not None:
            return entry
        if (id := self._names.get(word.removeprefix("/"))) is not None:
            return self._entries.get(id)
        if not word or not all(letter in "0123456789abcdef" for letter in word):
            return None
        found = [entry for id, entry in self._entries.items() if id.startswith(word)]
        if len(found) > 1:
            raise InvalidArgument(f"Multiple IDs found with provided prefix: {word}")
        return found[0] if found else None

    def get(self, word: str) -> Entry:
        """Raises NotFound."""
        if (entry := self.find(word)) is None:
            raise NotFound(f"No such container: {word}")
        return entry
