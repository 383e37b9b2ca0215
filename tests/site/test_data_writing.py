"""Data entities: what is written when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
import logging
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed_exact

from custom_components.site_devices.entity import DataEntity

from .. import advance, heartbeat
from .reports import entity_id, reload, report, room, set_options, shown, site_with_device

pytestmark = pytest.mark.usefixtures("broker", "quiet")


async def test_of_a_message_only_what_changed_is_written(hass: HomeAssistant, writes: Callable[[], list[str]]) -> None:
    await site_with_device(hass)
    values: dict[str, Any] = {f"x{number}": number for number in range(30)}
    values |= {f"t{number}": "text" for number in range(10)} | {f"b{number}": True for number in range(10)}
    await report(hass, values)
    assert shown(hass, "in/x0", "in/x29", "in/t9") == ["0", "29", "text"]
    writes()
    await report(hass, values)
    await heartbeat(hass)
    assert writes() == []
    await report(hass, values | {"x7": 7.5})
    assert writes() == [entity_id(hass, "in/x7")]
    await report(hass, values | {"x7": 7.5, "b3": False, "t1": "other"})
    changed = [entity_id(hass, "in/b3", platform="binary_sensor"), entity_id(hass, "in/t1")]
    assert sorted(writes()) == changed


async def test_with_an_interval_the_last_value_of_it_is_shown_once(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, writes: Callable[[], list[str]]
) -> None:
    entry = await site_with_device(hass, options={"data_interval": 10, "offline_after": 3600})
    await report(hass, {"x": 0, "y": 0})
    x, y = entity_id(hass, "in/x"), entity_id(hass, "in/y")
    writes()
    await report(hass, {"x": 1})  # the first one after a pause is not held back
    assert writes() == [x]
    for value in (2, 3, 4):
        await report(hass, {"x": value})
    await advance(hass, freezer, 4)
    await report(hass, {"x": 5, "y": 1})
    await report(hass, {"y": 2})
    assert writes() == [y]
    assert shown(hass, "in/x", "in/y") == ["1", "1"]
    timers = [timer for timer in hass.loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
    assert sum(getattr(timer._callback, "__self__", None) is room(entry)._timer for timer in timers) == 1
    await advance(hass, freezer, 5.9)
    assert writes() == []
    await advance(hass, freezer, 0.2)
    assert writes() == [x]
    assert shown(hass, "in/x", "in/y") == ["5", "1"]
    await advance(hass, freezer, 4)
    assert writes() == [y]
    assert shown(hass, "in/x", "in/y") == ["5", "2"]
    await advance(hass, freezer, 100)
    assert writes() == []
    for value in (6, 7):
        await report(hass, {"x": value})
    freezer.tick(11)  # the timer comes late
    await report(hass, {"x": 8})
    await advance(hass, freezer, 0)
    assert writes() == [x, x]
    assert shown(hass, "in/x") == ["8"]


async def test_a_shorter_interval_counts_at_once(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await site_with_device(hass, options={"data_interval": 3600, "offline_after": 7200})
    await report(hass, {"x": 0, "y": 0, "z": 0})
    await report(hass, {"x": 1, "y": 1, "z": 1})
    await advance(hass, freezer, 1)
    await report(hass, {"x": 2, "y": 2})
    set_options(hass, entry, data_interval=5)
    await hass.async_block_till_done()
    await advance(hass, freezer, 3)
    assert shown(hass, "in/x", "in/y") == ["1", "1"]
    await advance(hass, freezer, 1.1)
    assert shown(hass, "in/x", "in/y") == ["2", "2"]
    await report(hass, {"z": 2})  # its last write is more than five seconds ago, though less than an hour
    assert shown(hass, "in/z") == ["2"]
    await report(hass, {"z": 3})
    set_options(hass, entry, data_interval=0)
    await advance(hass, freezer, 0)
    assert shown(hass, "in/z") == ["3"]
    await report(hass, {"z": 4})
    assert shown(hass, "in/z") == ["4"]


async def test_many_that_are_due_at_once_are_written_in_slices(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custom_components.site_devices.site.pacing.SLICE", 0)
    await site_with_device(hass, options={"data_interval": 10})
    keys = [f"in/x{number}" for number in range(20)]
    for value in (0, 1, 2):
        await report(hass, {f"x{number}": value for number in range(20)})
    assert shown(hass, *keys) == ["1"] * 20
    freezer.tick(10.1)
    async_fire_time_changed_exact(hass)
    written = [shown(hass, *keys).count("2")]
    while written[-1] < 20:
        await asyncio.sleep(0)
        written.append(shown(hass, *keys).count("2"))
    assert sorted(set(written)) == list(range(21))  # with no time at all, one in each turn of the loop


async def test_an_entity_waits_once_however_many_messages_come(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await site_with_device(hass, options={"data_interval": 10, "offline_after": 3600})
    for value in range(50):
        await report(hass, {"x": value, "y": value})
    assert len(room(entry)._due) == 2
    await advance(hass, freezer, 10.1)
    assert room(entry)._due == []
    for value in range(50):  # and again, once it was written
        await report(hass, {"x": -value, "y": -value})
    assert len(room(entry)._due) == 2


async def test_an_entity_that_is_due_before_those_that_wait_is_written_in_time(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    await site_with_device(hass, options={"data_interval": 10, "offline_after": 3600})
    await report(hass, {"x": 0, "y": 0})
    await report(hass, {"x": 1})
    await advance(hass, freezer, 5)
    await report(hass, {"y": 1})
    await report(hass, {"y": 2})  # due in ten seconds
    await report(hass, {"x": 2})  # in five
    await advance(hass, freezer, 5.1)
    assert shown(hass, "in/x", "in/y") == ["2", "1"]
    await advance(hass, freezer, 5)
    assert shown(hass, "in/x", "in/y") == ["2", "2"]


@pytest.mark.parametrize("interval", [0, 10])
async def test_an_entity_that_can_not_be_written_keeps_no_other_from_it(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    interval: int,
) -> None:
    await site_with_device(hass, options={"data_interval": interval, "offline_after": 3600})
    await report(hass, {"x": 0, "y": 0})
    write, failing = DataEntity.async_write, {"in/x"}

    def sometimes(entity: DataEntity) -> None:
        if entity.key in failing:
            raise ValueError(entity.key)
        write(entity)

    monkeypatch.setattr(DataEntity, "async_write", sometimes)
    for value in (1, 2, 3):
        await report(hass, {"x": value, "y": value})
        await advance(hass, freezer, 10.1)
        assert shown(hass, "in/x", "in/y") == ["0", str(value)]
    complaints = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage().partition(";")[0] for record in complaints] == ["Failed to show reported data"]
    failing.clear()
    await report(hass, {"x": 4})
    await advance(hass, freezer, 10.1)
    assert shown(hass, "in/x") == ["4"]
    caplog.clear()  # what it says was looked at


async def test_what_waits_for_its_interval_is_not_lost_by_a_reload(hass: HomeAssistant) -> None:
    entry = await site_with_device(hass, options={"data_interval": 3600})
    for value in (0, 1, 2):
        await report(hass, {"x": value})
    assert shown(hass, "in/x") == ["1"]
    await reload(hass, entry)
    assert shown(hass, "in/x") == ["2"]


async def test_what_is_disabled_while_it_waits_is_not_written(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, writes: Callable[[], list[str]]
) -> None:
    await site_with_device(hass, options={"data_interval": 10})
    for value in (0, 1, 2):
        await report(hass, {"x": value})
    er.async_get(hass).async_update_entity(entity_id(hass, "in/x"), disabled_by=er.RegistryEntryDisabler.USER)
    await hass.async_block_till_done()
    writes()
    await advance(hass, freezer, 11)
    assert writes() == []
