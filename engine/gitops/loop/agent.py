"""The agent: sources followed, projects looked at side by side, engines listened to; ended in order.

Nothing here decides what becomes of a project. One project's failure holds no other: each has its own turn and rest.
"""

from __future__ import annotations

import random
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
from anyio import to_thread
from anyio.abc import TaskGroup

from engine.client.errors import EngineError
from engine.gitops.loading import digest_of
from engine.gitops.loop.choice import choose, unmet_words
from engine.gitops.loop.desk import Desk
from engine.gitops.loop.following import Following
from engine.gitops.loop.keeping import Releases
from engine.gitops.loop.listening import listen
from engine.gitops.loop.look import Look
from engine.gitops.loop.prune import let_be, prune
from engine.gitops.loop.roster import Target
from engine.gitops.moments import opens_at
from engine.gitops.settings.models import EngineChoice, ProjectSettings, Settings, SourceSettings
from engine.gitops.sources.checkout import remove_all
from engine.gitops.sources.faults import SourceFault
from engine.gitops.sources.source import Source, make_source
from engine.gitops.sources.tree import Tree
from engine.gitops.state.project import ProjectState, Waiting
from engine.kit.keyed import KeyedQueue
from specs.source import SpecInvalid

JITTER = 0.1
# What a commit touched comes first; the rest is looked at right after it.
UNTOUCHED_SECONDS = 0.05
SURPRISED_SECONDS = 10.0


@dataclass
class Agent:
    settings: Settings
    desk: Desk
    queue: KeyedQueue[str] = field(init=False)
    followings: dict[str, Following] = field(default_factory=dict)
    scopes: dict[str, anyio.CancelScope] = field(default_factory=dict)
    declared_by: dict[str, str] = field(default_factory=dict)
    listened: set[EngineChoice] = field(default_factory=set)
    # Projects that a source was seen not to have any more.
    leaving: set[str] = field(default_factory=set)
    tasks: TaskGroup | None = None
    releases: Releases = field(init=False)
    # For the metrics: how many looks, and their time together.
    looks: int = 0
    look_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.queue = KeyedQueue(self.desk.clock)
        self.releases = Releases(self.desk.folder)

    async def run(self) -> None:
        """Until `stop` was called and all that was begun has ended."""
        desk = self.desk
        desk.states = desk.store.projects()
        followed = {settings.name for settings in self.settings.sources}
        for state in desk.states.values():
            if state.source not in followed:
                let_be(state)
        async with anyio.create_task_group() as tasks, anyio.create_task_group() as workers:
            self.tasks = tasks
            for settings in self.settings.sources:
                self.follow(settings)
            workers.start_soon(self.work, workers)
            await desk.stopping.wait()
            await self.queue.idle()
            workers.cancel_scope.cancel()
            tasks.cancel_scope.cancel()

    def stop(self) -> None:
        """Nothing new is begun; steps in flight are finished."""
        self.desk.stopping.set()

    def follow(self, settings: SourceSettings) -> None:
        following = Following(make_source(settings, self.desk.places), self.desk.bus, self.desk.clock, self.adopt)
        self.followings[settings.name] = following
        self.scopes[settings.name] = scope = anyio.CancelScope()

        async def run() -> None:
            with scope:
                await following.run()

        assert self.tasks is not None  # only a running agent follows
        self.tasks.start_soon(run)

    async def adopt(self, source: Source, tree: Tree) -> None:
        """A new revision of a source: its projects are the roster's, and each is looked at. Raises SpecInvalid."""
        name = source.settings.name
        declared = tree.declared(self.settings.defaults)
        projects = tree.projects()
        if (
            not projects
            and not tree.source.more
            and any(s.source == name and s.owned for s in self.desk.states.values())
        ):
            raise SourceFault(
                f"{tree.revision[:12]} has no project at all: that is more likely a slip than meant, and "
                "nothing is removed for it"
            )
        targets = [Target(project, source, tree, revision_of(project, tree)) for project in projects]
        for key in self.desk.roster.update(name, targets):
            self.desk.bus.tell(
                "source-failed", key, tree.revision, f'source {name}: another source has "{key}" already'
            )
        self.follow_declared(name, declared)
        for key in self.desk.roster.of_source(name):
            self.aim(self.desk.roster.targets[key])
        self.drop(name)
        self.tidy(source)

    def aim(self, target: Target) -> None:
        """Note what a project is to become, and have it looked at."""
        state, policy = self.desk.state_of(target), target.settings.policy
        if state.target != target.revision:
            state.target = target.revision
            state.failures = state.unsettled = 0
            state.told = ""
        state.source, state.removed = target.source.settings.name, False
        self.leaving.discard(target.key)
        if state.suspend_said != policy.suspend:
            # settings that change are a word; what was said since by hand counts until they do
            state.suspended = state.suspend_said = policy.suspend
        named = any(target.key == each.key for each in target.source.settings.projects)
        state.named = named and state.source not in self.declared_by
        state.host, state.context, state.prune = policy.engine.host, policy.engine.context, policy.prune
        self.listen(policy.engine)
        touched = target.tree.touches(target.settings)
        self.queue.add(target.key, delay_seconds=0.0 if touched else UNTOUCHED_SECONDS)

    def drop(self, source: str) -> None:
        """Look at the projects that the source no longer has: they are pruned, but for those that only the settings
        have no more.
        """
        for key, state in self.desk.states.items():
            if state.source == source and key not in self.desk.roster.targets:
                if not state.named:
                    self.leaving.add(key)
                self.queue.add(key)

    def follow_declared(self, parent: str, declared: Iterable[SourceSettings]) -> None:
        wanted = {settings.name: settings for settings in declared}
        for name, settings in wanted.items():
            known = self.followings.get(name)
            if known is not None and self.declared_by.get(name) != parent:
                self.desk.bus.tell(
                    "source-failed", "", "", f'source {parent} declares "{name}", which is there already'
                )
            elif known is None or known.source.settings != settings:
                self.unfollow(name)
                self.declared_by[name] = parent
                self.follow(settings)
        for name in [n for n, p in self.declared_by.items() if p == parent and n not in wanted]:
            self.unfollow(name)
            self.desk.roster.update(name, ())
            self.drop(name)

    def unfollow(self, name: str) -> None:
        self.followings.pop(name, None)
        self.declared_by.pop(name, None)
        if (scope := self.scopes.pop(name, None)) is not None:
            scope.cancel()

    def listen(self, choice: EngineChoice) -> None:
        if choice not in self.listened and self.tasks is not None:
            self.listened.add(choice)
            self.tasks.start_soon(listen, self.desk, choice, self.queue)

    async def work(self, workers: TaskGroup) -> None:
        """At most `parallel` at a time: who only waits for health counts no more (Desk.aside)."""
        while True:
            # none is kept while there is nothing to do: who comes back from waiting may want it
            async with self.desk.slots:
                pass
            key = await self.queue.take()
            workers.start_soon(self.attend, key)
            # it asks for its slot before the next key is looked for
            await anyio.lowlevel.checkpoint()

    async def attend(self, key: str) -> None:
        try:
            async with self.desk.slots:
                if not self.desk.stopping.is_set():
                    await self.turn(key)
        finally:
            self.queue.done(key)

    async def turn(self, key: str) -> None:
        """Look at one project, keep what became of it, and say when to look again."""
        target, state = self.desk.roster.targets.get(key), self.desk.states.get(key)
        if state is None:
            return
        if target is None and key not in self.leaving:
            # nobody has seen it leave its repository: its source wasn't read yet, or is read no more
            if state.named or state.source not in self.followings:
                let_be(state)
                self.desk.store.save(state)
            return
        self.looks += 1
        begin = self.desk.clock.monotonic()
        try:
            rest = await (self.look(target, state) if target else prune(self.desk, state))
            if key in self.desk.states and self.desk.store.save(state):
                self.wake_followers(key)
        except Exception as error:
            # whatever is wrong with one project (or with us) must not hold the others
            rest = self.surprised(state, error)
        self.look_seconds += self.desk.clock.monotonic() - begin
        if rest is not None:
            self.queue.add(key, delay_seconds=rest * (1 + random.uniform(0, JITTER)))

    def surprised(self, state: ProjectState, error: Exception) -> float:
        """A fault that no rule foresaw, or a state that can't be written: told, and tried again."""
        said = error.message if isinstance(error, EngineError) else f"internal error: {error!r}"
        told = self.desk.redacted(state.key, said)
        if not isinstance(error, EngineError | OSError):
            print(self.desk.redacted(state.key, "".join(traceback.format_exception(error))), file=sys.stderr)
        if state.reason != told:
            self.desk.tell(state, "failed", told)
        state.waiting, state.reason = Waiting.RETRY, told
        return SURPRISED_SECONDS

    async def look(self, target: Target, state: ProjectState) -> float:
        policy = target.settings.policy
        now = self.desk.clock.now()
        opens = opens_at(policy.windows, now)
        # a folder keeps nothing to go back to: what it was is where the ledger has it
        wanted = policy.rollback or state.rolled_back == state.target
        back = wanted and (target.tree.checkout is not None or state.healthy in state.releases)
        if state.unread == state.target in state.held and await self.readable(target):
            state.held.pop(state.target)
        choice = choose(state, rollback=back, opens_at=opens, unmet=self.unmet(target))
        rest = await Look(self.desk, target, state, choice).run()
        if state.waiting is Waiting.WINDOW and opens is not None:
            rest = min(rest, max(1.0, opens - now))
        return rest

    async def readable(self, target: Target) -> bool:
        try:
            await self.desk.ready(target, target.revision)
        except (SpecInvalid, EngineError):
            return False
        return True

    def unmet(self, target: Target) -> tuple[str, ...]:
        """The projects that this one comes after and that don't stand as their source has them."""
        wanted = target.settings.policy.after
        # found by a pattern with one policy for all, a project may be named in its own
        words = (unmet_words(key, self.desk.states.get(key)) for key in wanted if key != target.key)
        return tuple(filter(None, words))

    def wake_followers(self, key: str) -> None:
        """Whoever comes after a project may go on now."""
        for other, target in self.desk.roster.targets.items():
            if key in target.settings.policy.after:
                self.queue.add(other)

    def tidy(self, source: Source) -> None:
        """Let go of checkouts and objects that no project uses, while none of the source's is at work."""
        if self.queue.busy or self.desk.loading:
            return
        states = [s for s in self.desk.states.values() if s.source == source.settings.name]
        doomed = source.keep({r for s in states for r in (s.target, s.synced, s.healthy, s.before) if r})
        used = {id for s in self.desk.states.values() for ids in s.uses.values() for id in ids}
        used |= {id for _, _, ready in self.desk.loaded.values() for id in ready.objects}
        objects = self.desk.places.objects
        if objects.ids() - used:
            kept = self.releases.objects(self.desk.states.values(), objects.folder)
            if kept is not None:
                doomed += objects.keep(used | kept)
        if doomed and self.tasks is not None:
            self.tasks.start_soon(to_thread.run_sync, remove_all, doomed)


def revision_of(project: ProjectSettings, tree: Tree) -> str:
    return tree.revision if tree.checkout is not None else digest_of(project, tree.folder)
