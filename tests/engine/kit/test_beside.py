"""A block and its watcher: which of them ends the other, and what comes out."""

from __future__ import annotations

import anyio
import pytest

from engine.kit.beside import beside

pytestmark = pytest.mark.anyio


async def sleeping(scope: anyio.CancelScope) -> None:
    await anyio.sleep_forever()


async def test_the_watcher_ends_with_the_block() -> None:
    done = False
    async with beside(sleeping):
        done = True
    assert done


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError):
        async with beside(sleeping):
            raise KeyError("x")


async def test_a_block_that_its_watcher_ends_is_left_without_a_fault() -> None:
    async def ending(scope: anyio.CancelScope) -> None:
        scope.cancel()

    reached = False
    async with beside(ending):
        await anyio.sleep_forever()
        reached = True
    assert not reached
