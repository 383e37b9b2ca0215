"""The options of a site: what they show, what they take, and that they take effect in place."""

from __future__ import annotations

import re
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.translation import async_get_translations
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.site_devices.const import DOMAIN

from . import connectivity, heartbeat, publish, setup_site

pytestmark = pytest.mark.usefixtures("broker", "quiet")

DEFAULTS = {
    "offline_after": 30,
    "new_devices": "add",
    "max_devices": 1000,
    "data_entities": True,
    "data_interval": 0,
}


async def open_options(hass: HomeAssistant, entry: MockConfigEntry) -> Any:
    flow = await hass.config_entries.options.async_init(entry.entry_id)
    assert (flow["type"], flow["step_id"]) == (FlowResultType.FORM, "init")
    return flow


async def submit(hass: HomeAssistant, entry: MockConfigEntry, **options: Any) -> Any:
    """Open the options, change some and submit."""
    flow = await open_options(hass, entry)
    result = await hass.config_entries.options.async_configure(flow["flow_id"], options)
    await hass.async_block_till_done()
    return result


def how_full(flow: Any) -> tuple[str, ...]:
    """Return devices, and how many more may come; entities, and how many more fit for data."""
    said = flow["description_placeholders"]
    return tuple(said[name] for name in ("devices", "more_devices", "entities", "more_entities"))


async def test_they_show_the_defaults(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    assert (await open_options(hass, entry))["data_schema"]({}) == DEFAULTS


async def test_they_show_what_was_set(hass: HomeAssistant) -> None:
    options = {
        "offline_after": 60,
        "new_devices": "ignore",
        "max_devices": 5,
        "data_entities": False,
        "data_interval": 10,
    }
    entry = await setup_site(hass)
    assert (await submit(hass, entry, **options))["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options == options
    assert (await open_options(hass, entry))["data_schema"]({}) == options


async def test_numbers_are_whole_as_they_are_stored(hass: HomeAssistant) -> None:
    """A number field of Home Assistant gives 60.0."""
    entry = await setup_site(hass)
    await submit(hass, entry, offline_after=60.0, max_devices=5.0, data_interval=10.0)
    stored = [entry.options[name] for name in ("offline_after", "max_devices", "data_interval")]
    assert stored == [60, 5, 10]
    assert {type(number) for number in stored} == {int}


async def test_they_take_effect_in_place(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    site = entry.runtime_data
    await submit(hass, entry, offline_after=60, new_devices="ignore", max_devices=7, data_entities=False)
    assert entry.runtime_data is site
    assert (site.fleet.deadlines.offline_after, site.fleet.accept_new, site.fleet.max_devices) == (60, False, 7)
    assert not site.data.enabled
    await heartbeat(hass, "gateway/1", "GATE")
    assert connectivity(hass, "gateway/GATE") is None


@pytest.mark.parametrize(
    ("option", "bounds"), [("offline_after", (5, 86_400)), ("max_devices", (1, 9_900)), ("data_interval", (0, 3_600))]
)
async def test_bounds(hass: HomeAssistant, option: str, bounds: tuple[int, int]) -> None:
    entry = await setup_site(hass)
    for number in bounds:
        await submit(hass, entry, **{option: number})
        assert entry.options[option] == number
    for number in (bounds[0] - 1, bounds[1] + 1):
        with pytest.raises(InvalidData) as refused:
            await submit(hass, entry, **{option: number})
        assert option in refused.value.schema_errors
        assert entry.options[option] == bounds[1]


async def test_a_choice_that_there_is_not(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    with pytest.raises(InvalidData):
        await submit(hass, entry, new_devices="perhaps")


async def test_how_full_the_site_is(hass: HomeAssistant) -> None:
    entry = await setup_site(hass, options={"max_devices": 10})
    # the site's own: two binary sensors, three counts, its events and its switch
    assert how_full(await open_options(hass, entry)) == ("0", "10", "7", str(9900 - 7 - 10))

    await heartbeat(hass)
    await heartbeat(hass, "gateway/1", "GATE")
    await publish(hass, "sito_001/gateway/1/input", {"serial_number": "GATE", "temperature": 21})
    # two devices with their connectivity, and one value; what is disabled counts for nothing
    assert how_full(await open_options(hass, entry)) == ("2", "8", "10", str(9900 - 10 - 8))


async def test_a_site_with_more_devices_than_it_now_takes(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    for number in range(3):
        await heartbeat(hass, f"gateway/{number}", f"G{number}")
    await submit(hass, entry, max_devices=2)
    assert how_full(await open_options(hass, entry)) == ("3", "0", "10", "9890")


async def test_a_full_site(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("custom_components.site_devices.site.budget.MAX_ENTITIES", 5)
    entry = await setup_site(hass)
    assert how_full(await open_options(hass, entry))[3] == "0"


async def test_what_they_say_still_fits_does(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("custom_components.site_devices.site.budget.MAX_ENTITIES", 20)
    entry = await setup_site(hass, options={"max_devices": 5})
    await heartbeat(hass)
    more = int(how_full(await open_options(hass, entry))[3])
    assert more == 20 - 8 - 4
    values = {f"value {number}": number for number in range(50)}
    await publish(hass, "sito_001/datalogger/monstro/1/input", {"serial_number": "TEST123", **values})
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    assert sum("/in/" in entity.unique_id for entity in entities) == more
    assert how_full(await open_options(hass, entry))[3] == "0"


async def test_a_site_that_is_not_loaded(hass: HomeAssistant) -> None:
    entry = await setup_site(hass, options={"max_devices": 10})
    await heartbeat(hass)
    await hass.config_entries.async_unload(entry.entry_id)
    assert how_full(await open_options(hass, entry))[:3] == ("1", "9", "8")
    await submit(hass, entry, offline_after=60)
    assert entry.options["offline_after"] == 60


async def test_the_pages_of_others_do_not_count(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    other = await setup_site(hass, "sito_002")
    await heartbeat(hass, site="sito_002")
    assert how_full(await open_options(hass, entry))[0] == "0"
    assert how_full(await open_options(hass, other))[0] == "1"


async def test_every_option_is_explained_and_every_number_told(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    flow = await open_options(hass, entry)
    for language in ("en", "it"):
        texts = await async_get_translations(hass, language, "options", {DOMAIN})
        step = {key.removeprefix(f"component.{DOMAIN}.options.step.init."): text for key, text in texts.items()}
        for option in DEFAULTS:
            assert step[f"data.{option}"]
            assert step[f"data_description.{option}"]
        assert set(re.findall(r"{(\w+)}", step["description"])) == flow["description_placeholders"].keys()
