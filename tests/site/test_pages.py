"""The device pages: what stands on them, and how often they are written."""

from __future__ import annotations

import asyncio
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.site_devices.const import DOMAIN

from .. import advance, change_hardware, connectivity, deliver, heartbeat, page, setup_site
from .reports import site_with_device

pytestmark = pytest.mark.usefixtures("broker", "quiet")


def writes(hass: HomeAssistant) -> list[str]:
    """Return a list that grows with each write of a page."""
    written: list[str] = []

    @callback
    def updated(event: Event[dr.EventDeviceRegistryUpdatedData]) -> None:
        written.append(event.data["action"])

    hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, updated)
    return written


async def test_each_device_and_the_site_have_a_page(hass: HomeAssistant) -> None:
    entry = await site_with_device(hass)
    await heartbeat(hass, "gateway/1", "GW")
    site, datalogger, gateway = (page(hass, entry, serial) for serial in (None, "TEST123", "GW"))
    assert (site.name, site.entry_type) == ("sito_001", dr.DeviceEntryType.SERVICE)
    assert site.identifiers == {(DOMAIN, "sito_001")}
    assert (datalogger.name, datalogger.model, datalogger.manufacturer) == ("monstro/1", "monstro", None)
    assert (gateway.name, gateway.model) == ("Gateway 1", "Gateway")
    assert datalogger.via_device_id == gateway.via_device_id == site.id


async def test_what_a_device_says_of_itself_stands_on_its_page(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    await heartbeat(
        hass, name="North hall", manufacturer="Acme", model="M7", firmware="1.2", hw_version=3, serial_number_2="x"
    )
    device = page(hass, entry)
    assert (device.name, device.manufacturer, device.model, device.sw_version, device.hw_version) == (
        "North hall", "Acme", "M7", "1.2", "3",
    )  # fmt: skip


async def test_the_first_change_is_written_at_once_and_of_further_ones_the_last_once_a_minute(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await site_with_device(hass, options={"offline_after": 600})
    written = writes(hass)
    await heartbeat(hass, sw_version="1")
    assert page(hass, entry).sw_version == "1"
    for version in ("2", "3", "4"):
        await heartbeat(hass, sw_version=version)
    assert page(hass, entry).sw_version == "1"
    await advance(hass, freezer, 61)
    assert page(hass, entry).sw_version == "4"
    assert written == ["update"] * 2

    for version in ("5", "6"):
        await heartbeat(hass, sw_version=version)
    assert page(hass, entry).sw_version == "4"  # it was written a moment ago
    await advance(hass, freezer, 60)
    assert page(hass, entry).sw_version == "6"
    await advance(hass, freezer, 60)
    assert written == ["update"] * 3
    await heartbeat(hass, sw_version="7")
    assert page(hass, entry).sw_version == "7"


async def test_a_device_that_changes_with_every_heartbeat_is_written_once_a_minute(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    await site_with_device(hass)
    written = writes(hass)
    for number in range(60):
        await advance(hass, freezer, 10)
        await heartbeat(hass, sw_version=str(number))
    assert 10 <= len(written) <= 11


async def many_that_changed(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> tuple[MockConfigEntry, list[str]]:
    """Let twenty devices change what they say, and each writing of a page take as long as it may on a slow machine."""
    entry = await setup_site(hass)
    for version in ("1", "2", "3"):
        for number in range(20):
            await heartbeat(hass, f"gateway/{number}", f"G{number}", sw_version=version)
    written = writes(hass)

    @callback
    def take_time(_event: Event[dr.EventDeviceRegistryUpdatedData]) -> None:
        freezer.tick(0.002)

    hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, take_time)
    return entry, written


async def test_many_that_change_do_not_hold_the_loop(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry, written = await many_that_changed(hass, freezer)
    pages = entry.runtime_data.pages
    pages.async_minute_over()
    for so_far in (3, 6):
        await asyncio.sleep(0)
        assert len(written) == so_far
    await heartbeat(hass, "gateway/0", "G0", sw_version="4")  # whether it has been written already or not
    before = len(written)
    pages.async_minute_over()
    assert len(written) == before < 20
    for _ in range(10):
        await asyncio.sleep(0)
    assert {page(hass, entry, f"G{number}").sw_version for number in range(1, 20)} == {"3"}
    assert page(hass, entry, "G0").sw_version == "4"
    assert 20 <= len(written) <= 21


async def test_what_is_not_written_when_the_site_is_unloaded_is_written_with_its_next_start(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry, written = await many_that_changed(hass, freezer)
    entry.runtime_data.pages.async_minute_over()
    await asyncio.sleep(0)
    assert await hass.config_entries.async_unload(entry.entry_id)
    await asyncio.sleep(0)
    assert len(written) == 3
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert {page(hass, entry, f"G{number}").sw_version for number in range(20)} == {"3"}


async def test_a_page_that_cannot_be_written_keeps_no_other_from_that(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither those of this minute nor those of any later one."""
    entry = await setup_site(hass)
    await heartbeat(hass, "gateway/1", "BROKEN")
    await heartbeat(hass, "gateway/2", "GATE")
    registry, broken = dr.async_get(hass), page(hass, entry, "BROKEN").id
    update = registry.async_update_device

    def fail(device_id: str, **changes: Any) -> None:
        if device_id == broken:
            raise RuntimeError
        update(device_id, **changes)

    monkeypatch.setattr(registry, "async_update_device", fail)
    for version in ("1", "2", "3"):
        await heartbeat(hass, "gateway/1", "BROKEN", sw_version=version)
        await heartbeat(hass, "gateway/2", "GATE", sw_version=version)
        await advance(hass, freezer, 10)
    for version in ("4", "5"):
        await advance(hass, freezer, 61)
        assert page(hass, entry, "BROKEN").sw_version is None
        assert page(hass, entry, "GATE").sw_version == str(int(version) - 1)
        await heartbeat(hass, "gateway/1", "BROKEN", sw_version=version)
        await heartbeat(hass, "gateway/2", "GATE", sw_version=version)
    assert connectivity(hass, "gateway/BROKEN") == connectivity(hass, "gateway/GATE") == "on"
    assert caplog.text.count("Failed to create or update a device page") == 1
    caplog.clear()


async def test_a_page_that_cannot_be_made_at_the_start_keeps_no_other_from_that(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its entities do not make an empty one."""
    entry = await setup_site(hass)
    for serial in ("A", "BROKEN", "C"):
        await heartbeat(hass, f"gateway/{serial}", serial)
    assert await hass.config_entries.async_unload(entry.entry_id)
    registry = dr.async_get(hass)
    registry.async_remove_device(page(hass, entry, "BROKEN").id)
    make = registry.async_get_or_create

    def fail(**device: Any) -> dr.DeviceEntry:
        if device.get("serial_number") == "BROKEN":
            raise RuntimeError
        return make(**device)

    monkeypatch.setattr(registry, "async_get_or_create", fail)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    pages = dr.async_entries_for_config_entry(registry, entry.entry_id)
    assert {device.serial_number for device in pages} == {None, "A", "C"}
    assert len(pages) == 3
    assert caplog.text.count("Failed to create or update a device page") == 1
    caplog.clear()


async def test_a_change_in_the_moment_of_discovery_is_on_the_page_from_the_start(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    for name in ("first", "second"):
        deliver(hass, "sito_001/gateway/1/heartbeat", {"serial_number": "GW", "name": name})
    await hass.async_block_till_done()
    assert page(hass, entry, "GW").name == "second"


async def test_a_device_that_moves_keeps_its_page_and_is_called_by_its_new_address(hass: HomeAssistant) -> None:
    entry = await site_with_device(hass)
    before = page(hass, entry).id
    await heartbeat(hass, "datalogger/monstro/2")
    assert (page(hass, entry).name, page(hass, entry).id) == ("monstro/2", before)


async def test_the_name_that_the_user_gave_stays(hass: HomeAssistant) -> None:
    entry = await site_with_device(hass)
    dr.async_get(hass).async_update_device(page(hass, entry).id, name_by_user="Mine", area_id="hall")
    await heartbeat(hass, name="Theirs")
    device = page(hass, entry)
    assert (device.name_by_user, device.area_id, device.name) == ("Mine", "hall", "Theirs")


async def test_a_device_is_muted_while_the_user_has_its_own_page_disabled(hass: HomeAssistant) -> None:
    entry = await site_with_device(hass)
    (record,) = entry.runtime_data.fleet.records.values()
    other = MockConfigEntry(domain="other")
    other.add_to_hass(hass)
    devices = dr.async_get(hass)
    foreign = devices.async_get_or_create(config_entry_id=other.entry_id, identifiers={("other", "1")})
    for device in (foreign, page(hass, entry, None), page(hass, entry)):
        assert not record.muted
        devices.async_update_device(device.id, disabled_by=dr.DeviceEntryDisabler.USER)
        await hass.async_block_till_done()
    assert record.muted
    devices.async_update_device(device.id, name_by_user="Mine")
    await hass.async_block_till_done()
    assert record.muted
    devices.async_update_device(device.id, disabled_by=None)
    await hass.async_block_till_done()
    assert not record.muted


async def test_a_page_changed_while_its_site_was_not_loaded_is_brought_up_to_date(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass, name="North hall")
    assert await hass.config_entries.async_unload(entry.entry_id)
    dr.async_get(hass).async_update_device(page(hass, entry).id, name="Something else")
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert page(hass, entry).name == "North hall"


async def test_the_page_of_a_deleted_device_is_not_written_at_the_end_of_the_minute(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await site_with_device(hass)
    for version in ("1", "2"):
        await heartbeat(hass, sw_version=version)
    await advance(hass, freezer, 31)
    site = entry.runtime_data
    site.async_remove(site.fleet.records["datalogger/TEST123"])
    written = writes(hass)
    await advance(hass, freezer, 31)
    assert written == []


async def test_what_others_hung_on_a_page_is_left_alone_when_hardware_is_replaced(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    """Such as a helper that the user linked to the device."""
    entry = await setup_site(hass)
    await change_hardware(hass, freezer)
    entities = er.async_get(hass)
    device_id = page(hass, entry, "OLD").id
    helper = entities.async_get_or_create("sensor", "utility_meter", "of a user", device_id=device_id)
    records = entry.runtime_data.fleet.records
    entry.runtime_data.async_replace(records["datalogger/OLD"], records["datalogger/NEW"])
    assert page(hass, entry, "NEW").id == device_id
    kept = {each.unique_id for each in er.async_entries_for_device(entities, device_id)}
    assert {"of a user", "sito_001/datalogger/NEW/connectivity"} <= kept
    assert not any("OLD" in unique_id for unique_id in kept)
    assert entities.async_get(helper.entity_id).device_id == device_id
