"""A block with a watcher beside it, which may end it; what the block raises comes out as it is, in no group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio


@asynccontextmanager
async def beside(watch: Callable[[anyio.CancelScope], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """`watch` is given the block's scope, which it may cancel: the block is then left without a fault. It ends with the
    block.
    """
    fault: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch, tasks.cancel_scope)
        try:
            yield
        except Exception as error:
            fault = error
        tasks.cancel_scope.cancel()
    if fault is not None:
        raise fault
