"""Work: what the agendas of a fleet cost, however many devices there are."""

from __future__ import annotations

import pytest

from custom_components.site_devices.core.deadlines import Deadlines
from custom_components.site_devices.core.device import DeviceRecord
from custom_components.site_devices.core.fleet import Fleet
from custom_components.site_devices.core.protocol import Heartbeat


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count what the agendas ask for: the end of a queue, the end of a conflict."""
    asked = {"_head_due": 0, "_conflict_end": 0}

    def count(owner: type, name: str) -> None:
        original = getattr(owner, name)

        def counting(self: object, thing: object) -> object:
            asked[name] += 1
            return original(self, thing)

        monkeypatch.setattr(owner, name, counting)

    count(Deadlines, "_head_due")
    count(Fleet, "_conflict_end")
    return asked


MOST = 9900
AT_ONCE = 1000  # put right by one look


def run_down(fleet: Fleet, asked: dict[str, int], name: str) -> tuple[int, int]:
    """Let everything happen that is due; return the work of all of it, and the most of one step."""
    begun, most, steps = asked[name], 0, 0
    while (due := fleet.next_deadline()) is not None:
        while True:
            before = asked[name]
            changes = fleet.expire(due)
            fleet.next_deadline()
            most = max(most, asked[name] - before)
            steps += 1
            if not changes:
                break
        assert steps < 10 * MOST
    return asked[name] - begun, most


def distinct(count: int, *, apart: float = 1.0) -> Fleet:
    """Return a fleet in which each device has a deadline of its own, from 5 s on."""
    fleet = Fleet(offline_after=30, max_devices=count)
    fleet.restore(
        [
            DeviceRecord(key=f"gateway/{number}", address="1", created=0, online=True, offline_after=5 + number * apart)
            for number in range(count)
        ],
        (),
    )
    fleet.resume(0)
    return fleet


def test_as_many_deadlines_as_devices_cost_a_few_questions_each(asked: dict[str, int]) -> None:
    fleet = distinct(MOST)
    total, most = run_down(fleet, asked, "_head_due")
    assert fleet.counts().offline == MOST
    assert total < 8 * MOST
    assert most <= 8


def test_a_heartbeat_asks_for_no_end(asked: dict[str, int]) -> None:
    fleet = distinct(100)
    asked["_head_due"] = 0
    for number in range(100):
        fleet.heartbeat(Heartbeat(f"gateway/{number}", "1", False, None, None, {}), now=1, wall=1)
    assert asked["_head_due"] == 0


def test_thousands_of_deadlines_that_moved_on_are_put_right_in_bounded_steps(asked: dict[str, int]) -> None:
    fleet = distinct(MOST)
    asked["_head_due"] = most = looks = 0
    for now in range(1, 40):  # all beat, again and again, and none is ever due
        for number in range(MOST):
            fleet.heartbeat(Heartbeat(f"gateway/{number}", "1", False, None, None, {}), now=now, wall=1)
        before = asked["_head_due"]
        due = fleet.next_deadline()
        assert due is not None
        assert due <= now + 5
        assert fleet.expire(now) == ()
        most = max(most, asked["_head_due"] - before)
        looks += 1
    assert most <= 2 * AT_ONCE
    while fleet.next_deadline() != 44:  # the true first
        looks += 1
        assert looks < 60


def in_conflict(count: int) -> Fleet:
    """Return a fleet in which each device is alive at two addresses."""
    fleet = Fleet(offline_after=30, max_devices=count)
    fleet.resume(0)
    for _ in range(2):
        beat_everywhere(fleet, count, now=0)
    return fleet


def beat_everywhere(fleet: Fleet, count: int, *, now: float) -> None:
    for address in "ab":
        for number in range(count):
            fleet.heartbeat(Heartbeat(f"gateway/{number}", address, False, None, None, {}), now=now, wall=1)


def test_while_more_moved_on_than_one_look_puts_right_nobody_is_called_offline() -> None:
    fleet = distinct(3 * AT_ONCE, apart=0.0001)
    for record in list(fleet.records.values()):
        fleet.heartbeat(Heartbeat(record.key, "1", False, None, None, {}), now=4.9, wall=1)
    for _ in range(4):
        assert fleet.expire(6) == ()
    assert fleet.counts().online == 3 * AT_ONCE


def test_while_more_moved_on_than_one_look_puts_right_no_conflict_ends() -> None:
    fleet = in_conflict(3 * AT_ONCE)
    assert len(fleet.conflicts()) == 3 * AT_ONCE
    beat_everywhere(fleet, 3 * AT_ONCE, now=140)
    for _ in range(4):
        assert fleet.expire(150) == ()
    assert len(fleet.conflicts()) == 3 * AT_ONCE


def test_thousands_of_conflicts_cost_a_few_questions_each(asked: dict[str, int]) -> None:
    count = 3000
    fleet = Fleet(offline_after=30, max_devices=count)
    fleet.resume(0)
    most = 0
    for number in range(count):
        for turn in range(4):
            before = asked["_conflict_end"]
            beat = Heartbeat(f"gateway/{number}", f"{turn % 2}-{number}", False, None, None, {})
            fleet.heartbeat(beat, now=number / 100, wall=1)
            fleet.next_deadline()
            most = max(most, asked["_conflict_end"] - before)
    assert len(fleet.conflicts()) == count
    assert most <= 4
    total, most = run_down(fleet, asked, "_conflict_end")
    assert fleet.conflicts() == []
    assert total < 16 * count
    assert most <= 8
