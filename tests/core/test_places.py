"""Places: who has an address, and what devices are called."""

from __future__ import annotations

import pytest

from custom_components.site_devices.core.device import DeviceRecord
from custom_components.site_devices.core.fleet import Fleet
from custom_components.site_devices.core.protocol import Category

from .yard import Step, Told, Yard


def test_a_device_is_called_by_its_address_unless_it_has_a_name(yard: Yard) -> None:
    yard.hear("A", "monstro/1")
    yard.hear("G", "1", category=Category.GATEWAY)
    assert yard.names() == {"A": "monstro/1", "G": "Gateway 1"}
    assert yard.hear("A", "monstro/1", name="Roof") == ["A described"]
    assert yard.name("A") == "Roof"


@pytest.mark.parametrize(
    ("before", "step", "told", "names"),
    [
        pytest.param(["A@1"], "A@2", ["A moved"], "A: 2", id="moves"),
        pytest.param(["A@1", "A@2"], "A@2", [], "A: 2", id="has moved"),
        pytest.param(["A@1", 30], "A@2", ["A online", "A moved"], "A: 2", id="comes back elsewhere"),
        pytest.param(["A@1"], "B@1", ["B discovered", "A described"], "A: 1 (A), B: 1", id="last to come has it"),
        pytest.param(["A@1", "B@1"], "A@1", [], "A: 1 (A), B: 1", id="former holder lives"),
        pytest.param(["A@1", "B@1", "A@1"], "B@1", [], "A: 1 (A), B: 1", id="both live"),
        pytest.param(["A@1", "B@1"], "B@2", ["B moved", "A described"], "A: 1, B: 2", id="moves and gives it back"),
        pytest.param(["A@1", "B@1"], "A@2", ["A moved"], "A: 2, B: 1", id="leaves what is not its own"),
        pytest.param(["A@1", 30, "B@1"], "A@2", ["A online", "A moved"], "A: 2, B: 1", id="returns elsewhere"),
        pytest.param(
            ["A@1", "B@1", 20, "A@1"], 10, ["B offline", "B described", "A described"], "A: 1, B: 1 (B)",
            id="silent one leaves it to one that is alive",
        ),
        pytest.param(
            ["A@1", "B@1", 20, "A@1", 10], "B@1", ["B online", "A described", "B described"], "A: 1 (A), B: 1",
            id="last to come back has it again",
        ),
        pytest.param(
            ["LIVE@1", "DEAD@1", "LAST@1", 20, "LIVE@1", "LAST@1", 10], "LAST@2", ["LAST moved", "LIVE described"],
            "LIVE: 1, DEAD: 1 (DEAD), LAST: 2", id="goes to one that is alive",
        ),
        pytest.param(
            ["LIVE@1", "DEAD@1", "LAST@1", 20, "LIVE@1", "LAST@1", 10, "LAST@2"], 30, ["LIVE offline", "LAST offline"],
            "LIVE: 1, DEAD: 1 (DEAD), LAST: 2", id="stays when nobody there is alive",
        ),
    ],
)  # fmt: skip
def test_an_address_belongs_to_the_last_to_come_of_those_alive(
    yard: Yard, before: list[Step], step: Step, told: Told, names: str
) -> None:
    yard.play(*before)
    assert yard.play(step) == told
    assert ", ".join(f"{serial}: {name}" for serial, name in yard.names().items()).replace("monstro/", "") == names


def test_a_gateway_shows_its_serial_in_the_same_way(yard: Yard) -> None:
    yard.hear("OLD", "1", category=Category.GATEWAY)
    yard.hear("NEW", "1", category=Category.GATEWAY)
    assert yard.names() == {"OLD": "Gateway 1 (OLD)", "NEW": "Gateway 1"}


def test_a_datalogger_and_a_gateway_never_share_an_address(yard: Yard) -> None:
    yard.hear("A", "1", category=Category.DATALOGGER)
    assert yard.hear("G", "1", category=Category.GATEWAY) == ["G discovered"]
    assert yard.names() == {"A": "1", "G": "Gateway 1"}


@pytest.mark.parametrize(("removed", "told", "left"), [("B", ["A described"], "A"), ("A", [], "B")])
def test_a_removed_device_gives_its_address_back(yard: Yard, removed: str, told: Told, left: str) -> None:
    yard.play("A@1", "B@1")
    assert yard.remove(removed) == told
    assert yard.names() == {left: "monstro/1"}


def test_a_retained_heartbeat_takes_no_address_from_anybody(yard: Yard) -> None:
    yard.play("A@1", 30)
    assert yard.hear("GHOST", "monstro/1", retained=True) == ["GHOST discovered"]
    assert yard.names() == {"A": "monstro/1", "GHOST": "monstro/1 (GHOST)"}
    assert yard.hear("GHOST", "monstro/1") == ["GHOST first_online", "A described", "GHOST described"]
    assert yard.name("GHOST") == "monstro/1"


def test_after_a_restart_an_address_belongs_to_who_was_heard_there_last(yard: Yard) -> None:
    yard.play("B@1", 1, "A@1")
    yard.hear("GHOST", "monstro/1", retained=True)
    yard.wait(100)
    assert yard.restarted().names() == {"A": "monstro/1", "B": "monstro/1 (B)", "GHOST": "monstro/1 (GHOST)"}


def test_after_a_restart_an_address_belongs_to_one_that_is_alive(yard: Yard) -> None:
    yard.hear("LIVE", "monstro/1")
    yard.fleet.set_offline_after(["datalogger/LIVE"], 1000)
    yard.play(1, "DEAD@1", 100)
    assert yard.restarted().name("LIVE") == "monstro/1"


def test_where_a_store_names_no_owner_an_address_belongs_to_one_that_is_alive() -> None:
    stored = [
        DeviceRecord(key=f"gateway/{serial}", address="1", created=0, online=online, last_heartbeat=heard)
        for serial, online, heard in (("FIRST", True, 1.0), ("LAST", True, 2.0), ("DEAD", False, 3.0))
    ]
    fleet = Fleet(offline_after=30, max_devices=10)
    fleet.restore(stored, ())
    assert [fleet.name(record) for record in stored] == ["Gateway 1 (FIRST)", "Gateway 1", "Gateway 1 (DEAD)"]


def test_after_a_restart_two_live_devices_at_one_address_keep_their_names(yard: Yard) -> None:
    yard.play("OTHER@1", "HOLDER@1", 1, "OTHER@1", "ALONE@2")  # the last heard at monstro/1 is not its owner
    assert yard.fleet.places.owners() == ["datalogger/HOLDER"]
    assert yard.restarted().names() == {
        "HOLDER": "monstro/1", "OTHER": "monstro/1 (OTHER)", "ALONE": "monstro/2",
    }  # fmt: skip


def test_a_device_that_was_just_deleted_still_has_a_name(yard: Yard) -> None:
    yard.hear("A", "monstro/1")
    record = yard.record("A")
    yard.fleet.remove(record.key)
    assert yard.fleet.name(record) == "monstro/1"
    yard.hear("B", "monstro/1")
    assert yard.fleet.name(record) == "monstro/1 (A)"
