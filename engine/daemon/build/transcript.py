"""What a build tells its client: lines of JSON, one stage's words after the other's, though stages run side by side.

The stage whose turn it is speaks at once; a later one is kept, and waits when it has said much.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio

MOST_KEPT = 4 << 20
RED, PLAIN = "\x1b[91m", "\x1b[0m"

Send = Callable[[bytes], Awaitable[None]]


def line_of(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\r\n"


class Transcript:
    """`quiet`: nothing but the image's id is told, and of a failed build what would have been."""

    def __init__(self, send: Send, stages: Sequence[int], *, quiet: bool) -> None:
        self._send = send
        self._turns = list(stages)
        self._kept: dict[int, list[bytes]] = {number: [] for number in stages}
        self._sizes: dict[int, int] = dict.fromkeys(stages, 0)
        self._ended: set[int] = set()
        self._changed = anyio.Condition()
        self.quiet = quiet

    def voice(self, stage: int) -> Voice:
        return Voice(self, stage)

    async def tell(self, document: Any) -> None:
        """Outside of any stage: at the end."""
        await self._send(line_of(document))

    async def say(self, stage: int, document: Any) -> None:
        if self.quiet:
            return
        line = line_of(document)
        async with self._changed:
            while self._turns and self._turns[0] != stage and self._sizes[stage] > MOST_KEPT:
                await self._changed.wait()
            if self._turns and self._turns[0] == stage:
                await self._send(line)
            else:
                self._kept[stage].append(line)
                self._sizes[stage] += len(line)

    async def end(self, stage: int) -> None:
        """The stage has said all; those that waited for it have their turn."""
        async with self._changed:
            self._ended.add(stage)
            while self._turns and self._turns[0] in self._ended:
                self._turns.pop(0)
                if self._turns:
                    await self._flush(self._turns[0])
            self._changed.notify_all()

    async def _flush(self, stage: int) -> None:
        for line in self._kept[stage]:
            await self._send(line)
        self._kept[stage].clear()
        self._sizes[stage] = 0

    async def fail(self, stage: int | None) -> None:
        """What the stage that failed had said, and nobody heard yet."""
        if stage is not None and stage in self._turns and self._turns[0] != stage:
            await self._flush(stage)


class Voice:
    """One stage's."""

    def __init__(self, transcript: Transcript, stage: int) -> None:
        self._transcript = transcript
        self._stage = stage
        # A character may come in two pieces.
        self._decoders = {is_error: codecs.getincrementaldecoder("utf-8")("replace") for is_error in (False, True)}

    async def say(self, text: str) -> None:
        await self._transcript.say(self._stage, {"stream": text})

    async def show(self, document: Any) -> None:
        """A line as it is: a pull's progress."""
        await self._transcript.say(self._stage, document)

    async def hear(self, is_error: bool, piece: bytes) -> None:
        """What a command writes; errors in red, as Docker's clients look for them."""
        text = self._decoders[is_error].decode(piece)
        if text:
            await self.say(f"{RED}{text}{PLAIN}" if is_error else text)

    async def end(self) -> None:
        await self._transcript.end(self._stage)
