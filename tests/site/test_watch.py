"""Watch: the one timer of a site, in an event loop whose clock moves only when the test lets it."""

from __future__ import annotations

import asyncio
from itertools import pairwise
import time

import pytest

from custom_components.site_devices.site.pacing import SLICE

from .. import until
from ..slow_motion import OFFLINE_AFTER, Clockwork, SlowMotion, at, without_echo

QUIET_TURNS = 50  # after them, what had arrived has been read


# When


def test_a_device_is_offline_at_its_deadline(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A")
    loop.run(29.99)
    assert not site.offline
    loop.run(0.02)
    assert site.offline == {"A": at(30)}


def test_each_heartbeat_gives_a_full_deadline(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A", "B")
    loop.run(20)
    site.beat("A")
    loop.run(20)
    assert site.offline == {"B": at(30)}
    loop.run(20)
    assert site.offline == {"B": at(30), "A": at(50)}


def test_one_timer_serves_all_and_stands_at_the_oldest(loop: SlowMotion, site: Clockwork) -> None:
    for number in range(500):
        loop.run(0.01)
        site.beat(str(number))
    assert loop.timers() == [at(1000.01 + OFFLINE_AFTER)]


def test_a_heartbeat_leaves_the_timer_alone(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A", "B")
    armed = loop.timers()
    loop.run(10)
    site.beat("A", "B")
    assert loop.timers() == armed


def test_without_anybody_online_nothing_is_armed(loop: SlowMotion, site: Clockwork) -> None:
    site.watch.async_arm()
    assert loop.timers() == []
    site.beat("A")
    loop.run(40)
    assert site.offline
    assert loop.timers() == []
    site.echo()
    assert loop.timers() == []
    assert not loop._ready


def test_a_shorter_deadline_of_a_newcomer_goes_first(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A", "B")
    loop.run(40)
    site.fleet.set_offline_after(["gateway/B"], 5)
    site.offline.clear()
    site.beat("A")
    site.beat("B")
    assert loop.timers() == [at(1045)]
    loop.run(6)
    assert site.offline == {"B": at(45)}
    assert loop.timers() == [at(1070)]


def test_a_longer_deadline_of_a_newcomer_waits(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A")
    loop.run(10)
    site.beat("B")
    assert loop.timers() == [at(1030)]


def test_who_was_never_heard_again_after_a_pause_gets_one_full_deadline(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A")
    loop.run(29)
    site.watch.async_pause(loop.time())
    assert loop.timers() == []
    loop.run(1000)
    assert not site.offline
    site.watch.async_resume(loop.time())
    loop.run(100)
    assert site.offline == {"A": at(1029 + OFFLINE_AFTER)}


def test_who_comes_after_a_pause_that_nobody_outlived_gets_a_timer(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A")
    site.watch.async_pause(loop.time())
    site.fleet.remove("gateway/A")
    loop.run(10)
    site.watch.async_resume(loop.time())
    site.beat("B")
    loop.run(100)
    assert site.offline == {"B": at(40)}


# Many at once


def test_many_that_are_due_at_once_flip_in_slices(loop: SlowMotion, site: Clockwork) -> None:
    flipped_by_turn: list[int] = []

    def watch() -> None:
        flipped_by_turn.append(len(site.offline))
        if len(site.offline) < 100:
            loop.call_soon(watch)

    site.flips_take(0.001)
    site.beat(*map(str, range(100)))
    loop.run(29.99)
    loop.call_later(0.01, watch)
    loop.run(0.02)
    assert len(site.offline) == 100
    in_one_turn = [after - before for before, after in pairwise(flipped_by_turn)]
    assert max(in_one_turn) == pytest.approx(SLICE / 0.001, abs=1)
    assert max(site.offline.values()) == pytest.approx(30.1, abs=0.01)  # nothing is waited for in between


def test_who_is_heard_between_two_slices_stays_online(loop: SlowMotion, site: Clockwork) -> None:
    site.flips_take(SLICE, after=1, then=lambda: site.beat("C"))
    site.beat("A", "B", "C", "D")
    loop.run(31)
    assert list(site.offline) == ["A", "B", "D"]
    loop.run(30)
    assert site.offline["C"] == pytest.approx(60, abs=0.02)


def test_a_pause_between_two_slices_keeps_the_rest_online(loop: SlowMotion, site: Clockwork) -> None:
    site.flips_take(SLICE, after=2, then=lambda: site.watch.async_pause(loop.time()))
    site.beat("A", "B", "C", "D")
    loop.run(100)
    assert list(site.offline) == ["A", "B"]
    assert loop.timers() == []


def test_who_comes_while_others_flip_arms_no_second_timer(loop: SlowMotion, site: Clockwork) -> None:
    def one_takes_a_whole_slice() -> None:
        loop.now += SLICE
        site.beat(f"new {len(site.offline)}")
        armed.append(loop.timers())

    armed: list[list[float]] = []
    site.when_one_flips = one_takes_a_whole_slice
    site.beat("A", "B", "C")
    loop.run(31)
    assert list(site.offline) == ["A", "B", "C"]
    assert armed == [[], [], []]
    assert loop.timers() == [at(1060 + SLICE)]


# Whatever fails


def test_a_failure_before_anybody_is_offline_is_logged_once_and_tried_again(
    loop: SlowMotion, proven: Clockwork, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_number: int) -> None:
        raise KeyError

    send, proven.watch._send_echo = proven.watch._send_echo, fail
    loop.run(25)
    proven.watch._send_echo, proven.answered_after = send, 0.0
    loop.run(20)
    assert proven.offline == {"A": at(30)}
    assert len(caplog.records) == 1


def test_a_failure_is_logged_once_and_the_timer_goes_on(
    loop: SlowMotion, site: Clockwork, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise KeyError

    site.when_one_flips = fail
    site.beat("A", "B", "C")
    loop.run(10)
    site.beat("D")
    loop.run(31)
    assert site.offline == {"A": at(30), "B": at(31), "C": at(32), "D": at(40)}
    assert len(caplog.records) == 1


def test_a_timer_that_stands_still_is_started_again_and_that_is_said_once(
    loop: SlowMotion, site: Clockwork, caplog: pytest.LogCaptureFixture
) -> None:
    for began in (0, 100):
        site.beat("A")
        site.watch._cancel()  # as nothing should
        for seconds in (20, 14.9):
            loop.run(seconds)
            site.watch.async_check()
            loop.run()
            assert not site.offline
        loop.run(0.2)
        site.watch.async_check()
        loop.run()
        assert site.offline.pop("A") == at(began + 35.1)
        loop.run(64.9)
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("stands_in", "offline"), [(10, 36), (4.9, 40.9)])
def test_a_timer_that_stands_too_late_is_started_again_as_well(
    loop: SlowMotion, site: Clockwork, stands_in: float, offline: float
) -> None:
    site.beat("A")
    site.watch._cancel()
    loop.run(36)
    site.watch._wake_at(loop.time() + stands_in, loop.time() + stands_in)  # as nothing should
    site.watch.async_check()
    loop.run(20)
    assert site.offline == {"A": at(offline)}


def test_what_may_put_a_deadline_off_is_no_standstill(
    loop: SlowMotion, proven: Clockwork, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(14):
        loop.run(10)
        proven.watch.async_check()
    assert not proven.offline
    assert not caplog.records


def test_flips_that_take_long_are_no_standstill(
    loop: SlowMotion, site: Clockwork, caplog: pytest.LogCaptureFixture
) -> None:
    def slow() -> None:
        loop.now += 1
        site.watch.async_check()

    site.when_one_flips = slow
    site.beat(*"ABCDEFGHIJ")
    loop.run(60)
    assert len(site.offline) == 10
    assert not caplog.records


def test_a_late_timer_is_noticed_by_whatever_arms_it_again(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A")
    loop.run(29)
    loop.now += 5
    site.watch.async_arm()  # before the loop comes to its timer
    loop.run(40)
    assert site.offline == {"A": at(64)}


def test_short_deadlines_wait_for_the_line_as_well(loop: SlowMotion) -> None:
    site = Clockwork(loop, offline_after=5)
    site.beat("A")
    site.echo()
    first = site.number + 1
    loop.run(60)
    assert not site.offline
    site.answered_after = 0.0
    site.echo(first)
    site.beat("A")
    loop.run(10)
    assert site.offline == {"A": at(65)}


def test_there_is_one_timer_while_an_answer_is_waited_for(loop: SlowMotion, proven: Clockwork) -> None:
    for _ in range(50):
        loop.run(1)
        assert len(loop.timers()) == 1
    proven.watch.async_stop()
    assert loop.timers() == []


def test_an_echo_while_others_flip_disturbs_nobody(loop: SlowMotion, site: Clockwork) -> None:
    site.when_one_flips = site.echo
    site.beat("A", "B")
    loop.run(40)
    assert site.offline == {"A": at(30), "B": at(30)}


def test_an_echo_while_others_flip_does_not_let_them_flip_after_the_end(loop: SlowMotion, site: Clockwork) -> None:
    def one_takes_a_whole_slice() -> None:
        loop.now += SLICE
        site.echo()
        loop.call_soon(site.watch.async_stop)

    site.when_one_flips = one_takes_a_whole_slice
    site.beat("A", "B", "C")
    loop.run(100)
    assert list(site.offline) == ["A"]


# The end


def test_a_stopped_timer_wakes_no_more(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A")
    site.watch.async_stop()
    assert loop.timers() == []
    loop.run(100)
    assert not site.offline


def test_stopped_right_after_the_timer_it_flips_nobody(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A")
    loop.call_later(OFFLINE_AFTER, site.watch.async_stop)  # comes second in the turn of the timer
    loop.run(100)
    assert not site.offline


@pytest.mark.parametrize("turn", [1, QUIET_TURNS])
def test_stopped_in_the_turns_before_a_flip_it_flips_nobody(loop: SlowMotion, site: Clockwork, turn: int) -> None:
    site.beat("A")
    loop.run(29.99)
    loop.socket.extend([*turn * [None], site.watch.async_stop])
    loop.run(100)
    assert not loop.socket
    assert not site.offline


def test_stopped_between_two_slices_it_flips_nobody_more(loop: SlowMotion, site: Clockwork) -> None:
    site.flips_take(SLICE, after=1, then=site.watch.async_stop)
    site.beat("A", "B", "C")
    loop.run(100)
    assert list(site.offline) == ["A"]
    assert loop.timers() == []


# A real loop


async def test_a_flood_on_a_real_loop_is_read_before_anybody_flips() -> None:
    """The heartbeat that keeps a device alive stands at the end of a long queue."""
    site = without_echo(asyncio.get_running_loop(), offline_after=0.2)
    site.beat("A", "B")
    overdue_for = 0
    while overdue_for < 50:
        site.watch.messages += 1
        overdue_for += site.loop.time() > site.began + 0.2
        await asyncio.sleep(0)
    assert not site.offline
    site.beat("A")
    await until(lambda: "B" in site.offline)
    assert "A" not in site.offline
    await until(lambda: "A" in site.offline)
    site.watch.async_stop()


async def test_an_endless_flood_on_a_real_loop_hides_no_silence() -> None:
    site = without_echo(asyncio.get_running_loop(), offline_after=0.1)
    site.beat("A")
    while not site.offline:
        site.watch.messages += 1
        assert time.monotonic() < site.began + 20
        await asyncio.sleep(0)
    assert site.offline["A"] > 1.1
    site.watch.async_stop()


async def test_the_largest_site_due_at_once_flips_whole_while_others_get_their_turns() -> None:
    loop = asyncio.get_running_loop()
    site = without_echo(loop, offline_after=0.5)
    site.beat(*map(str, range(9900)))
    site.when_one_flips = lambda: time.sleep(0.00002)  # about what a state write takes
    turns: list[int] = []
    while len(site.offline) < 9900:
        assert time.monotonic() < site.began + 20
        turns.append(len(site.offline))
        await asyncio.sleep(0)
    interrupted = {flipped for flipped in turns if flipped}
    assert len(interrupted) > 20
    site.watch.async_stop()
