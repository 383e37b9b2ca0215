"""Deleting devices: what is not online can go, and comes back only when it lives."""

from __future__ import annotations

from homeassistant.config_entries import ConfigEntryDisabler, ConfigEntryState
from homeassistant.core import Event, HomeAssistant, State, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.site_devices import async_remove_config_entry_device
from custom_components.site_devices.const import DOMAIN

from . import change_hardware, deliver
from .live_site import LiveSite

pytestmark = pytest.mark.usefixtures("broker", "quiet")


async def delete(site: LiveSite, serial: str | None = "TEST123") -> None:
    """Do what Home Assistant does when the user presses Delete."""
    assert await async_remove_config_entry_device(site.hass, site.entry, site.page(serial))
    await delete_page(site, serial)


async def delete_page(site: LiveSite, serial: str | None = "TEST123") -> None:
    """Delete a page without asking us, as another integration, a script or Home Assistant itself may do."""
    dr.async_get(site.hass).async_remove_device(site.page(serial).id)
    await site.hass.async_block_till_done()


def states_of_devices(site: LiveSite) -> list[State]:
    return [state for state in site.hass.states.async_all() if "monstro" in state.entity_id]


@pytest.fixture
async def deleted(site: LiveSite) -> LiveSite:
    """A site whose only device was deleted."""
    await site.heartbeat()
    await site.report(temperature=21)
    assert site.state("sensor.monstro_1_temperature") == "21"
    await site.advance(31)
    await delete(site)
    return site


async def test_an_offline_device_goes_with_all_its_entities(deleted: LiveSite) -> None:
    assert not states_of_devices(deleted)
    await deleted.report(temperature=22)
    await deleted.advance(120)
    assert not states_of_devices(deleted)
    await deleted.advance(1)
    assert deleted.state("sensor.sito_001_devices_known") == "0"


async def test_home_assistant_itself_deletes_a_page_since_others_may_share_it(site: LiveSite) -> None:
    await site.heartbeat()
    await site.advance(31)
    page = site.page("TEST123")
    assert await async_remove_config_entry_device(site.hass, site.entry, page)
    assert dr.async_get(site.hass).async_get(page.id)
    assert site.fleet.records == {}


async def test_a_live_heartbeat_brings_a_deleted_device_back_a_retained_one_does_not(deleted: LiveSite) -> None:
    await deleted.reload()
    await deleted.heartbeat(retain=True)
    assert deleted.connectivity() is None
    await deleted.heartbeat()
    assert deleted.connectivity() == "on"
    await deleted.report(temperature=22)
    assert deleted.state("sensor.monstro_1_temperature") == "22"


async def test_an_online_device_stays(hass: HomeAssistant, site: LiveSite) -> None:
    await site.heartbeat()
    with pytest.raises(HomeAssistantError) as refused:
        await delete(site)
    assert refused.value.translation_key == "online_not_removable"
    assert "monstro/1 (TEST123) is online" in str(refused.value)
    assert site.connectivity() == "on"


async def test_the_sites_own_device_stays(hass: HomeAssistant, site: LiveSite) -> None:
    with pytest.raises(HomeAssistantError) as refused:
        await delete(site, None)
    assert refused.value.translation_key == "site_not_removable"


async def test_a_page_without_a_device_can_go(hass: HomeAssistant, site: LiveSite) -> None:
    dr.async_get(hass).async_get_or_create(
        config_entry_id=site.entry.entry_id, identifiers={(DOMAIN, "sito_001/datalogger/LEFT")}, serial_number="LEFT"
    )
    await delete(site, "LEFT")


async def test_a_device_that_never_lived_can_go(hass: HomeAssistant, site: LiveSite) -> None:
    await site.heartbeat(retain=True)
    assert site.connectivity() == "unknown"
    await delete(site)
    assert site.connectivity() is None
    assert not [entity for entity in site.entities() if "TEST123" in entity.unique_id]


async def test_the_other_device_at_its_address_gets_the_plain_name(hass: HomeAssistant, site: LiveSite) -> None:
    await change_hardware(hass, site.freezer)
    assert site.page("OLD").name == "monstro/1 (OLD)"
    await site.advance(31)
    await delete(site, "NEW")
    await site.advance(60)
    assert site.page("OLD").name == "monstro/1"


async def test_a_device_that_is_deleted_before_it_has_a_page_gets_none(hass: HomeAssistant, site: LiveSite) -> None:
    deliver(hass, "sito_001/datalogger/monstro/1/heartbeat", {"serial_number": "TEST123"}, retain=True)
    (record,) = site.fleet.records.values()
    site.running.async_remove(record)
    await hass.async_block_till_done()
    pages = dr.async_entries_for_config_entry(dr.async_get(hass), site.entry.entry_id)
    assert [device.serial_number for device in pages] == [None]
    assert site.connectivity() is None


# Pages that something else deletes


@pytest.mark.parametrize("online", [True, False])
async def test_a_device_whose_page_is_deleted_by_others_goes_as_if_by_the_user(
    hass: HomeAssistant, site: LiveSite, online: bool
) -> None:
    await site.heartbeat()
    await site.report(temperature=21)
    if not online:
        await site.advance(31)
    await delete_page(site)
    assert (site.fleet.records, list(site.fleet.deleted)) == ({}, ["datalogger/TEST123"])
    assert not states_of_devices(site)
    await site.advance(2)
    assert site.state("sensor.sito_001_devices_known") == "0"
    await site.heartbeat(retain=True)
    assert site.connectivity() is None
    await site.heartbeat()
    assert site.connectivity() == "on"


@pytest.mark.parametrize(("gone", "kept"), [("OTHER", "FIRST"), ("FIRST", "OTHER")])
async def test_everybody_goes_offline_in_time_when_a_page_at_a_shared_address_was_deleted_by_others(
    hass: HomeAssistant, site: LiveSite, gone: str, kept: str
) -> None:
    """The device itself lives on, and its neighbour's silence changes what its page is called."""
    await site.heartbeat(serial="OTHER")
    await site.heartbeat(serial="FIRST")
    await site.heartbeat("gateway/1", "GATE")
    await delete_page(site, gone)
    await site.advance(20)
    await site.heartbeat(serial=gone)
    await site.advance(11)
    assert site.connectivity(f"datalogger/{kept}") == "off"
    assert site.connectivity("gateway/GATE") == "off"
    assert site.connectivity(f"datalogger/{gone}") == "on"
    await site.advance(20)
    assert site.connectivity(f"datalogger/{gone}") == "off"


async def test_a_page_that_is_gone_before_we_hear_of_it_is_not_written(hass: HomeAssistant, site: LiveSite) -> None:
    """Whoever hears of the deletion first may change what stands on it; the latest end tells of an event after another."""

    @callback
    def before_us(event: Event[dr.EventDeviceRegistryUpdatedData]) -> None:
        if event.data["action"] == "remove":
            site.running.pages._describe(site.fleet.records["datalogger/TEST123"])

    await site.unload()
    hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, before_us)
    await site.load()
    await site.heartbeat()
    await delete_page(site)
    assert site.fleet.records == {}


async def test_the_sites_own_page_comes_back_with_everything_on_it_and_below_it(
    hass: HomeAssistant, site: LiveSite
) -> None:
    await site.heartbeat()
    before = {entity.unique_id for entity in site.entities()}
    await delete_page(site, None)
    assert site.entry.state is ConfigEntryState.LOADED
    assert {entity.unique_id for entity in site.entities()} == before
    assert site.page().via_device_id == site.page(None).id
    assert site.page().name == "monstro/1"
    assert site.connectivity() == "on"
    await site.heartbeat(serial="NEW")
    await site.advance(31)
    assert site.connectivity("datalogger/NEW") == site.connectivity() == "off"


async def test_other_pages_are_no_business_of_ours(hass: HomeAssistant, site: LiveSite) -> None:
    await site.heartbeat()
    running = site.running
    other = MockConfigEntry(domain="other")
    other.add_to_hass(hass)
    devices = dr.async_get(hass)
    foreign = devices.async_get_or_create(config_entry_id=other.entry_id, identifiers={("other", "1")})
    devices.async_remove_device(foreign.id)
    await hass.async_block_till_done()
    assert site.running is running
    assert site.connectivity() == "on"


async def test_nobody_is_deleted_when_the_entry_is_disabled(hass: HomeAssistant, site: LiveSite) -> None:
    await site.heartbeat()
    for disabled_by in (ConfigEntryDisabler.USER, None):
        await hass.config_entries.async_set_disabled_by(site.entry.entry_id, disabled_by)
        await hass.async_block_till_done()
    assert site.entry.state is ConfigEntryState.LOADED
    assert list(site.fleet.records) == ["datalogger/TEST123"]
    assert site.connectivity() == "on"


async def test_nobody_reacts_to_the_pages_that_go_with_their_entry(
    hass: HomeAssistant, site: LiveSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.heartbeat()
    fleet = site.fleet
    reloads: list[str] = []
    monkeypatch.setattr(hass.config_entries, "async_schedule_reload", reloads.append)
    assert await hass.config_entries.async_remove(site.entry.entry_id)
    await hass.async_block_till_done()
    assert not dr.async_entries_for_config_entry(dr.async_get(hass), site.entry.entry_id)
    assert list(fleet.records) == ["datalogger/TEST123"]
    assert not reloads
