"""Replacement: new hardware at the address of a silent device."""

from __future__ import annotations

import pytest

from custom_components.site_devices.core.device import ChangeKind
from custom_components.site_devices.core.protocol import IgnoreReason, Info

from .yard import NOON, Step, Yard

STAYS: list[Step] = ["NEW@1", *6 * (10, "NEW@1")]  # for two deadlines
EACH_SECOND: list[Step] = ["NEW@1", 1]


def replaced(yard: Yard) -> Yard:
    """Let NEW come to the address of OLD after that one fell silent, and stay for two deadlines."""
    yard.hear("OLD", "monstro/1", model="M1", sw_version="1")
    yard.wait(30)
    yard.hear("NEW", "monstro/1", sw_version="2")
    yard.play(*STAYS)
    return yard


def pairs(yard: Yard) -> list[tuple[str, str]]:
    """Return who seems to replace whom."""
    return [(old.serial, new.serial) for old, new in yard.fleet.replacements(yard.now)]


def check_pair(yard: Yard, *, after: int, old: str = "OLD") -> None:
    """Let NEW beat each second at monstro/1, also now; it seems to replace the old one after that time, not before."""
    yard.play(*(after - 1) * EACH_SECOND)
    assert pairs(yard) == []
    yard.wait(1)
    assert pairs(yard) == [(old, "NEW")]


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(["OLD@1", 30], id="it is new"),
        pytest.param(["OLD@1", 30, "NEW@1", 100], id="it comes back"),
        pytest.param(["OLD@1", 30, "NEW@2", *10 * [10, "NEW@2"]], id="it moves there"),
    ],
)
def test_a_younger_device_that_lives_where_a_silent_one_was_replaces_it_after_two_deadlines(
    yard: Yard, before: list[Step]
) -> None:
    yard.play("OTHER@3", *before)
    check_pair(yard, after=60)


def test_the_two_deadlines_begin_anew_after_a_restart_and_after_nothing_else(yard: Yard) -> None:
    yard = replaced(yard).restarted()
    yard.sleep(1000)
    assert pairs(yard) == []
    yard.fleet.resume(yard.now)
    yard.play(*30 * EACH_SECOND)
    yard.deaf(10)
    check_pair(yard, after=20)


@pytest.mark.parametrize("muted", ["OLD", "NEW"])
def test_muted_devices_are_replaced_by_nobody(yard: Yard, muted: str) -> None:
    replaced(yard).record(muted).muted = True
    assert pairs(yard) == []


@pytest.mark.parametrize(
    ("scene", "expected"),
    [
        pytest.param(["OLD@1", 30, *STAYS, 30], [], id="the younger fell silent as well"),
        pytest.param(["OLD@1", *100 * EACH_SECOND], [], id="both are of the same age"),
        pytest.param(["OLD@1", "NEW@1", *10 * [10, "OLD@1", "NEW@1"]], [], id="the older lives"),
        pytest.param(["OLDEST@1", 30, "OLD@1", 30, *STAYS], [("OLD", "NEW")], id="the last of several"),
    ],
)
def test_only_the_last_silent_device_is_replaced_and_only_by_a_younger_one_that_lives(
    yard: Yard, scene: list[Step], expected: list[tuple[str, str]]
) -> None:
    yard.play(*scene)
    assert pairs(yard) == expected


def test_a_device_that_never_lived_is_replaced_by_nobody(yard: Yard) -> None:
    yard.hear("GHOST", "monstro/1", retained=True)
    yard.play(1, "NEW@1")
    yard.fleet.set_site_offline_after(1)
    yard.sleep(2)
    assert pairs(yard) == []


def test_an_older_device_that_comes_back_replaces_nobody(yard: Yard) -> None:
    replaced(yard)
    yard.wait(30)
    yard.fleet.set_site_offline_after(1000)
    yard.hear("OLD", "monstro/1")
    yard.sleep(5000)
    assert pairs(yard) == []


def test_new_hardware_goes_on_as_the_device_that_it_replaces(yard: Yard) -> None:
    replaced(yard)
    old, new = yard.record("OLD"), yard.record("NEW")
    yard.fleet.set_offline_after(["datalogger/OLD"], 100)
    yard.hear("NEW", "monstro/2", timestamp="now")
    assert yard.fleet.replace(old, new) == (
        (new, ChangeKind.REMOVED, None),
        (old, ChangeKind.REPLACED, "datalogger/OLD"),
    )
    assert yard.fleet.records == {"datalogger/NEW": old}
    assert old.serial == "NEW"
    assert old.address == "monstro/2"
    assert old.created == NOON
    assert old.online
    assert old.timestamp == "now"
    assert old.last_heartbeat == yard.wall
    assert old.info == Info(model="M1", sw_version="2")
    assert yard.fleet.name(old) == "monstro/2"
    assert yard.queue_lengths() == [1]
    assert yard.wait_exactly(100) == ["NEW offline"]


def test_a_serial_that_was_replaced_does_not_come_back_from_what_the_broker_retained(yard: Yard) -> None:
    replaced(yard)
    yard.fleet.replace(yard.record("OLD"), yard.record("NEW"))
    assert yard.hear("OLD", "monstro/1", retained=True) is IgnoreReason.DELETED
    assert yard.hear("OLD", "monstro/1") == ["OLD discovered", "NEW described"]


@pytest.mark.parametrize("conflicting", ["OLD", "NEW"])
def test_hardware_is_replaced_together_with_its_conflict(yard: Yard, conflicting: str) -> None:
    yard.play("OLD@1", "OLD@2", "OLD@1", "OLD@2" if conflicting == "OLD" else "OLD@1", 30)
    yard.play("NEW@1", "NEW@2", "NEW@1", "NEW@2" if conflicting == "NEW" else "NEW@1")
    old, new = yard.record("OLD"), yard.record("NEW")
    assert yard.fleet.conflicts() == [yard.record(conflicting)]
    yard.fleet.replace(old, new)
    assert yard.fleet.conflicts() == []
    assert old.rivals is None
    assert yard.fleet.next_deadline() == yard.fleet.deadlines.due(old)
    assert yard.hear("NEW", "monstro/2") == ["NEW moved"]


@pytest.mark.parametrize("graced", [True, False])
def test_new_hardware_has_its_own_grace_as_the_device_that_it_replaces(yard: Yard, graced: bool) -> None:
    replaced(yard)
    old, new = yard.record("OLD"), yard.record("NEW")
    if graced:
        yard.fleet.interrupted(yard.now, yard.now + 1, yard.now + 1)
        yard.sleep(1)
    yard.fleet.replace(old, new)
    yard.sleep(10)
    yard.fleet.interrupted(yard.now - 5, yard.now, yard.now)
    assert yard.fleet.next_deadline() == yard.now + (25 if graced else 30)


def test_new_hardware_has_been_at_its_address_for_as_long_as_it_was_before(yard: Yard) -> None:
    yard.play("OLDEST@1", 100, "OLD@1", 100, *20 * EACH_SECOND)
    yard.fleet.replace(yard.record("OLD"), yard.record("NEW"))
    check_pair(yard, after=40, old="OLDEST")


def test_the_two_deadlines_are_the_younger_devices_own(yard: Yard) -> None:
    replaced(yard)
    yard.fleet.set_offline_after(["datalogger/NEW"], 100)
    yard.wait(99)
    assert pairs(yard) == []
    yard.play(*41 * EACH_SECOND)
    assert pairs(yard) == [("OLD", "NEW")]


def test_others_at_the_address_keep_their_names_when_hardware_is_replaced(yard: Yard) -> None:
    yard.play("OLDEST@1", 30)
    replaced(yard)
    yard.fleet.replace(yard.record("OLD"), yard.record("NEW"))
    assert yard.names() == {"OLDEST": "monstro/1 (OLDEST)", "NEW": "monstro/1"}
