"""How many devices and data entities fit into a config entry, of which Home Assistant takes so many."""

from __future__ import annotations

from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_platform, entity_registry as er, issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.site_devices.const import DOMAIN

from .. import SITE, advance, connectivity, deliver, heartbeat, page, publish, setup_site
from .reports import SITE_ENTITIES, entity_id, reload, set_options, settle

pytestmark = pytest.mark.usefixtures("broker")

DATA, DEVICES, HOME_ASSISTANT = 50, 55, 60  # as far as data, devices, and anything may fill the entry


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an entry be full with less than thousands; the oldest Home Assistant has no limit of its own."""
    monkeypatch.setattr("custom_components.site_devices.site.budget.MAX_ENTITIES", DATA)
    monkeypatch.setattr("custom_components.site_devices.site.budget._MAX_WITH_DEVICES", DEVICES)
    monkeypatch.setattr(entity_platform, "MAX_ENABLED_ENTITIES_PER_CONFIG_ENTRY", HOME_ASSISTANT, raising=False)


def raised(hass: HomeAssistant, entry: MockConfigEntry) -> set[str]:
    return {
        issue_id.removeprefix(f"{entry.entry_id}_")
        for (domain, issue_id), issue in ir.async_get(hass).issues.items()
        if domain == DOMAIN and issue.active
    }


def shown(hass: HomeAssistant, numbers: range) -> list[int]:
    """Return which of these devices are online for Home Assistant."""
    return [number for number in numbers if connectivity(hass, f"gateway/G{number}") == "on"]


async def beats(hass: HomeAssistant, numbers: range) -> None:
    for number in numbers:
        deliver(hass, f"{SITE}/gateway/{number}/heartbeat", {"serial_number": f"G{number}"})
    await settle(hass)


async def values(hass: HomeAssistant, many: int) -> None:
    await publish(hass, f"{SITE}/gateway/0/input", {"serial_number": "G0", **{f"x{n}": n for n in range(many)}})


async def full_of_data(hass: HomeAssistant, **options: Any) -> MockConfigEntry:
    """Let data of one device take all that is not kept for others."""
    entry = await setup_site(hass, options={"max_devices": 1, "offline_after": 3600, **options})
    await beats(hass, range(1))
    await values(hass, 60)
    assert entities(hass, entry) == DATA + 1  # Last heartbeat is off
    return entry


def entities(hass: HomeAssistant, entry: MockConfigEntry) -> int:
    return len(er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id))


async def test_devices_are_taken_as_far_as_their_connectivity_fits(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await full_of_data(hass)
    set_options(hass, entry, max_devices=1000)
    await beats(hass, range(1, 20))
    assert shown(hass, range(20)) == [0, *range(1, 1 + DEVICES - DATA)]
    assert len(entry.runtime_data.fleet.records) == 6
    assert raised(hass, entry) & {"device_limit", "entity_limit"} == {"entity_limit"}

    # what the user disables makes room within a minute
    registry = er.async_get(hass)
    for number in range(3):
        disabled = entity_id(hass, f"in/x{number}", "gateway/G0")
        registry.async_update_entity(disabled, disabled_by=er.RegistryEntryDisabler.USER)
    await advance(hass, freezer, 60)
    await beats(hass, range(1, 20))
    assert shown(hass, range(20)) == list(range(9))
    await values(hass, 60)
    assert len(shown(hass, range(20))) == 9  # data took nothing of it

    # a device that is deleted leaves its place at once, and those of its data within a minute
    entry.runtime_data.async_remove(entry.runtime_data.fleet.records["gateway/G0"])
    await beats(hass, range(1, 20))
    assert shown(hass, range(1, 20)) == list(range(1, 10))
    await advance(hass, freezer, 60)
    await beats(hass, range(1, 20))
    await advance(hass, freezer, 600)
    assert shown(hass, range(1, 20)) == list(range(1, 20))
    assert not raised(hass, entry)


@pytest.mark.parametrize(
    ("limit", "known", "options", "which"),
    [
        (3, 3, {}, "device_limit"),  # the option
        (10, 6, {}, "entity_limit"),  # the entities
        (6, 6, {}, "entity_limit"),  # both: to raise the option would not help
        (10, 6, {"new_devices": "ignore"}, None),  # nobody is let in
    ],
)
async def test_what_is_told_to_whom_finds_no_place(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    limit: int,
    known: int,
    options: dict[str, Any],
    which: str | None,
) -> None:
    entry = await full_of_data(hass)
    set_options(hass, entry, max_devices=limit)
    await beats(hass, range(1, 20))
    set_options(hass, entry, **options)
    await advance(hass, freezer, 1.1)
    assert len(entry.runtime_data.fleet.records) == known
    limits = raised(hass, entry) & {"device_limit", "entity_limit"}
    assert limits == ({which} if which else set())


async def test_an_entity_that_is_removed_makes_room_a_second_later(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await full_of_data(hass)
    er.async_get(hass).async_remove("sensor.gateway_0_x0")
    await hass.async_block_till_done()
    await advance(hass, freezer, 1.1)
    await values(hass, 60)
    await settle(hass)
    assert entities(hass, entry) == DATA + 1


async def test_devices_and_data_on_their_way_have_taken_their_places(hass: HomeAssistant) -> None:
    entry = await setup_site(hass, options={"max_devices": 1000, "offline_after": 3600})
    for number in range(60):
        deliver(hass, f"{SITE}/gateway/{number}/heartbeat", {"serial_number": f"G{number}"})
        entry.runtime_data.data.budget.async_count()
    assert not shown(hass, range(60))
    await settle(hass)
    assert shown(hass, range(60)) == list(range(DEVICES - SITE_ENTITIES))


async def test_data_on_its_way_leaves_less_for_devices(hass: HomeAssistant) -> None:
    entry = await setup_site(hass, options={"max_devices": 1, "offline_after": 3600})
    await beats(hass, range(1))
    deliver(hass, f"{SITE}/gateway/0/input", {"serial_number": "G0", **{f"x{n}": n for n in range(60)}})
    set_options(hass, entry, max_devices=1000)
    await beats(hass, range(20))
    assert len(shown(hass, range(20))) == 1 + DEVICES - DATA


@pytest.mark.parametrize("serial", ["G", "a/b", "100%", "%2F"])
async def test_devices_whose_pages_outlived_their_records_need_no_place(
    hass: HomeAssistant, hass_storage: dict[str, Any], freezer: FrozenDateTimeFactory, serial: str
) -> None:
    options = {"max_devices": 1000, "offline_after": 3600}
    entry = await setup_site(hass, options=options)
    names = [f"{serial}{number}" for number in range(DEVICES - SITE_ENTITIES)]
    for number, name in enumerate(names):
        deliver(hass, f"{SITE}/gateway/{number}/heartbeat", {"serial_number": name})
    await settle(hass)
    await hass.config_entries.async_unload(entry.entry_id)
    del hass_storage[f"{DOMAIN}.{entry.entry_id}"]
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    for number, name in enumerate(names):
        deliver(hass, f"{SITE}/gateway/{number}/heartbeat", {"serial_number": name})
    await settle(hass)
    assert len(entry.runtime_data.fleet.records) == len(names)
    await heartbeat(hass, "gateway/99", "NEW")
    assert connectivity(hass, "gateway/NEW") is None
    for _ in range(3):
        await advance(hass, freezer, 60)
    assert "no_connectivity" not in raised(hass, entry)


def without_connectivity(hass: HomeAssistant, entry: MockConfigEntry) -> tuple[str, str]:
    """Return what the repair says: how many devices, and which."""
    issue = ir.async_get(hass).issues[DOMAIN, f"{entry.entry_id}_no_connectivity"]
    assert issue.translation_placeholders
    return issue.translation_placeholders["count"], issue.translation_placeholders["devices"]


@pytest.mark.skipif(
    not hasattr(entity_platform, "MAX_ENABLED_ENTITIES_PER_CONFIG_ENTRY"),
    reason="the oldest Home Assistant refuses no entity",
)
async def test_a_connectivity_that_was_refused_is_told_and_there_once_room_is_made(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await setup_site(hass, options={"offline_after": 3600})
    monkeypatch.setattr(
        entity_platform, "MAX_ENABLED_ENTITIES_PER_CONFIG_ENTRY", SITE_ENTITIES + 2
    )  # the user enabled the rest
    await beats(hass, range(4))
    assert shown(hass, range(4)) == [0, 1]
    await advance(hass, freezer, 60)
    assert "no_connectivity" not in raised(hass, entry)  # they may be on their way
    await advance(hass, freezer, 60)
    assert without_connectivity(hass, entry) == ("2", "Gateway 2 (G2), Gateway 3 (G3)")
    dr.async_get(hass).async_update_device(page(hass, entry, "G3").id, disabled_by=dr.DeviceEntryDisabler.USER)
    await advance(hass, freezer, 1.1)
    assert without_connectivity(hass, entry) == ("1", "Gateway 2 (G2)")  # the other one is muted

    monkeypatch.setattr(entity_platform, "MAX_ENABLED_ENTITIES_PER_CONFIG_ENTRY", HOME_ASSISTANT)
    await reload(hass, entry)
    for _ in range(3):
        await advance(hass, freezer, 60)
    assert "no_connectivity" not in raised(hass, entry)
    await beats(hass, range(4))
    assert shown(hass, range(3)) == [0, 1, 2]


async def test_the_repair_goes_with_the_device(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await setup_site(hass, options={"offline_after": 3600})
    await beats(hass, range(2))
    er.async_get(hass).async_remove(entity_id(hass, "connectivity", "gateway/G1", "binary_sensor"))
    for _ in range(2):
        await advance(hass, freezer, 60)
    assert raised(hass, entry) == {"no_connectivity"}
    await advance(hass, freezer, 1.1)
    entry.runtime_data.async_remove(entry.runtime_data.fleet.records["gateway/G1"])
    await advance(hass, freezer, 1.1)
    assert not raised(hass, entry)


@pytest.mark.parametrize("what", ["new devices", "values", "deleted devices"])
async def test_the_entities_are_counted_once_a_second_at_most(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Counting visits all entities of the site: no message and no deletion may do it."""
    entry = await full_of_data(hass)
    set_options(hass, entry, max_devices=30 if what == "new devices" else 1000)
    await beats(hass, range(6))
    await advance(hass, freezer, 1.1)
    counted: list[int] = []
    entries = er.async_entries_for_config_entry

    def count(registry: er.EntityRegistry, entry_id: str) -> list[er.RegistryEntry]:
        counted.append(1)
        return entries(registry, entry_id)

    monkeypatch.setattr(er, "async_entries_for_config_entry", count)
    site = entry.runtime_data
    for second in range(3):
        for number in range(20):
            if what == "new devices":
                await beats(hass, range(number, number + 20))
            elif what == "values":
                site.data.budget.async_freed()
                await publish(hass, f"{SITE}/gateway/1/input", {"serial_number": "G1", f"y{second}{number}": 1})
            elif site.fleet.records:
                site.async_remove(next(iter(site.fleet.records.values())))
                await beats(hass, range(40, 60))
        await advance(hass, freezer, 1.1)
    assert len(counted) <= 7
