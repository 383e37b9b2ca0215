"""Deleting devices: what is not online can go, and comes back only when it lives."""

from __future__ import annotations

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigEntryDisabler, ConfigEntryState
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.site_devices import async_remove_config_entry_device
from custom_components.site_devices.const import DOMAIN

from . import advance, change_hardware, connectivity, deliver, heartbeat, page, publish, setup_site

pytestmark = pytest.mark.usefixtures("broker", "quiet")


async def delete(hass: HomeAssistant, entry: MockConfigEntry, serial: str | None) -> None:
    """Do what Home Assistant does when the user presses Delete."""
    device = page(hass, entry, serial)
    assert await async_remove_config_entry_device(hass, entry, device)
    registry = dr.async_get(hass)
    if registry.async_get(device.id):  # the integration may have removed it already
        registry.async_remove_device(device.id)
    await hass.async_block_till_done()


async def deleted(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> MockConfigEntry:
    """Set up a site, and delete the device that it knew."""
    entry = await setup_site(hass)
    await heartbeat(hass)
    await publish(hass, "sito_001/datalogger/monstro/1/input", {"serial_number": "TEST123", "temperature": 21})
    assert hass.states.get("sensor.monstro_1_temperature").state == "21"
    await advance(hass, freezer, 31)
    await delete(hass, entry, "TEST123")
    return entry


async def test_an_offline_device_goes_with_all_its_entities(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    await deleted(hass, freezer)
    assert not [state for state in hass.states.async_all() if "monstro" in state.entity_id]
    await publish(hass, "sito_001/datalogger/monstro/1/input", {"serial_number": "TEST123", "temperature": 22})
    await advance(hass, freezer, 120)
    assert not [state for state in hass.states.async_all() if "monstro" in state.entity_id]
    await advance(hass, freezer, 1)
    assert hass.states.get("sensor.sito_001_devices_known").state == "0"


async def test_a_live_heartbeat_brings_it_back_a_retained_one_does_not(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await deleted(hass, freezer)
    await hass.config_entries.async_reload(entry.entry_id)
    await heartbeat(hass, retain=True)
    assert connectivity(hass) is None
    await heartbeat(hass)
    assert connectivity(hass) == "on"
    await publish(hass, "sito_001/datalogger/monstro/1/input", {"serial_number": "TEST123", "temperature": 22})
    assert hass.states.get("sensor.monstro_1_temperature").state == "22"


async def test_an_online_device_stays(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    with pytest.raises(HomeAssistantError) as refused:
        await delete(hass, entry, "TEST123")
    assert refused.value.translation_key == "online_not_removable"
    assert "monstro/1 (TEST123) is online" in str(refused.value)
    assert connectivity(hass) == "on"


async def test_the_sites_own_device_stays(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    with pytest.raises(HomeAssistantError) as refused:
        await delete(hass, entry, None)
    assert refused.value.translation_key == "site_not_removable"


async def test_a_page_without_a_device_can_go(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={(DOMAIN, "sito_001/datalogger/LEFT")}, serial_number="LEFT"
    )
    await delete(hass, entry, "LEFT")


async def test_a_device_that_never_lived_can_go(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass, retain=True)
    assert connectivity(hass) == "unknown"
    await delete(hass, entry, "TEST123")
    assert connectivity(hass) is None
    assert not [
        entity
        for entity in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
        if "TEST123" in entity.unique_id
    ]


async def test_the_other_device_at_its_address_gets_the_plain_name(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass)
    await change_hardware(hass, freezer)
    assert page(hass, entry, "OLD").name == "monstro/1 (OLD)"
    await advance(hass, freezer, 31)
    await delete(hass, entry, "NEW")
    await advance(hass, freezer, 60)
    assert page(hass, entry, "OLD").name == "monstro/1"


async def test_one_that_is_deleted_before_it_has_a_page_gets_none(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    deliver(hass, "sito_001/datalogger/monstro/1/heartbeat", {"serial_number": "TEST123"}, retain=True)
    site = entry.runtime_data
    (record,) = site.fleet.records.values()
    site.async_remove(record)
    await hass.async_block_till_done()
    pages = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert [device.serial_number for device in pages] == [None]
    assert connectivity(hass) is None


# Pages that something else deletes: another integration, a script, Home Assistant itself


@pytest.mark.parametrize("online", [True, False])
async def test_a_device_whose_page_is_deleted_by_others_goes_as_if_by_the_user(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, online: bool
) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    await publish(hass, "sito_001/datalogger/monstro/1/input", {"serial_number": "TEST123", "temperature": 21})
    if not online:
        await advance(hass, freezer, 31)
    dr.async_get(hass).async_remove_device(page(hass, entry).id)
    await hass.async_block_till_done()
    fleet = entry.runtime_data.fleet
    assert (fleet.records, list(fleet.deleted)) == ({}, ["datalogger/TEST123"])
    assert not [state for state in hass.states.async_all() if "monstro" in state.entity_id]
    await advance(hass, freezer, 2)
    assert hass.states.get("sensor.sito_001_devices_known").state == "0"
    await heartbeat(hass, retain=True)
    assert connectivity(hass) is None
    await heartbeat(hass)
    assert connectivity(hass) == "on"


@pytest.mark.parametrize(("gone", "kept"), [("OTHER", "FIRST"), ("FIRST", "OTHER")])
async def test_everybody_goes_offline_in_time_when_a_page_at_a_shared_address_was_deleted_by_others(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, gone: str, kept: str
) -> None:
    """The device itself lives on, and its neighbour's silence changes what its page is called."""
    entry = await setup_site(hass)
    await heartbeat(hass, serial="OTHER")
    await heartbeat(hass, serial="FIRST")
    await heartbeat(hass, "gateway/1", "GATE")
    dr.async_get(hass).async_remove_device(page(hass, entry, gone).id)
    await advance(hass, freezer, 20)
    await heartbeat(hass, serial=gone)
    await advance(hass, freezer, 11)
    assert connectivity(hass, f"datalogger/{kept}") == "off"
    assert connectivity(hass, "gateway/GATE") == "off"
    assert connectivity(hass, f"datalogger/{gone}") == "on"
    await advance(hass, freezer, 20)
    assert connectivity(hass, f"datalogger/{gone}") == "off"


async def test_a_page_that_is_gone_before_we_hear_of_it_is_not_written(hass: HomeAssistant) -> None:
    """Whoever hears of the deletion first may change what stands on it; the latest end tells of an event after another."""
    entries: list[MockConfigEntry] = []

    @callback
    def before_us(event: Event[dr.EventDeviceRegistryUpdatedData]) -> None:
        if event.data["action"] == "remove":
            site = entries[0].runtime_data
            site.pages._describe(site.fleet.records["datalogger/TEST123"])

    hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, before_us)
    entries.append(await setup_site(hass))
    await heartbeat(hass)
    dr.async_get(hass).async_remove_device(page(hass, entries[0]).id)
    await hass.async_block_till_done()
    assert entries[0].runtime_data.fleet.records == {}


async def test_the_sites_own_page_comes_back_with_everything_on_it_and_below_it(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    entities = er.async_get(hass)

    def there() -> set[str]:
        return {each.unique_id for each in er.async_entries_for_config_entry(entities, entry.entry_id)}

    before = there()
    dr.async_get(hass).async_remove_device(page(hass, entry, None).id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    assert there() == before
    assert page(hass, entry).via_device_id == page(hass, entry, None).id
    assert page(hass, entry).name == "monstro/1"
    assert connectivity(hass) == "on"
    await heartbeat(hass, serial="NEW")
    await advance(hass, freezer, 31)
    assert connectivity(hass, "datalogger/NEW") == connectivity(hass) == "off"


async def test_other_pages_are_no_business_of_ours(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    site = entry.runtime_data
    other = MockConfigEntry(domain="other")
    other.add_to_hass(hass)
    devices = dr.async_get(hass)
    foreign = devices.async_get_or_create(config_entry_id=other.entry_id, identifiers={("other", "1")})
    devices.async_remove_device(foreign.id)
    await hass.async_block_till_done()
    assert entry.runtime_data is site
    assert connectivity(hass) == "on"


async def test_nobody_is_deleted_when_the_entry_is_disabled(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    for disabled_by in (ConfigEntryDisabler.USER, None):
        await hass.config_entries.async_set_disabled_by(entry.entry_id, disabled_by)
        await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    assert list(entry.runtime_data.fleet.records) == ["datalogger/TEST123"]
    assert connectivity(hass) == "on"


async def test_nobody_reacts_to_the_pages_that_go_with_their_entry(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    site = entry.runtime_data
    reloads: list[str] = []
    monkeypatch.setattr(hass.config_entries, "async_schedule_reload", reloads.append)
    assert await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()
    assert not dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert list(site.fleet.records) == ["datalogger/TEST123"]
    assert not reloads
