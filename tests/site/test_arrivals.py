"""What is new reaches the platforms: in order, a few at once, and never after it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
import time

import pytest

from custom_components.site_devices.core.device import Change, ChangeKind, DeviceRecord
from custom_components.site_devices.core.fleet import Fleet
from custom_components.site_devices.site.arrivals import Arrival, Arrivals
from custom_components.site_devices.site.pacing import SLICE


def device(serial: str = "TEST123") -> DeviceRecord:
    return DeviceRecord(key=f"datalogger/{serial}", address=f"monstro/{serial}", created=0.0)


class House:
    """Pages and a platform, which write down what reaches them and may take their time."""

    def __init__(self, effort: float = 0.0) -> None:
        self.broken: set[str] = set()  # addresses of devices whose page cannot be made
        self.pages: list[DeviceRecord] = []
        self.batches: list[list[Arrival]] = []
        self.effort = effort
        self.others: list[Arrival] = []  # what reaches another platform
        self.fleet = Fleet(offline_after=30, max_devices=100)
        self.arrivals = Arrivals(asyncio.get_running_loop(), self.fleet, self)  # type: ignore[arg-type]
        self.arrivals.async_on_arrival(self._add)
        self.batches.clear()  # of nothing that was known before

    def async_create(self, record: DeviceRecord) -> None:
        """Make a page."""
        if record.address in self.broken:
            raise RuntimeError
        self.pages.append(record)

    def device_id(self, record: DeviceRecord) -> str | None:
        """Return the id of a page, if it was made."""
        return record.key if record in self.pages else None

    def known(self, arrivals: list[Arrival]) -> None:
        """Let devices be known, and have their pages, before any platform is there."""
        self.pages = [arrival.record for arrival in arrivals]
        self.fleet.restore(self.pages, ())

    def discover(self, *records: DeviceRecord) -> list[Arrival]:
        """Let devices be new; return how they reach a platform."""
        for record in records:
            self.arrivals.async_handle(Change(record, ChangeKind.DISCOVERED))
        return [Arrival(record) for record in records]

    def find(self, record: DeviceRecord) -> Arrival:
        """Let a device report something for the first time; return how that reaches a platform."""
        self.arrivals.async_handle(Change(record, ChangeKind.DATA_FOUND, "in/temperature"))
        return Arrival(record, "in/temperature")

    def _add(self, some: list[Arrival]) -> None:
        assert all(arrival.record in self.pages for arrival in some)  # an entity needs its page
        self.batches.append(some)
        time.sleep(self.effort)

    def arrived(self) -> list[Arrival]:
        return [arrival for some in self.batches for arrival in some]


async def until(condition: Callable[[], bool]) -> int:
    """Let the loop turn until something has come about; return how many turns that took."""
    for turns in range(1000):
        if condition():
            return turns
        await asyncio.sleep(0)
    pytest.fail("it has not come about")


async def test_what_comes_in_one_turn_is_added_together_in_the_next() -> None:
    house = House()
    records = [device("A"), device("B")]
    here = [*house.discover(*records), house.find(records[0])]
    assert not house.batches
    await asyncio.sleep(0)
    assert house.batches == [here]
    assert house.pages == records


async def test_what_comes_later_is_added_later() -> None:
    house = House()
    for serial in ("A", "B"):
        house.discover(device(serial))
        await asyncio.sleep(0)
    assert [len(some) for some in house.batches] == [1, 1]


async def test_many_come_ten_at_once_and_the_loop_turns_after_each_slice() -> None:
    house = House(effort=SLICE)
    here = house.discover(*(device(str(number)) for number in range(35)))
    assert await until(lambda: len(house.arrived()) == 35) == 4
    assert [len(some) for some in house.batches] == [10, 10, 10, 5]
    assert house.arrived() == here


async def test_every_platform_hears_of_all() -> None:
    house = House()
    others: list[Arrival] = []
    house.arrivals.async_on_arrival(others.extend)
    house.discover(device())
    await asyncio.sleep(0)
    assert others == house.arrived()


async def test_what_was_deleted_before_its_turn_gets_no_page_and_no_entity() -> None:
    """It would create the page again, with nothing behind it."""
    house = House()
    gone, here = device("A"), device("B")
    house.discover(gone)
    house.find(gone)
    arrived = house.discover(here)
    house.arrivals.async_handle(Change(gone, ChangeKind.REMOVED))
    await asyncio.sleep(0)
    assert house.pages == [here]
    assert house.arrived() == arrived


async def test_nothing_is_added_after_the_end() -> None:
    house = House()
    end = house.arrivals.async_start()
    end()  # with none on their way
    house.discover(device())
    end()
    await asyncio.sleep(0)
    assert not house.batches


async def test_a_page_that_cannot_be_made_keeps_no_other_device_from_coming(caplog: pytest.LogCaptureFixture) -> None:
    """And its own entities would make an empty one."""
    house = House()
    house.broken = {"monstro/0", "monstro/11"}
    here = house.discover(*(device(str(number)) for number in range(12)))
    house.find(here[0].record)
    await until(lambda: len(house.arrived()) == 10)
    here += house.discover(device("LAST"))
    await until(lambda: len(house.arrived()) == 11)
    assert house.arrived() == [*here[1:11], here[12]]
    assert caplog.text.count("Failed to create a device page or its entities") == 1


@pytest.mark.parametrize("known_before", [False, True])
async def test_an_entity_that_cannot_be_made_keeps_no_other_from_coming(
    caplog: pytest.LogCaptureFixture, known_before: bool
) -> None:
    house = House()
    here = [Arrival(device(str(number))) for number in range(12)]
    made: list[Arrival] = []

    def add(some: list[Arrival]) -> None:
        if here[0] in some or here[11] in some:
            raise RuntimeError
        made.extend(some)

    if known_before:
        house.known(here)
        house.arrivals.async_on_arrival(add)
    else:
        house.arrivals.async_on_arrival(add)
        made.clear()
        house.arrivals.async_on_arrival(house.others.extend)
        house.discover(*(arrival.record for arrival in here))
        await until(lambda: len(house.others) == 12)
        assert house.arrived() == house.others == here
    assert made == here[1:11]
    assert caplog.text.count("Failed to create a device page or its entities") == 1
