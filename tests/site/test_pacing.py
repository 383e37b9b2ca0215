"""When work is done: later, at most so often, and in slices after which others get their turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
import logging

import pytest

from custom_components.site_devices.site.pacing import SLICE, Cooldown, Guard, Slices, Timer, in_slices

from ..slow_motion import SlowMotion


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


class Queue:
    """Numbers that are taken one by one, each with what it does."""

    def __init__(self, *work: Callable[[], object]) -> None:
        self.work = list(work)
        self.done = 0
        self.steps = Slices(asyncio.get_running_loop(), self._step, Guard("count"))

    def _step(self) -> bool:
        if not self.work:
            return False
        self.done += 1
        self.work.pop(0)()
        return True

    async def done_by_turn(self) -> list[int]:
        """Return how many are done after each of the next turns."""
        done = []
        for _ in range(6):
            await asyncio.sleep(0)
            done.append(self.done)
        return done


def fail() -> None:
    raise RuntimeError("on purpose")


async def test_steps_run_from_the_next_turn_on_for_a_slice_at_once(take: Callable[[float], None]) -> None:
    queue = Queue(*[lambda: take(0.4)] * 8)
    queue.steps.async_start()
    queue.steps.async_start()
    assert queue.done == 0
    assert await queue.done_by_turn() == [3, 6, 8, 8, 8, 8]


async def test_steps_can_be_started_again_when_they_are_through() -> None:
    queue = Queue(lambda: None)
    for done in (1, 2):
        queue.steps.async_start()
        assert (await queue.done_by_turn())[0] == done
        queue.work.append(lambda: None)


async def test_what_is_added_by_a_step_is_done_as_well() -> None:
    queue = Queue(lambda: queue.work.append(lambda: None) or queue.steps.async_start())  # type: ignore[func-returns-value]
    queue.steps.async_start()
    assert (await queue.done_by_turn())[0] == 2


@pytest.mark.parametrize("failing", [{0}, {2}, {4}, {0, 1, 2, 3, 4}])
async def test_a_step_that_fails_stops_no_other_and_not_the_next_start(
    take: Callable[[float], None], caplog: pytest.LogCaptureFixture, failing: set[int]
) -> None:
    def work(number: int) -> None:
        take(0.6)
        if number in failing:
            fail()

    queue = Queue(*(lambda number=number: work(number) for number in range(5)))
    for done in ([2, 4, 5, 5, 5, 5], [6] * 6):
        queue.steps.async_start()
        assert await queue.done_by_turn() == done
        queue.work.append(fail)
    (record,) = caplog.records
    assert record.getMessage().startswith("Failed to count; ")
    assert record.exc_info
    assert record.exc_info[0] is RuntimeError


@pytest.mark.parametrize("from_within", [False, True])
async def test_no_step_runs_after_the_end(take: Callable[[float], None], from_within: bool) -> None:
    queue = Queue(lambda: take(1.1), lambda: take(1.1), lambda: take(1.1))
    queue.steps.async_stop()  # with none on its way
    if from_within:
        queue.work.insert(1, lambda: (take(1.1), queue.steps.async_stop()))  # type: ignore[func-returns-value]
    queue.steps.async_start()
    await asyncio.sleep(0)
    if from_within:
        await asyncio.sleep(0)
    else:
        queue.steps.async_stop()
    assert len(set(await queue.done_by_turn())) == 1
    assert queue.done == 1 + from_within
    queue.steps.async_start()
    assert (await queue.done_by_turn())[-1] == 3 + from_within


async def test_steps_that_are_stopped_and_started_again_run_one_slice_a_turn(take: Callable[[float], None]) -> None:
    queue = Queue(*[lambda: take(1.1)] * 4)
    queue.steps.async_start()
    queue.steps.async_stop()
    queue.steps.async_start()
    assert await queue.done_by_turn() == [1, 2, 3, 4, 4, 4]


async def test_a_task_that_is_cancelled_passes_the_guard(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(asyncio.CancelledError), Guard("wait"):
        raise asyncio.CancelledError
    with Guard("wait"):
        pass
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


# A timer, and what is done once in a while


@pytest.mark.parametrize(
    ("times", "called"),
    [
        ([], []),
        ([2], [2]),
        ([2, 5], [5]),
        ([5, 2], [2]),
        ([-1], [0]),
        ([2, None], []),
        ([None, 2], [2]),
        ([2, None, 3], [3]),
    ],
    ids=str,
)
def test_a_timer_calls_once_at_the_time_that_was_set_last(
    loop: SlowMotion, times: list[float | None], called: list[float]
) -> None:
    calls: list[float] = []
    timer = Timer(loop, lambda: calls.append(loop.now - 1000))
    for when in times:
        if when is None:
            timer.async_cancel()
        else:
            timer.async_set(1000 + when)
        assert timer.when == (None if when is None else 1000 + when)
    loop.run(10)
    assert calls == called
    assert timer.when is None


def test_a_timer_can_be_set_again_by_what_it_calls(loop: SlowMotion) -> None:
    calls: list[float] = []

    def call() -> None:
        assert timer.when is None
        calls.append(loop.now - 1000)
        timer.async_set(loop.now + 2)

    timer = Timer(loop, call)
    timer.async_set(1001)
    loop.run(6)
    assert calls == [1, 3, 5]


@pytest.mark.parametrize(
    ("requested", "done"),
    [
        ([0], [0]),
        ([0, 0, 0], [0]),
        ([0, 4], [0, 10]),
        ([0, 4, 7], [0, 10]),
        ([0, 4, 12], [0, 10, 20]),
        ([0, 10], [0, 10]),
        ([3, 25], [3, 25]),
    ],
    ids=str,
)
def test_what_has_a_cooldown_is_done_in_the_next_turn_or_when_that_is_over(
    loop: SlowMotion, requested: list[float], done: list[float]
) -> None:
    acted: list[float] = []
    cooldown = Cooldown(loop, 10.0, lambda: acted.append(loop.now - 1000))

    def request() -> None:
        before = list(acted)
        cooldown.async_request()
        assert acted == before

    for when in requested:
        loop.call_at(1000 + when, request)
    loop.run(50)
    assert acted == done


def test_what_has_a_cooldown_and_fails_is_done_again_after_it(loop: SlowMotion) -> None:
    acted: list[float] = []

    def fail_at_first() -> None:
        acted.append(loop.now - 1000)
        cooldown.async_request()
        if len(acted) == 1:
            fail()

    cooldown = Cooldown(loop, 10.0, fail_at_first)
    cooldown.async_request()
    loop.set_exception_handler(lambda _loop, _context: None)
    loop.run(25)
    assert acted == [0, 10, 20]


@pytest.mark.parametrize("done", [[], [0]])
def test_nothing_is_done_after_a_cooldown_is_stopped_whatever_is_requested(loop: SlowMotion, done: list[float]) -> None:
    acted: list[float] = []
    cooldown = Cooldown(loop, 10.0, lambda: acted.append(loop.now - 1000))
    if done:
        cooldown.async_request()
        loop.run()
    cooldown.async_request()
    cooldown.async_stop()
    cooldown.async_request()
    loop.run(50)
    assert acted == done
