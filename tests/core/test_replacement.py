"""Replacement: new hardware at the address of a silent device."""

from __future__ import annotations

import pytest

from custom_components.site_devices.core.device import ChangeKind
from custom_components.site_devices.core.protocol import IgnoreReason, Info

from .yard import NOON, Told, Yard

DISCOVERED = ChangeKind.DISCOVERED
OFFLINE = ChangeKind.OFFLINE
MOVED = ChangeKind.MOVED
DESCRIBED = ChangeKind.DESCRIBED
REMOVED = ChangeKind.REMOVED
REPLACED = ChangeKind.REPLACED


def replaced(yard: Yard) -> Yard:
    """Let NEW come to the address of OLD after that one fell silent, and stay for two deadlines."""
    yard.hear("OLD", "monstro/1", model="M1", sw_version="1")
    yard.wait(30)
    yard.hear("NEW", "monstro/1", sw_version="2")
    for _ in range(6):
        yard.wait(10)
        yard.hear("NEW", "monstro/1", sw_version="2")
    return yard


def pairs(yard: Yard) -> Told | list[tuple[str, str]]:
    """Return who seems to replace whom."""
    return [(old.serial, new.serial) for old, new in yard.fleet.replacements(yard.now)]


def test_a_younger_device_at_the_address_of_a_silent_one_replaces_it(yard: Yard) -> None:
    yard.hear("OLD", "monstro/1")
    yard.wait(30)
    yard.hear("NEW", "monstro/1")
    yard.hear("OTHER", "monstro/2")
    for _ in range(3):
        yard.wait(19)
        yard.hear("NEW", "monstro/1")

    assert pairs(yard) == []
    yard.wait(3)
    assert pairs(yard) == [("OLD", "NEW")]


def beat_for(yard: Yard, serial: str, seconds: int) -> None:
    """Let a device beat each second at monstro/1, also when this began."""
    for _ in range(seconds):
        yard.hear(serial, "monstro/1")
        yard.wait(1)


def test_the_two_deadlines_begin_anew_when_the_younger_device_comes_back(yard: Yard) -> None:
    yard.hear("OLD", "monstro/1")
    yard.wait(30)
    yard.hear("NEW", "monstro/1")
    yard.wait(100)

    beat_for(yard, "NEW", 59)
    assert pairs(yard) == []
    yard.wait(1)
    assert pairs(yard) == [("OLD", "NEW")]


def test_the_two_deadlines_begin_anew_when_the_younger_device_moves_there(yard: Yard) -> None:
    yard.hear("OLD", "monstro/1")
    yard.wait(30)
    yard.hear("NEW", "monstro/2")
    for _ in range(10):
        yard.wait(10)
        yard.hear("NEW", "monstro/2")

    beat_for(yard, "NEW", 59)
    assert pairs(yard) == []
    yard.wait(1)
    assert pairs(yard) == [("OLD", "NEW")]


def test_the_two_deadlines_begin_anew_after_a_restart_and_after_nothing_else(yard: Yard) -> None:
    yard = replaced(yard).restarted()
    yard.sleep(1000)
    assert pairs(yard) == []
    yard.fleet.resume(yard.now)

    beat_for(yard, "NEW", 30)
    yard.fleet.pause(yard.now)
    yard.sleep(10)
    yard.fleet.resume(yard.now)
    beat_for(yard, "NEW", 19)
    assert pairs(yard) == []
    yard.wait(1)
    assert pairs(yard) == [("OLD", "NEW")]


@pytest.mark.parametrize("muted", ["OLD", "NEW"])
def test_muted_devices_are_replaced_by_nobody(yard: Yard, muted: str) -> None:
    replaced(yard).record(muted).muted = True

    assert pairs(yard) == []


def test_a_younger_device_that_fell_silent_as_well_replaces_nobody(yard: Yard) -> None:
    replaced(yard).wait(30)

    assert pairs(yard) == []


def test_a_device_of_the_same_age_replaces_nobody(yard: Yard) -> None:
    yard.hear("OLD", "monstro/1")
    beat_for(yard, "NEW", 100)

    assert pairs(yard) == []


def test_a_device_that_lives_is_replaced_by_nobody(yard: Yard) -> None:
    yard.hear("OLD", "monstro/1")
    yard.hear("NEW", "monstro/1")
    for _ in range(10):
        yard.wait(10)
        yard.hear("OLD", "monstro/1")
        yard.hear("NEW", "monstro/1")

    assert pairs(yard) == []


def test_a_device_that_never_lived_is_replaced_by_nobody(yard: Yard) -> None:
    yard.hear("GHOST", "monstro/1", retained=True)
    yard.sleep(1)
    yard.hear("NEW", "monstro/1")
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


def test_the_last_of_several_silent_devices_is_replaced(yard: Yard) -> None:
    yard.hear("OLDEST", "monstro/1")
    yard.wait(30)
    replaced(yard)

    assert pairs(yard) == [("OLD", "NEW")]


def test_new_hardware_goes_on_as_the_device_that_it_replaces(yard: Yard) -> None:
    replaced(yard)
    old, new = yard.record("OLD"), yard.record("NEW")
    yard.fleet.set_offline_after(["datalogger/OLD"], 100)
    yard.hear("NEW", "monstro/2", timestamp="now")

    assert yard.fleet.replace(old, new) == ((new, REMOVED, None), (old, REPLACED, "datalogger/OLD"))

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
    assert yard.wait(99) == []
    assert yard.wait(1) == [("NEW", OFFLINE)]


def test_a_serial_that_was_replaced_does_not_come_back_from_what_the_broker_retained(yard: Yard) -> None:
    replaced(yard)

    yard.fleet.replace(yard.record("OLD"), yard.record("NEW"))

    assert yard.hear("OLD", "monstro/1", retained=True) is IgnoreReason.DELETED
    assert yard.hear("OLD", "monstro/1") == [("OLD", DISCOVERED), ("NEW", DESCRIBED)]


@pytest.mark.parametrize("conflicting", ["OLD", "NEW"])
def test_hardware_is_replaced_together_with_its_conflict(yard: Yard, conflicting: str) -> None:
    for address in ("monstro/1", "monstro/2", "monstro/1", "monstro/2" if conflicting == "OLD" else "monstro/1"):
        yard.hear("OLD", address)
    yard.wait(30)
    for address in ("monstro/1", "monstro/2", "monstro/1", "monstro/2" if conflicting == "NEW" else "monstro/1"):
        yard.hear("NEW", address)
    old, new = yard.record("OLD"), yard.record("NEW")
    assert yard.fleet.conflicts() == [yard.record(conflicting)]

    yard.fleet.replace(old, new)

    assert yard.fleet.conflicts() == []
    assert old.rivals is None
    assert yard.fleet.next_deadline() == yard.fleet.deadlines.due(old)
    assert yard.hear("NEW", "monstro/2") == [("NEW", MOVED)]


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
    for serial in ("OLDEST", "OLD"):
        yard.hear(serial, "monstro/1")
        yard.wait(100)
    beat_for(yard, "NEW", 20)
    yard.fleet.replace(yard.record("OLD"), yard.record("NEW"))

    beat_for(yard, "NEW", 39)
    assert pairs(yard) == []
    yard.wait(1)
    assert pairs(yard) == [("OLDEST", "NEW")]


def test_the_two_deadlines_are_the_younger_devices_own(yard: Yard) -> None:
    replaced(yard)
    yard.fleet.set_offline_after(["datalogger/NEW"], 100)
    yard.wait(99)
    assert pairs(yard) == []
    beat_for(yard, "NEW", 41)
    assert pairs(yard) == [("OLD", "NEW")]


def test_others_at_the_address_keep_their_names_when_hardware_is_replaced(yard: Yard) -> None:
    yard.hear("OLDEST", "monstro/1")
    yard.wait(30)
    replaced(yard)

    yard.fleet.replace(yard.record("OLD"), yard.record("NEW"))

    assert yard.name("OLDEST") == "monstro/1 (OLDEST)"
    assert yard.name("NEW") == "monstro/1"
