"""What only the engine and its registries can say about drift: tags that moved, and names that strangers took."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import anyio

from engine.api.errors import EngineError, NotFound
from engine.client.session import EngineReader
from engine.graph.address import Address
from engine.oci.reference import Reference
from engine.plan.diff.containers import diff_container
from engine.plan.diff.fields import fields_of
from engine.plan.drift import Drift, moved_tag, taken_name
from engine.plan.observed import Observed
from engine.plan.options import PlanOptions
from engine.plan.steps import CreateContainer, Plan
from engine.reconcile.observe import live_container

AT_ONCE = 8
# Registries are far away: what hasn't answered by then is not known.
SECONDS = 15.0

# (reference, digests under which the engine has it, its id there) → the digest that it stands for now, None where it is
# the same. Raises EngineError.
Moved: TypeAlias = Callable[[str, list[str], str], Awaitable[str | None]]


@dataclass
class Asking:
    """`moved` finds whether a tag stands for another image at its registry. `unknown` says of which references nothing
    could be found out, and why.
    """

    engine: EngineReader
    moved: Moved
    found: list[Drift] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    async def tags(self, wanted: Iterable[tuple[Address, str]], observed: Observed) -> None:
        """Compare what a registry holds under each tag with what the engine had from there."""
        by_reference: dict[str, list[Address]] = {}
        for address, reference in wanted:
            if known_digests(reference, observed):
                by_reference.setdefault(reference, []).append(address)
        limiter = anyio.CapacityLimiter(AT_ONCE)
        with anyio.move_on_after(SECONDS):
            async with anyio.create_task_group() as tasks:
                for reference, addresses in by_reference.items():
                    tasks.start_soon(self.tag, reference, addresses, observed, limiter)

    async def tag(
        self, reference: str, addresses: list[Address], observed: Observed, limiter: anyio.CapacityLimiter
    ) -> None:
        known, image = known_digests(reference, observed), observed.images.get(reference) or {}
        async with limiter:
            try:
                now = await self.moved(reference, known, str(image.get("Id") or ""))
            except EngineError as error:
                self.unknown.append(f"{reference}: {error.message}")
                return
        if now is not None:
            self.found += [moved_tag(address, reference, known[0], now) for address in addresses]

    async def names(self, plan: Plan, options: PlanOptions, observed: Observed) -> None:
        """Replicas that are missing because something that is no part of the project bears their names."""
        for step in plan.steps:
            if not isinstance(step.action, CreateContainer):
                continue
            desired = step.action.desired
            try:
                live = live_container(cast(dict[str, Any], await self.engine.containers.inspect(desired.name)))
                image = cast(dict[str, Any], await self.engine.images.inspect(live.inspect["Image"]))
            except NotFound:
                continue
            target = observed.images.get(desired.image)
            diff = diff_container(
                desired,
                live,
                defaults=fields_of(image.get("Config") or {}, {}),
                image_id=target["Id"] if target else None,
                capabilities=observed.capabilities,
                name_of=observed.name_of,
                seal=options.seal,
            )
            self.found += taken_name(step.address, desired.name, diff)


def known_digests(reference: str, observed: Observed) -> list[str]:
    """The digests under which the engine had an image from the reference's repository; none for one made here, or one
    that is pinned and so can't move.
    """
    try:
        wanted = Reference.parse(reference)
    except ValueError:
        return []
    digests = (observed.images.get(reference) or {}).get("RepoDigests") or []
    if wanted.digest is not None:
        return []
    found = []
    for text in digests:
        try:
            known = Reference.parse(text)
        except ValueError:
            continue
        if (known.domain, known.path) == (wanted.domain, wanted.path) and known.digest is not None:
            found.append(str(known.digest))
    return found
