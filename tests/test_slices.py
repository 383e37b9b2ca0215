"""Work on a whole fleet: in order, all of it, and others get their turn."""

from __future__ import annotations

import asyncio
import time

from custom_components.site_devices.deadlines import SLICE
from custom_components.site_devices.slices import in_slices


async def test_all_come_in_order_and_the_loop_turns_after_each_slice() -> None:
    turns: list[float] = []
    ended = False

    async def another() -> None:
        while not ended:
            turns.append(time.perf_counter())
            await asyncio.sleep(0)

    beside = asyncio.create_task(another())
    await asyncio.sleep(0)
    turns.clear()
    seen = []
    async for item in in_slices(range(20)):
        seen.append(item)
        time.sleep(SLICE / 4)  # noqa: ASYNC251  # work that holds the loop
    ended = True
    await beside
    assert seen == list(range(20))
    assert 2 <= len(turns) <= 8  # five slices, fewer and longer on a busy machine


async def test_what_is_done_within_a_slice_is_done_at_once() -> None:
    called: list[bool] = []
    asyncio.get_running_loop().call_soon(called.append, True)
    assert [item async for item in in_slices("abc")] == ["a", "b", "c"]
    assert not called
