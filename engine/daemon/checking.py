"""A check of the daemon's state: what has no record, records without their thing, damage; and the mending of it.

Each room contributes its findings (`<room>/check.py`). Clients work meanwhile, so what is only seen in passing (a
container half made) is not told: a finding is what two looks in a row both see.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import anyio
from anyio import to_thread

from engine.api.errors import EngineError


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` and `what` name the thing, `fault` says what is wrong with it in words.

    `remedy` is what `mend` does; without a `mend` it is what a person must do.
    """

    kind: str
    what: str
    fault: str
    remedy: str
    mend: Callable[[], Awaitable[object]] | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        return self.kind, self.what, self.fault


def in_thread(work: Callable[..., object], *arguments: object) -> Callable[[], Awaitable[object]]:
    """A mending that blocks."""
    return partial(to_thread.run_sync, partial(work, *arguments))


Source = Callable[[], Awaitable[list[Finding]]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong now; what was and no longer is; why a mending failed, by the finding's key."""

    findings: Sequence[Finding]
    mended: Sequence[Finding] = ()
    failures: dict[tuple[str, str, str], str] | None = None


class Check:
    """`sources` by the room's name. One check at a time."""

    def __init__(self, sources: dict[str, Source]) -> None:
        self._sources = sources
        self._turn = anyio.Lock()

    async def look(self) -> Verdict:
        async with self._turn:
            return Verdict(await self._twice_seen())

    async def mend(self) -> Verdict:
        """Mend what can be mended, and look again."""
        async with self._turn:
            before = await self._twice_seen()
            failures: dict[tuple[str, str, str], str] = {}
            for finding in before:
                if finding.mend is not None:
                    try:
                        await finding.mend()
                    except (EngineError, OSError) as error:
                        failures[finding.key] = str(error)
            after = await self._twice_seen()
            left = {finding.key for finding in after}
            return Verdict(after, [finding for finding in before if finding.key not in left], failures)

    async def _twice_seen(self) -> list[Finding]:
        first = await self._seen()
        if not first:
            return []
        again = {finding.key for finding in await self._seen()}
        return [finding for finding in first if finding.key in again]

    async def _seen(self) -> list[Finding]:
        found: list[Finding] = []
        for room, source in self._sources.items():
            try:
                found += await source()
            except (EngineError, OSError) as error:
                fault = f"can't be checked: {error}"
                found.append(Finding("check", room, fault, "set right what the words name, and check again"))
        return found
