"""Going back to a release: restored from the ledger, converged under the lock, recorded as a release of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from engine.api.errors import EngineError, NotFound
from engine.cli.converge import Convergence, consent
from engine.cli.exitcodes import ERROR, ROLLED_BACK
from engine.cli.options import EngineOptions, LockOptions, ProjectOptions
from engine.cli.past import past
from engine.cli.turns import writing
from engine.client.session import Engine
from engine.ledger.release import Key, Release
from engine.plan.options import PlanOptions
from engine.plan.order import select
from engine.reconcile.contents import Sealer
from engine.reconcile.files import read_files
from engine.reconcile.outcome import Report
from engine.reconcile.restore import Restored, introduced_later, restore
from engine.reconcile.sealed import sealed_project
from specs.models import Project
from specs.source import SpecInvalid

if TYPE_CHECKING:
    from engine.ledger.store import Ledger


def target(ledger: Ledger, key: Key) -> int:
    """The last good release that left something standing before the newest one; after a `down`, the newest such.

    Raises NotFound where there is none.
    """
    history = ledger.history(key)
    if not history:
        raise NotFound(f"project {key.project} has no history on this engine: no release was recorded here")
    newest = history[0]
    found = ledger.last_good(key, before=newest.number)
    if found is None:
        raise NotFound(f"project {key.project} has no good release before release {newest.number} to return to")
    return found.number


class Return:
    """The way back to one release. `source` gives the project's values as its files have them now, by digest."""

    def __init__(self, client: Engine, ledger: Ledger, release: Release, engine: EngineOptions) -> None:
        self.ledger = ledger
        self.release = release
        project = Project(name=release.key.project, working_dir="")
        self.work = Convergence(client, project, engine_options=engine)
        self.options = PlanOptions()

    async def prepare(self, source: Callable[[Sealer], Mapping[str, bytes]]) -> None:
        """Raises Conflict, naming what can't be had any more; nothing has been changed then."""
        sealer = self.work.sealer
        restored: Restored = await restore(
            self.work.engine.reader, self.ledger, self.release, sealer, lambda: source(sealer)
        )
        for note in restored.notes:
            print(f"warning: {note}", file=sys.stderr)
        self.work.project, self.options = restored.project, restored.options
        self.work.separator = restored.options.separator

    async def converge(
        self, lock: LockOptions, keep: int, *, yes: bool, wait: bool, wait_seconds: float | None
    ) -> Report:
        """What came with later releases goes too; orphans that no release made stay."""
        work, options, later = self.work, self.options, self.later()
        async with writing(work, lock, kind="rollback", options=options, keep=keep, source=self.release):
            observed = introduced_later(await work.observe(), work.project, later)
            plan = work.plan(options, observed)
            consent(plan, yes=yes)
            if await work.take(plan, observed):
                observed = introduced_later(await work.observe(), work.project, later)
                plan = work.plan(options, observed)
                consent(plan, yes=yes)
            if plan.empty:
                print(f"project {work.project.name} is as release {self.release.number} left it", file=sys.stderr)
            report = await work.apply(plan)
            if report.ok and wait and not work.engine_options.dry_run:
                keys = select(work.project, options.services, deps=options.deps)
                report = await work.wait(keys, wait_seconds)
        return report

    def later(self) -> set[str]:
        """Services that releases after this one knew."""
        key, found = self.release.key, set[str]()
        for summary in self.ledger.history(key):
            if summary.number > self.release.number:
                found |= self.ledger.release(key, summary.number).intent.spec.get("services", {}).keys()
        return found


async def after_failure(
    failed: Convergence, lock: LockOptions, keep: int, *, yes: bool, wait_seconds: float | None
) -> int:
    """The exit code of an `up --rollback-on-failure` that failed: 3 where the last good release stands again."""
    with past() as ledger:
        key = Key((await failed.engine.capabilities()).engine_id, failed.project.name)
        try:
            release = ledger.release(key, target(ledger, key))
        except NotFound as nothing:
            print(f"rorqual: {nothing.message}", file=sys.stderr)
            return ERROR
        print(f"rorqual: that failed: rolling back to release {release.number}", file=sys.stderr)
        back = Return(failed.engine, ledger, release, failed.engine_options)
        await back.prepare(lambda sealer: values_of(failed.project, sealer))
        report = await back.converge(lock, keep, yes=yes, wait=True, wait_seconds=wait_seconds)
        return ROLLED_BACK if report.ok else ERROR


def source_values(options: ProjectOptions, sealer: Sealer) -> dict[str, bytes]:
    """Sensitive values of the project as its files say now, by digest; none where it can't be loaded."""
    # late: the source is read only where the ledger's key is gone
    from engine.cli.project import load_project

    try:
        loaded = load_project(options, quiet=True)
    except (SpecInvalid, EngineError, OSError):
        return {}
    return values_of(loaded.project, sealer) if loaded.project is not None else {}


def values_of(project: Project, sealer: Sealer) -> dict[str, bytes]:
    files = read_files(project, sealer).values()
    texts = [file.data.decode(errors="surrogateescape").strip() for file in files if file.sensitive]
    _, values = sealed_project(project, sealer, texts)
    return values | {file.content.digest: file.data for file in files}
