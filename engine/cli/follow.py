"""The logs of a project's containers as one stream of lines: what was written so far in the order of its times, then
what comes; through restarts, new replicas and replaced containers. Used by `logs` and by attached `up`.
"""

from __future__ import annotations

import heapq
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from engine.api.errors import EngineError, NotFound
from engine.api.system import Event
from engine.cli.loglines import LineCutter, LogLine, Seen
from engine.cli.moments import for_query
from engine.client.session import EngineReader
from engine.client.streams import JsonLines
from engine.plan.lower.naming import NUMBER, ONEOFF, PROJECT, SERVICE

# How long the end of a container's output may take to come after its end.
DRAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Source:
    """A container whose lines these are; `label` is its name without the project's."""

    id: str
    label: str
    service: str
    number: int
    tty: bool


@dataclass(frozen=True, slots=True)
class LogOptions:
    """`tail` is a number of lines a container, or "all"; `since` and `until` are nanoseconds since the epoch."""

    tail: str = "all"
    since: int | None = None
    until: int | None = None
    index: int | None = None


Emit = Callable[[Source, LogLine], None]
# The container, its exit code, and whether the engine starts it again by itself.
OnExit = Callable[[Source, int, bool], None]


def ignore_exit(source: Source, code: int, restarting: bool) -> None:
    pass


@dataclass
class LogFollower:
    """All the containers' logs, being read. `seen` by container id outlives each reading of a log."""

    engine: EngineReader
    project_name: str
    services: Collection[str] | None
    emit: Emit
    options: LogOptions = LogOptions()
    on_exit: OnExit = ignore_exit
    warn: Callable[[str], None] = print
    found: Callable[[Source], None] = lambda source: None
    sources: dict[str, Source] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    started: dict[str, str] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    starts: dict[str, int] = field(default_factory=dict)
    # Of which start an end was heard: dockerd may tell of one twice.
    ends: dict[str, int] = field(default_factory=dict)
    active: set[str] = field(default_factory=set)
    changed: anyio.Event = field(default_factory=anyio.Event)
    linger_seconds: float = 0.0
    given_up: bool = False

    async def mark(self) -> None:
        """Remember where the logs end now: only what is written later will be given out."""
        await self.look()
        options, emit = self.options, self.emit
        self.options, self.emit = LogOptions(tail="0"), lambda source, line: None
        await self.history()
        self.options, self.emit = options, emit

    async def print_all(self) -> None:
        """What is there, and no more."""
        await self.look()
        await self.history()

    async def look(self) -> list[str]:
        """Find the containers; the ids of those that have run since the last look and run no more."""
        labels = [f"{PROJECT}={self.project_name}", f"{ONEOFF}=False"]
        before = dict(self.started)
        found = await self.engine.containers.list(all=True, filters={"label": labels})
        async with anyio.create_task_group() as tasks:
            for container in found:
                tasks.start_soon(self.find, container["Id"])
        return [id for id, time in self.started.items() if id not in self.running and before.get(id, "0001") < time]

    async def find(self, id: str) -> Source | None:
        """Take the container in, if it is one of those wanted and still there."""
        try:
            inspect = await self.engine.containers.inspect(id)
        except NotFound:
            self.running.discard(id)
            return None
        labels, state = inspect["Config"].get("Labels") or {}, inspect["State"]
        service, number = labels.get(SERVICE, ""), labels.get(NUMBER, "")
        source = Source(
            id,
            label_of(inspect["Name"].removeprefix("/"), self.project_name, service, number),
            service,
            int(number) if number.isdigit() else 0,
            bool(inspect["Config"].get("Tty")),
        )
        wanted = self.services is None or service in self.services
        if not wanted or (self.options.index and source.number != self.options.index) or labels.get(ONEOFF) == "True":
            return None
        self.sources[id] = source
        self.found(source)
        self.started[id] = state.get("StartedAt") or "0001"
        alive = state.get("Running") or state.get("Restarting") or state.get("Paused")
        (self.running.add if alive else self.running.discard)(id)
        return source

    async def history(self) -> None:
        """What is there already, of all containers in the order of the lines' times."""
        async with AsyncExitStack() as stack:
            readers = []
            for source in sorted(self.sources.values(), key=lambda s: (s.service, s.number)):
                reader = self.lines(source, follow=False)
                readers.append((source, await stack.enter_async_context(aclosing(reader))))
            heads: list[tuple[int, int, LogLine]] = []
            for position, (_, reader) in enumerate(readers):
                if (line := await anext(reader, None)) is not None:
                    heapq.heappush(heads, (line.time, position, line))
            while heads:
                _, position, line = heads[0]
                source, reader = readers[position]
                self.seen.setdefault(source.id, Seen()).add(line)
                if self.options.tail != "0":
                    self.emit(source, line)
                following = await anext(reader, None)
                if following is None:
                    heapq.heappop(heads)
                else:
                    heapq.heapreplace(heads, (following.time, position, following))
        if self.options.tail != "all":
            for seen in self.seen.values():
                seen.floor = seen.last

    async def lines(self, source: Source, *, follow: bool) -> AsyncGenerator[LogLine, None]:
        """The lines of one reading; a log that can't be read is said, and has none."""
        seen = self.seen.get(source.id)
        since = (seen.since if seen else None) or self.options.since
        # even for none, the last line is looked at: it tells where to read on from
        tail = "all" if follow else "1" if self.options.tail == "0" else self.options.tail
        until = self.options.until
        cutter = LineCutter(tty=source.tty)
        try:
            async with self.engine.containers.logs(
                source.id,
                follow=follow,
                since=for_query(since) if since else None,
                until=for_query(until) if until else None,
                timestamps=True,
                tail=tail,
                tty=source.tty,
            ) as frames:
                async for frame in frames:
                    for line in cutter.feed(frame):
                        yield line
                for line in cutter.rest():
                    yield line
        except NotFound:
            return
        except EngineError as error:
            self.warn(f"no logs of {source.label}: {error.message}")

    async def follow(self, linger_seconds: float, *, marked: bool = False) -> None:
        """Until nothing of it runs any more and nothing has started again for `linger_seconds`.

        `marked`: after `mark`, only what is new since; and who has ended meanwhile is said to have exited."""
        filters = {"label": [f"{PROJECT}={self.project_name}"], "type": "container"}
        async with self.engine.system.events(filters=filters) as events:
            ended = await self.look()
            if not marked:
                await self.history()
                ended = []
            async with anyio.create_task_group() as tasks:
                for source in self.sources.values():
                    self.begin(tasks, source)
                for id in ended:
                    tasks.start_soon(self.said_to_exit, id)
                tasks.start_soon(self.watch, events, tasks)
                self.linger_seconds = linger_seconds
                await self.until_idle()
                tasks.cancel_scope.cancel()

    def begin(self, tasks: TaskGroup, source: Source) -> None:
        self.starts[source.id] = self.starts.get(source.id, 0) + 1
        if source.id not in self.active:
            self.active.add(source.id)
            tasks.start_soon(self.read, source)

    async def read(self, source: Source) -> None:
        """Read to the log's end, and again where the container was started meanwhile."""
        try:
            while True:
                start = self.starts[source.id]
                fresh = self.seen.setdefault(source.id, Seen(floor=self.options.since or 0)).filter()
                async with aclosing(self.lines(source, follow=True)) as lines:
                    async for line in lines:
                        if fresh.is_new(line):
                            self.emit(source, line)
                if self.starts[source.id] == start:
                    return
        finally:
            self.active.discard(source.id)
            self.tell()

    async def watch(self, events: JsonLines[Event], tasks: TaskGroup) -> None:
        async for event in events:
            actor = event.get("Actor") or {}
            id, action = actor.get("ID", ""), event.get("Action")
            if action == "start":
                source = await self.find(id)
                if source is not None:
                    self.begin(tasks, source)
            elif action in {"die", "died"} and id in self.sources:
                code, start = (actor.get("Attributes") or {}).get("exitCode", "0"), self.starts.get(id, 0)
                if self.ends.get(id) != start:
                    self.ends[id] = start
                    tasks.start_soon(self.end, id, int(code), start)
            elif action == "destroy":
                self.running.discard(id)
            self.tell()
        # the engine ends the stream only when it goes itself
        self.running.clear()
        self.tell()

    async def end(self, id: str, code: int, start: int) -> None:
        """A container's process has ended: say so once its last words are out. The engine may restart it."""
        source = self.sources[id]
        await self.find(id)
        restarting = id in self.running
        await self.drained(id, start)
        self.on_exit(source, code, restarting)
        self.tell()

    async def said_to_exit(self, id: str) -> None:
        inspect = await self.engine.containers.inspect(id)
        await self.drained(id, self.starts.get(id, 0))
        self.on_exit(self.sources[id], inspect["State"].get("ExitCode", 0), False)

    async def drained(self, id: str, start: int) -> None:
        with anyio.move_on_after(DRAIN_SECONDS):
            while id in self.active and self.starts.get(id) == start:
                await self.changed.wait()

    def tell(self) -> None:
        changed, self.changed = self.changed, anyio.Event()
        changed.set()

    def give_up(self) -> None:
        """End `follow` though something is still being read."""
        self.given_up = True
        self.tell()

    async def until_idle(self) -> None:
        while not self.given_up:
            changed = self.changed
            if self.active or self.running:
                await changed.wait()
                continue
            with anyio.move_on_after(self.linger_seconds) as patience:
                await changed.wait()
            if patience.cancelled_caught:
                return


def label_of(name: str, project: str, service: str, number: str) -> str:
    """`shop-web-1` → `web-1`; a container with a name of its own keeps it. Compose's rule."""
    for separator in ("-", "_"):
        if name == separator.join((project, service, number)):
            return name[len(project) + 1 :]
    return name
