"""One config entry at work: what it makes of the wire, of time, and of Home Assistant's own comings and goings."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
import logging
import pkgutil
import time
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_FINAL_WRITE, EVENT_HOMEASSISTANT_STARTED, EVENT_HOMEASSISTANT_STOP
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.entity_platform import EntityPlatform
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.site_devices.const import CONF_SITE_CODE, DOMAIN
from custom_components.site_devices.site.site import Site

from .. import (
    SITE,
    advance,
    connectivity,
    deliver,
    heartbeat,
    hold,
    lose_connection,
    publish,
    regain_connection,
    setup_site,
    until,
)

pytestmark = pytest.mark.usefixtures("broker", "quiet")

A, B, C = "datalogger/A", "datalogger/B", "datalogger/C"


async def beat(hass: HomeAssistant, *devices: str, retain: bool = False) -> None:
    """Let devices send a heartbeat, each from an address of its own."""
    for device in devices:
        serial = device.partition("/")[2]
        await heartbeat(hass, f"datalogger/monstro/{serial}", serial, retain=retain)


def states(hass: HomeAssistant, *devices: str) -> list[str | None]:
    return [connectivity(hass, device) for device in devices]


def fire(hass: HomeAssistant, *numbers: int) -> None:
    """Let heartbeats arrive in one go."""
    for number in numbers:
        deliver(hass, f"{SITE}/datalogger/monstro/{number}/heartbeat", {"serial_number": f"T{number}"})


def stored(hass_storage: dict[str, Any], entry: MockConfigEntry) -> dict[str, Any]:
    """Return what stands on disk of the one device of a site."""
    (device,) = hass_storage[f"{DOMAIN}.{entry.entry_id}"]["data"]["devices"]
    assert isinstance(device, dict)
    return device


def deadline_timers(hass: HomeAssistant, entry: MockConfigEntry) -> int:
    """Count the timers that wait for a deadline."""
    waiting = [timer for timer in hass.loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
    return sum(getattr(timer._callback, "__self__", None) is entry.runtime_data.watch._timer for timer in waiting)


def timers(hass: HomeAssistant) -> list[str]:
    """Return what waits in the loop because of us."""
    waiting = [timer for timer in hass.loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
    return sorted(repr(timer._callback.__qualname__) for timer in waiting if "site_devices" in repr(timer._callback))


async def check_deadline(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float, device: str, *others: str
) -> None:
    """Let time pass: a device goes offline at its end, not before, and the others stay as they are."""
    before = states(hass, device, *others)
    await advance(hass, freezer, seconds - 0.1)
    assert states(hass, device, *others) == before == ["on", *before[1:]]
    await advance(hass, freezer, 0.2)
    assert states(hass, device, *others) == ["off", *before[1:]]


# While nothing can be heard


async def test_without_a_connection_deadlines_stand_still_and_states_are_kept_for_a_minute(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass)
    await beat(hass, A, B)
    await beat(hass, C, retain=True)
    await advance(hass, freezer, 20)
    await beat(hass, A)
    await advance(hass, freezer, 15)
    assert states(hass, A, B, C) == ["on", "off", "unknown"]

    lose_connection(hass)
    assert deadline_timers(hass, entry) == 0
    await advance(hass, freezer, 59)
    assert states(hass, A, B, C) == ["on", "off", "unknown"]
    await advance(hass, freezer, 2)
    assert states(hass, A, B, C) == ["unavailable"] * 3
    await advance(hass, freezer, 3600)
    regain_connection(hass)
    await hass.async_block_till_done()
    assert states(hass, A, B, C) == ["on", "off", "unknown"]
    await check_deadline(hass, freezer, 30, A, B, C)


async def test_a_connection_that_breaks_again_and_again_hides_nobody_dead_and_flips_nobody_alive(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    await setup_site(hass)
    await beat(hass, A, B)
    for _ in range(2):
        assert states(hass, A, B) == ["on", "on"]
        await advance(hass, freezer, 20)
        await beat(hass, A)
        lose_connection(hass)
        await advance(hass, freezer, 40)
        regain_connection(hass)
    assert states(hass, A, B) == ["on", "on"]
    await advance(hass, freezer, 10.1)  # a full deadline since the first of them
    assert states(hass, A, B) == ["on", "off"]


@pytest.mark.parametrize("renewed_by", ["reload", "switch"])
async def test_nothing_that_is_done_again_and_again_hides_somebody_dead(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, renewed_by: str
) -> None:
    entry = await setup_site(hass)
    await beat(hass, A)
    for _ in range(2):
        assert states(hass, A) == ["on"]
        await advance(hass, freezer, 25)
        if renewed_by == "reload":
            await hass.config_entries.async_reload(entry.entry_id)
            await hass.async_block_till_done()
        else:
            for position in ("turn_off", "turn_on"):
                switch = {"entity_id": "switch.sito_001_monitoring"}
                await hass.services.async_call("switch", position, switch, blocking=True)
    assert states(hass, A) == ["on"]
    await check_deadline(hass, freezer, 5, A)


async def test_deadlines_run_only_from_home_assistants_start(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    """While it starts, its loop is too busy to be trusted."""
    hass.set_state(CoreState.starting)
    entry = await setup_site(hass)
    await beat(hass, A)
    await advance(hass, freezer, 100)
    assert states(hass, A) == ["on"]
    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await hass.async_block_till_done()
    assert deadline_timers(hass, entry) == 1
    await check_deadline(hass, freezer, 30, A)


async def test_devices_come_back_as_they_were_with_one_full_deadline_for_the_online_ones(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass)
    await beat(hass, A, B)
    await beat(hass, C, retain=True)
    await advance(hass, freezer, 25)
    await beat(hass, A)
    await advance(hass, freezer, 10)
    known = {key: record.last_heartbeat for key, record in entry.runtime_data.fleet.records.items()}
    assert await hass.config_entries.async_unload(entry.entry_id)
    await advance(hass, freezer, 5000)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert states(hass, A, B, C) == ["on", "off", "unknown"]
    assert {key: record.last_heartbeat for key, record in entry.runtime_data.fleet.records.items()} == known
    await check_deadline(hass, freezer, 30, A, B, C)


async def test_a_loop_that_was_held_gives_everybody_a_full_deadline(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    await setup_site(hass)
    await beat(hass, A, B)
    await hold(hass, freezer, 100)
    assert states(hass, A, B) == ["on", "on"]
    await advance(hass, freezer, 20)
    await beat(hass, B)
    await check_deadline(hass, freezer, 10, A, B)


async def test_the_clock_on_the_wall_flips_nobody(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    await setup_site(hass)
    with patch("custom_components.site_devices.site.site.time.time", return_value=time.time() + 1e6):
        await beat(hass, A)
    with patch("custom_components.site_devices.site.site.time.time", return_value=1000.0):
        await beat(hass, B)
        await advance(hass, freezer, 29.9)
        assert states(hass, A, B) == ["on", "on"]
        await advance(hass, freezer, 0.2)
        assert states(hass, A, B) == ["off", "off"]


# Changes


async def test_each_change_reaches_those_that_handle_it(hass: HomeAssistant) -> None:
    readers = (await setup_site(hass)).runtime_data._readers.by_kind
    heard = {kind: " ".join(type(handle.__self__).__name__ for handle in rooms) for kind, rooms in readers.items()}
    assert heard == {
        "discovered": "Watch SiteLog Digest Arrivals SiteIssues SiteCounts SiteStore",
        "first_online": "Watch SiteLog Listeners SiteCounts SiteStore",
        "online": "Watch SiteLog Digest Listeners SiteCounts SiteStore",
        "offline": "SiteLog Digest Listeners SiteCounts SiteStore",
        "moved": "SiteLog Digest Pages SiteStore",
        "described": "Pages SiteStore",
        "conflict": "Watch SiteLog Digest SiteIssues SiteStore",
        "conflict_ended": "Watch SiteLog SiteIssues SiteStore",
        "muted": "Digest SiteIssues SiteCounts",
        "removed": "Digest Pages Arrivals DataEntities SiteIssues SiteCounts SiteStore",
        "replaced": "Watch Digest Pages Listeners SiteStore",
        "data_found": "Arrivals SiteStore",
        "data_changed": "SiteStore",
        "data_refused": "SiteIssues",
    }


async def test_a_room_that_fails_keeps_no_other_from_hearing(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture
) -> None:
    await setup_site(hass)
    with patch("custom_components.site_devices.site.log._LOGGER.info", side_effect=RuntimeError):
        await beat(hass, A, B)
    assert states(hass, A, B) == ["on", "on"]
    assert [line.getMessage().partition(";")[0] for line in caplog.records if line.levelno >= logging.ERROR] == [
        "Failed to process a change"
    ]
    caplog.clear()


# Options


async def test_a_shortened_deadline_flips_the_overdue_at_once(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass, options={"offline_after": 60})
    for device in (A, B, C):
        await beat(hass, device)
        await advance(hass, freezer, 10)
    before = entry.runtime_data
    hass.config_entries.async_update_entry(entry, options={"offline_after": 15})
    await advance(hass, freezer, 0)
    assert entry.runtime_data is before
    assert states(hass, A, B, C) == ["off", "off", "on"]
    await advance(hass, freezer, 5.1)
    assert states(hass, A, B, C) == ["off", "off", "off"]


async def test_a_lengthened_deadline_brings_nobody_online(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await setup_site(hass)
    await beat(hass, A)
    await advance(hass, freezer, 20)
    await beat(hass, B)
    await advance(hass, freezer, 11)
    hass.config_entries.async_update_entry(entry, options={"offline_after": 60})
    await advance(hass, freezer, 0)
    assert states(hass, A, B) == ["off", "on"]
    await advance(hass, freezer, 48)
    assert states(hass, A, B) == ["off", "on"]
    await advance(hass, freezer, 2)
    assert states(hass, A, B) == ["off", "off"]


# What a heartbeat costs


async def test_a_further_heartbeat_of_an_online_device_writes_nothing_and_starts_nothing(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    fire(hass, 1, 2)
    await hass.async_block_till_done()
    record = entry.runtime_data.fleet.records["datalogger/T1"]
    heard, armed = record.heard, timers(hass)
    await asyncio.sleep(0.002)
    with ExitStack() as stack:
        untouched = [
            stack.enter_context(patch("homeassistant.core.StateMachine.async_set_internal")),
            stack.enter_context(patch("homeassistant.core.StateMachine.async_set")),
            stack.enter_context(patch("homeassistant.core.EventBus.async_fire_internal")),
            stack.enter_context(patch("homeassistant.util.async_.Task")),
            *(
                stack.enter_context(patch.object(hass.loop, name))
                for name in ("call_at", "call_later", "call_soon", "call_soon_threadsafe", "create_task")
            ),
        ]
        fire(hass, 1)
        assert [mock.mock_calls for mock in untouched] == [[]] * len(untouched)
    assert record.heard > heard
    assert timers(hass) == armed


async def test_one_timer_waits_for_the_deadlines_of_a_site_whatever_its_size(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    assert deadline_timers(hass, entry) == 0
    fire(hass, 0)
    await hass.async_block_till_done()
    assert deadline_timers(hass, entry) == 1
    for_one = timers(hass)
    fire(hass, *range(200))
    await until(lambda: connectivity(hass, "datalogger/T199") == "on")
    entry.runtime_data.async_set_offline_after(list(entry.runtime_data.fleet.records.values())[:100], 20)
    fire(hass, *range(200))
    assert deadline_timers(hass, entry) == 1
    assert set(timers(hass)) == set(for_one)


async def test_hundreds_that_appear_at_once_are_added_in_batches_and_the_loop_turns_in_between(
    hass: HomeAssistant,
) -> None:
    batches: list[int] = []
    add = EntityPlatform._async_schedule_add_entities_for_entry

    def counting(platform: EntityPlatform, entities: Any, *args: Any, **options: Any) -> None:
        entities = list(entities)
        if platform.domain == "binary_sensor":
            batches.append(len(entities))
        add(platform, entities, *args, **options)

    with patch.object(EntityPlatform, "_async_schedule_add_entities_for_entry", counting):
        await setup_site(hass)
    batches.clear()  # the site's own
    fire(hass, *range(300))
    seen: set[int] = set()

    def all_added() -> bool:
        seen.add(sum(batches))
        return 300 in seen

    await until(all_added)
    await hass.async_block_till_done()
    assert batches == [10] * 30
    assert len(seen) > 3
    assert {connectivity(hass, f"datalogger/T{number}") for number in range(300)} == {"on"}


async def test_hundreds_that_fall_silent_at_once_flip_in_slices(
    hass: HomeAssistant,
) -> None:
    entry = await setup_site(hass, options={"offline_after": 60})
    fire(hass, *range(300))
    await until(lambda: connectivity(hass, "datalogger/T299") == "on")
    fire(hass, *range(300))
    entry.runtime_data.fleet.set_site_offline_after(0.1)
    entry.runtime_data.watch.async_arm()
    seen: set[int] = set()
    records = entry.runtime_data.fleet.records.values()

    def all_offline() -> bool:
        seen.add(sum(record.online is False for record in records))
        return 300 in seen

    await until(all_offline)
    await hass.async_block_till_done()
    assert len(seen) > 3
    assert {connectivity(hass, f"datalogger/T{number}") for number in range(300)} == {"off"}


@pytest.mark.timeout(300)  # a busy machine needs more than a minute
async def test_the_largest_site_there_may_be_falls_silent_to_the_last_device(
    hass: HomeAssistant, hass_storage: dict[str, Any], freezer: FrozenDateTimeFactory
) -> None:
    entry = MockConfigEntry(
        domain=DOMAIN, title=SITE, unique_id=SITE, data={CONF_SITE_CODE: SITE}, options={"max_devices": 9900}
    )
    entry.add_to_hass(hass)
    devices = [
        {"key": f"datalogger/T{number}", "address": f"monstro/{number}", "created": 0.0, "online": True}
        for number in range(9900)
    ]
    hass_storage[f"{DOMAIN}.{entry.entry_id}"] = {
        "version": 1,
        "minor_version": 1,
        "key": f"{DOMAIN}.{entry.entry_id}",
        "data": {"devices": devices, "deleted": [], "monitoring": True},
    }
    hass.loop.set_debug(False)  # it would note for each callback where it came from
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    await advance(hass, freezer, 30.1)
    assert {connectivity(hass, f"datalogger/T{number}") for number in range(9900)} == {"off"}


# The end, and bad beginnings


async def test_a_closed_site_ignores_what_still_arrives(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await setup_site(hass)
    await beat(hass, A)
    site: Site = entry.runtime_data
    assert await hass.config_entries.async_unload(entry.entry_id)
    saved = [(record.key, record.online) for record in site.fleet.records.values()]
    messages = site.watch.messages
    await publish(hass, f"{SITE}/datalogger/monstro/1/heartbeat", {"serial_number": "LATE"})
    await advance(hass, freezer, 100)
    assert site.watch.messages == messages
    assert [(record.key, record.online) for record in site.fleet.records.values()] == saved
    assert timers(hass) == []


async def test_what_happens_while_its_entities_are_being_unloaded_is_left_for_the_next_time(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    """A device that is discovered then would get entities that nobody unloads."""
    entry = await setup_site(hass)
    await beat(hass, A)
    unload = hass.config_entries.async_unload_platforms

    async def busy(*args: Any) -> bool:
        await beat(hass, B)
        unloaded = await unload(*args)
        await beat(hass, C)
        await advance(hass, freezer, 31)
        return unloaded

    with patch.object(hass.config_entries, "async_unload_platforms", busy):
        assert await hass.config_entries.async_unload(entry.entry_id)
    assert connectivity(hass, C) is None
    assert await hass.config_entries.async_setup(entry.entry_id)
    await beat(hass, B, C)
    assert states(hass, A, B, C) == ["on", "on", "on"]


async def test_what_the_user_does_while_its_entities_are_being_unloaded_is_kept_and_starts_nothing(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass, options={"max_devices": 1})
    await beat(hass, A, B)
    site: Site = entry.runtime_data
    unload = hass.config_entries.async_unload_platforms

    async def busy(*args: Any) -> bool:
        hass.config_entries.async_update_entry(entry, options={"max_devices": 1, "offline_after": 10})
        site.async_set_offline_after([site.fleet.records[A]], 60)
        assert timers(hass) == []
        site.async_set_monitoring(False)
        site.async_set_monitoring(True)
        assert timers(hass) == []
        site.async_set_monitoring(False)
        return await unload(*args)

    with patch.object(hass.config_entries, "async_unload_platforms", busy):
        assert await hass.config_entries.async_unload(entry.entry_id)
    assert timers(hass) == []
    assert not [domain for domain, _ in ir.async_get(hass).issues if domain == DOMAIN]
    await advance(hass, freezer, 61)
    assert site.fleet.records[A].online
    assert await hass.config_entries.async_setup(entry.entry_id)
    state = hass.states.get("switch.sito_001_monitoring")
    assert state
    assert state.state == "off"
    assert entry.runtime_data.fleet.records[A].offline_after == 60


async def test_a_deleted_sites_file_does_not_come_back(
    hass: HomeAssistant, hass_storage: dict[str, Any], freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass)
    site: Site = entry.runtime_data
    save = site._store._store.async_save

    async def busy(data: dict[str, Any]) -> None:
        await save(data)
        site.async_set_monitoring(False)

    with patch.object(site._store._store, "async_save", busy):
        assert await hass.config_entries.async_remove(entry.entry_id)
    await advance(hass, freezer, 11)
    assert f"{DOMAIN}.{entry.entry_id}" not in hass_storage


@pytest.mark.parametrize("moment", ["storage.SiteStore.async_load", "site.Site.async_start"])
async def test_options_that_are_set_while_it_is_being_set_up_are_applied(hass: HomeAssistant, moment: str) -> None:
    entry = MockConfigEntry(domain=DOMAIN, title=SITE, unique_id=SITE, data={CONF_SITE_CODE: SITE})
    entry.add_to_hass(hass)
    where = f"custom_components.site_devices.site.{moment}"
    go_on = pkgutil.resolve_name(where)

    async def busy(*args: Any) -> Any:
        hass.config_entries.async_update_entry(entry, options={"offline_after": 10, "max_devices": 7})
        return await go_on(*args)

    with patch(where, busy):
        assert await hass.config_entries.async_setup(entry.entry_id)
    fleet = entry.runtime_data.fleet
    assert (fleet.deadlines.offline_after, fleet.max_devices) == (10, 7)


async def test_when_home_assistant_stops_nothing_flips_any_more_and_all_is_saved(
    hass: HomeAssistant, hass_storage: dict[str, Any], freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass)
    await beat(hass, A)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await hass.async_block_till_done()
    lose_connection(hass)
    await beat(hass, B)
    await advance(hass, freezer, 100)
    assert states(hass, A, B) == ["on", None]
    stored = hass_storage[f"{DOMAIN}.{entry.entry_id}"]["data"]["devices"]
    assert [(device["key"], device["online"]) for device in stored] == [(A, True)]


async def test_the_last_heartbeats_are_saved_every_quarter_of_an_hour(
    hass: HomeAssistant, hass_storage: dict[str, Any], freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass, options={"offline_after": 3600})  # nothing flips, which would save as well
    saved_in: dict[float, int] = {}
    for minute in range(32):
        await beat(hass, A)
        await advance(hass, freezer, 60)
        saved_in.setdefault(stored(hass_storage, entry)["last_heartbeat"], minute)
    assert list(saved_in.values()) == [0, 15, 30]


async def test_the_last_heartbeats_are_saved_when_home_assistant_stops(
    hass: HomeAssistant, hass_storage: dict[str, Any], freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass)
    await beat(hass, A)
    await advance(hass, freezer, 20)
    await beat(hass, A)
    heard = entry.runtime_data.fleet.records[A].last_heartbeat
    assert stored(hass_storage, entry)["last_heartbeat"] < heard
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_FINAL_WRITE)
    await hass.async_block_till_done()
    assert stored(hass_storage, entry)["last_heartbeat"] == heard


async def test_what_the_user_decides_is_saved_within_seconds(
    hass: HomeAssistant, hass_storage: dict[str, Any], freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass, options={"offline_after": 3600})
    site: Site = entry.runtime_data
    await beat(hass, A)
    await advance(hass, freezer, 11)
    assert "offline_after" not in stored(hass_storage, entry)
    site.async_set_offline_after([site.fleet.records[A]], 60)
    await advance(hass, freezer, 11)
    assert stored(hass_storage, entry)["offline_after"] == 60
    site.async_set_monitoring(False)
    await advance(hass, freezer, 11)
    assert hass_storage[f"{DOMAIN}.{entry.entry_id}"]["data"]["monitoring"] is False


@pytest.mark.parametrize(
    ("where", "mqtt"),
    [
        ("mqtt_is_loaded", {"return_value": False}),
        ("site.subscription.mqtt.async_subscribe", {"side_effect": HomeAssistantError}),
    ],
    ids=["not there", "gone at the last moment"],
)
async def test_a_site_waits_for_mqtt(hass: HomeAssistant, where: str, mqtt: dict[str, Any]) -> None:
    with patch(f"custom_components.site_devices.{where}", **mqtt):
        entry = await setup_site(hass)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert timers(hass) == []
    assert await hass.config_entries.async_reload(entry.entry_id)
    await beat(hass, A)
    assert states(hass, A) == ["on"]
