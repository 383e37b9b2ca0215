"""Work on a whole fleet: in order, all of it, and others get their turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from custom_components.site_devices.slices import SLICE, in_slices


@pytest.fixture
async def take(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let only what the test says take time, in slices: a machine that is busy would make more of them."""
    taken = 0.0

    def take(slices: float) -> None:
        nonlocal taken
        taken += slices * SLICE

    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: taken)
    return take


async def test_all_come_in_order_and_the_loop_turns_after_each_slice(take: Callable[[float], None]) -> None:
    seen: list[int] = []
    turns: list[int] = []  # how many had come by each turn

    async def another() -> None:
        while True:
            await asyncio.sleep(0)
            turns.append(len(seen))

    beside = asyncio.create_task(another())
    await asyncio.sleep(0)
    async for item in in_slices(range(20)):
        seen.append(item)
        take(0.4)
    beside.cancel()
    assert seen == list(range(20))
    assert turns == [3, 6, 9, 12, 15, 18]


@pytest.mark.usefixtures("take")
async def test_what_is_done_within_a_slice_is_done_at_once() -> None:
    called: list[bool] = []
    asyncio.get_running_loop().call_soon(called.append, True)
    assert [item async for item in in_slices("abc")] == ["a", "b", "c"]
    assert not called
