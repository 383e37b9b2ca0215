"""Places: who has an address, and what devices are called."""

from __future__ import annotations

import pytest

from custom_components.site_devices.core.device import ChangeKind, DeviceRecord
from custom_components.site_devices.core.fleet import Fleet
from custom_components.site_devices.core.protocol import Category

from .yard import Yard

DISCOVERED = ChangeKind.DISCOVERED
FIRST_ONLINE = ChangeKind.FIRST_ONLINE
ONLINE = ChangeKind.ONLINE
OFFLINE = ChangeKind.OFFLINE
MOVED = ChangeKind.MOVED
DESCRIBED = ChangeKind.DESCRIBED


def test_a_device_is_called_by_its_address_unless_it_has_a_name(yard: Yard) -> None:
    yard.hear("A", "monstro/1")
    yard.hear("G", "1", category=Category.GATEWAY)

    assert yard.name("A") == "monstro/1"
    assert yard.name("G", Category.GATEWAY) == "Gateway 1"
    assert yard.hear("A", "monstro/1", name="Roof") == [("A", DESCRIBED)]
    assert yard.name("A") == "Roof"


def test_a_device_that_moves_is_called_by_its_new_address(yard: Yard) -> None:
    yard.hear("A", "monstro/1")

    assert yard.hear("A", "monstro/2") == [("A", MOVED)]
    assert yard.record("A").address == "monstro/2"
    assert yard.name("A") == "monstro/2"
    assert yard.hear("A", "monstro/2") == []


def test_a_device_may_come_back_at_another_address(yard: Yard) -> None:
    yard.hear("A", "monstro/1")
    yard.wait(30)

    assert yard.hear("A", "monstro/2") == [("A", ONLINE), ("A", MOVED)]


def test_an_address_belongs_to_who_came_there_last(yard: Yard) -> None:
    yard.hear("OLD", "monstro/1")

    assert yard.hear("NEW", "monstro/1") == [("NEW", DISCOVERED), ("OLD", DESCRIBED)]
    assert yard.name("NEW") == "monstro/1"
    assert yard.name("OLD") == "monstro/1 (OLD)"
    # both live: the names do not change with every heartbeat
    assert yard.hear("OLD", "monstro/1") == []
    assert yard.hear("NEW", "monstro/1") == []


def test_a_gateway_shows_its_serial_in_the_same_way(yard: Yard) -> None:
    yard.hear("OLD", "1", category=Category.GATEWAY)
    yard.hear("NEW", "1", category=Category.GATEWAY)

    assert yard.name("OLD", Category.GATEWAY) == "Gateway 1 (OLD)"


def test_a_datalogger_and_a_gateway_never_share_an_address(yard: Yard) -> None:
    yard.hear("A", "1", category=Category.DATALOGGER)

    assert yard.hear("G", "1", category=Category.GATEWAY) == [("G", DISCOVERED)]
    assert yard.name("A") == "1"
    assert yard.name("G", Category.GATEWAY) == "Gateway 1"


@pytest.mark.parametrize("leave", ["move", "remove"])
def test_who_leaves_gives_the_address_back(yard: Yard, leave: str) -> None:
    yard.hear("A", "monstro/1")
    yard.hear("B", "monstro/1")

    if leave == "move":
        assert yard.hear("B", "monstro/2") == [("B", MOVED), ("A", DESCRIBED)]
    else:
        assert yard.remove("B") == [("A", DESCRIBED)]

    assert yard.name("A") == "monstro/1"


@pytest.mark.parametrize("leave", ["move", "remove"])
def test_who_leaves_what_is_not_theirs_changes_nobodys_name(yard: Yard, leave: str) -> None:
    yard.hear("A", "monstro/1")
    yard.hear("B", "monstro/1")

    if leave == "move":
        assert yard.hear("A", "monstro/2") == [("A", MOVED)]
    else:
        assert yard.remove("A") == []

    assert yard.name("B") == "monstro/1"


def test_who_leaves_gives_the_address_to_one_that_is_alive(yard: Yard) -> None:
    yard.hear("LIVE", "monstro/1")
    yard.hear("DEAD", "monstro/1")
    yard.hear("LAST", "monstro/1")
    yard.sleep(20)
    yard.hear("LIVE", "monstro/1")
    yard.hear("LAST", "monstro/1")
    assert yard.wait(10) == [("DEAD", OFFLINE)]

    assert yard.hear("LAST", "monstro/2") == [("LAST", MOVED), ("LIVE", DESCRIBED)]
    assert yard.name("LIVE") == "monstro/1"
    assert yard.name("DEAD") == "monstro/1 (DEAD)"
    # and so it stays when nobody there is alive any more
    assert yard.wait(30) == [("LIVE", OFFLINE), ("LAST", OFFLINE)]
    assert yard.name("LIVE") == "monstro/1"


def test_a_silent_device_leaves_its_address_to_one_that_is_alive_there(yard: Yard) -> None:
    yard.hear("A", "monstro/1")
    yard.hear("B", "monstro/1")
    yard.sleep(20)
    yard.hear("A", "monstro/1")

    assert yard.wait(10) == [("B", OFFLINE), ("B", DESCRIBED), ("A", DESCRIBED)]
    assert yard.name("A") == "monstro/1"
    assert yard.name("B") == "monstro/1 (B)"
    # B comes back, and as the last to come has the address again
    assert yard.hear("B", "monstro/1") == [("B", ONLINE), ("A", DESCRIBED), ("B", DESCRIBED)]
    assert yard.name("B") == "monstro/1"


def test_a_device_that_returns_elsewhere_does_not_touch_the_address_it_left(yard: Yard) -> None:
    yard.hear("A", "monstro/1")
    yard.wait(30)
    yard.hear("B", "monstro/1")

    assert yard.hear("A", "monstro/2") == [("A", ONLINE), ("A", MOVED)]
    assert yard.name("A") == "monstro/2"
    assert yard.name("B") == "monstro/1"


def test_a_retained_heartbeat_takes_no_address_from_anybody(yard: Yard) -> None:
    yard.hear("A", "monstro/1")
    yard.wait(30)

    assert yard.hear("GHOST", "monstro/1", retained=True) == [("GHOST", DISCOVERED)]
    assert yard.name("A") == "monstro/1"
    assert yard.name("GHOST") == "monstro/1 (GHOST)"
    assert yard.hear("GHOST", "monstro/1") == [("GHOST", FIRST_ONLINE), ("A", DESCRIBED), ("GHOST", DESCRIBED)]
    assert yard.name("GHOST") == "monstro/1"


def test_after_a_restart_an_address_belongs_to_who_was_heard_there_last(yard: Yard) -> None:
    yard.hear("B", "monstro/1")
    yard.sleep(1)
    yard.hear("A", "monstro/1")
    yard.hear("GHOST", "monstro/1", retained=True)
    yard.wait(100)

    yard = yard.restarted()

    assert yard.name("A") == "monstro/1"
    assert yard.name("B") == "monstro/1 (B)"
    assert yard.name("GHOST") == "monstro/1 (GHOST)"


def test_after_a_restart_an_address_belongs_to_one_that_is_alive(yard: Yard) -> None:
    yard.hear("LIVE", "monstro/1")
    yard.fleet.set_offline_after(["datalogger/LIVE"], 1000)
    yard.sleep(1)
    yard.hear("DEAD", "monstro/1")
    yard.wait(100)

    yard = yard.restarted()

    assert yard.name("LIVE") == "monstro/1"


def test_where_a_store_names_no_owner_an_address_belongs_to_one_that_is_alive() -> None:
    stored = [
        DeviceRecord(key=f"gateway/{serial}", address="1", created=0, online=online, last_heartbeat=heard)
        for serial, online, heard in (("FIRST", True, 1.0), ("LAST", True, 2.0), ("DEAD", False, 3.0))
    ]
    fleet = Fleet(offline_after=30, max_devices=10)
    fleet.restore(stored, ())
    assert [fleet.name(record) for record in stored] == ["Gateway 1 (FIRST)", "Gateway 1", "Gateway 1 (DEAD)"]


def test_after_a_restart_two_live_devices_at_one_address_keep_their_names(yard: Yard) -> None:
    yard.hear("OTHER", "monstro/1")
    yard.hear("HOLDER", "monstro/1")
    yard.sleep(1)
    yard.hear("OTHER", "monstro/1")  # heard last, and the address is not its own
    yard.hear("ALONE", "monstro/2")
    assert yard.fleet.places.owners() == ["datalogger/HOLDER"]

    yard = yard.restarted()

    assert yard.name("HOLDER") == "monstro/1"
    assert yard.name("OTHER") == "monstro/1 (OTHER)"


def test_a_device_that_was_just_deleted_still_has_a_name(yard: Yard) -> None:
    yard.hear("A", "monstro/1")
    record = yard.record("A")
    yard.fleet.remove(record.key)

    assert yard.fleet.name(record) == "monstro/1"
    yard.hear("B", "monstro/1")
    assert yard.fleet.name(record) == "monstro/1 (A)"
