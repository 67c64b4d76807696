"""`rorqual lock`: the digest of each image's tag, kept beside the Compose file; and which tags have moved since."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

import anyio

from engine.api.errors import EngineError
from engine.cli.connection import connected
from engine.cli.digests import digest_now
from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.cli.project import load_project
from engine.client.session import Engine
from engine.kit.files import atomic_write
from engine.oci.reference import Reference
from engine.reconcile.drift import AT_ONCE, SECONDS
from engine.reconcile.pins import lock_document, lock_file, read_pins, tagged_images
from specs.models import Project
from specs.source import Diagnostic, Severity


@with_options(ProjectOptions, EngineOptions)
def lock(project: ProjectOptions, engine: EngineOptions) -> None:
    """Write the digests of the images' tags to compose.lock, which plan and up go by. Example: rorqual lock"""
    loaded = load_project(project, only_services=False).project
    assert loaded is not None  # load_project raises where there is none
    file = lock_file(loaded)

    async def run() -> dict[str, str]:
        async with connected(engine) as client:
            found, unknown = await digests_of(client, {reference for _, reference in tagged_images(loaded)})
        for name, error in sorted(unknown.items()):
            # half a lock is none: the file stays as it was
            raise type(error)(f"can't find the digest of {name}: {error.message}") from error
        return found

    found = anyio.run(run)
    for name, digest in sorted(found.items()):
        print(f"{name}: {digest}")
    if engine.dry_run:
        print(f"would write {os.path.relpath(file)}", file=sys.stderr)
        return
    atomic_write(file, lock_document(found))
    print(f"wrote {os.path.relpath(file)}", file=sys.stderr)


async def digests_of(engine: Engine, references: Iterable[Reference]) -> tuple[dict[str, str], dict[str, EngineError]]:
    """Whole reference → what its tag stands for now; and those of which it can't be found out, with the reason."""
    found: dict[str, str] = {}
    unknown: dict[str, EngineError] = {}
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def ask(reference: Reference) -> None:
        async with limiter:
            try:
                found[str(reference)] = await digest_now(engine, reference)
            except EngineError as error:
                unknown[str(reference)] = error

    async with anyio.create_task_group() as tasks:
        for reference in references:
            tasks.start_soon(ask, reference)
    return found, unknown


async def tags_moved(engine: Engine, project: Project) -> list[Diagnostic]:
    """A warning for each image whose tag stands for another digest than in the lock file, and for each that the file
    doesn't have. `project` is as its files have it. What can't be found out is said on stderr.
    """
    pins = read_pins(lock_file(project))
    if not pins:
        return []
    wanted = [(address, reference) for address, reference in tagged_images(project)]
    now: dict[str, str] = {}
    with anyio.move_on_after(SECONDS):
        now, unknown = await digests_of(engine, {reference for _, reference in wanted if str(reference) in pins})
        for name, error in sorted(unknown.items()):
            print(f"rorqual: whether a tag has moved is not known: {name}: {error.message}", file=sys.stderr)
    found = []
    for address, reference in dict.fromkeys(wanted):
        pin = pins.get(str(reference))
        if pin is None:
            text = f"{address}: {reference.familiar} is not in compose.lock"
            found.append(Diagnostic(Severity.WARNING, "not-locked", text, hint="`rorqual lock` adds it"))
        elif now.get(str(reference), pin) != pin:
            # an image of no entry is called as it is spelled
            of = "" if address.name == reference.familiar else f" of {reference.familiar}"
            text = f"{address}: tag{of} moved: {pin} → {now[str(reference)]}"
            found.append(Diagnostic(Severity.WARNING, "tag-moved", text, hint="`rorqual lock` takes the new one"))
    return found
