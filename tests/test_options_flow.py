"""The options of a site: what they show, what they take, and that they take effect in place."""

from __future__ import annotations

import re
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.helpers.translation import async_get_translations
import pytest

from custom_components.site_devices.const import DOMAIN

from . import setup_site
from .live_site import LiveSite

pytestmark = pytest.mark.usefixtures("broker", "quiet")

DEFAULTS = {
    "offline_after": 30,
    "new_devices": "add",
    "max_devices": 1000,
    "data_entities": True,
    "data_interval": 0,
}


async def open_options(site: LiveSite) -> Any:
    flow = await site.hass.config_entries.options.async_init(site.entry.entry_id)
    assert (flow["type"], flow["step_id"]) == (FlowResultType.FORM, "init")
    return flow


async def submit(site: LiveSite, **options: Any) -> Any:
    """Open the options, change some and submit."""
    flow = await open_options(site)
    result = await site.hass.config_entries.options.async_configure(flow["flow_id"], options)
    await site.hass.async_block_till_done()
    return result


async def how_full(site: LiveSite) -> tuple[str, ...]:
    """Return devices, and how many more may come; entities, and how many more fit for data."""
    said = (await open_options(site))["description_placeholders"]
    return tuple(said[name] for name in ("devices", "more_devices", "entities", "more_entities"))


async def test_the_options_show_the_defaults(site: LiveSite) -> None:
    assert (await open_options(site))["data_schema"]({}) == DEFAULTS


async def test_the_options_show_what_was_set(site: LiveSite) -> None:
    options = {
        "offline_after": 60,
        "new_devices": "ignore",
        "max_devices": 5,
        "data_entities": False,
        "data_interval": 10,
    }
    assert (await submit(site, **options))["type"] is FlowResultType.CREATE_ENTRY
    assert site.entry.options == options
    assert (await open_options(site))["data_schema"]({}) == options


async def test_numbers_are_whole_as_they_are_stored(site: LiveSite) -> None:
    """A number field of Home Assistant gives 60.0."""
    await submit(site, offline_after=60.0, max_devices=5.0, data_interval=10.0)
    stored = [site.entry.options[name] for name in ("offline_after", "max_devices", "data_interval")]
    assert stored == [60, 5, 10]
    assert {type(number) for number in stored} == {int}


async def test_options_take_effect_in_place(site: LiveSite) -> None:
    await site.heartbeat()
    running = site.running
    await submit(site, offline_after=60, new_devices="ignore", max_devices=7, data_entities=False)
    assert site.running is running
    assert (site.fleet.deadlines.offline_after, site.fleet.accept_new, site.fleet.max_devices) == (60, False, 7)
    assert not site.running.data.enabled
    await site.heartbeat("gateway/1", "GATE")
    assert site.connectivity("gateway/GATE") is None


@pytest.mark.parametrize(
    ("option", "bounds"), [("offline_after", (5, 86_400)), ("max_devices", (1, 9_900)), ("data_interval", (0, 3_600))]
)
async def test_bounds_of_numbers_are_included(site: LiveSite, option: str, bounds: tuple[int, int]) -> None:
    for number in bounds:
        await submit(site, **{option: number})
        assert site.entry.options[option] == number
    for number in (bounds[0] - 1, bounds[1] + 1):
        with pytest.raises(InvalidData) as refused:
            await submit(site, **{option: number})
        assert option in refused.value.schema_errors
        assert site.entry.options[option] == bounds[1]


async def test_a_choice_that_there_is_not_is_refused(site: LiveSite) -> None:
    with pytest.raises(InvalidData):
        await submit(site, new_devices="perhaps")


async def test_how_full_the_site_is(site: LiveSite) -> None:
    await site.set_options(max_devices=10)
    # the site's own: two binary sensors, three counts, its events and its switch
    assert await how_full(site) == ("0", "10", "7", str(9900 - 7 - 10))

    await site.heartbeat()
    await site.heartbeat("gateway/1", "GATE")
    await site.report("gateway/1", "GATE", temperature=21)
    # two devices with their connectivity, and one value; what is disabled counts for nothing
    assert await how_full(site) == ("2", "8", "10", str(9900 - 10 - 8))


async def test_a_site_with_more_devices_than_it_now_takes(site: LiveSite) -> None:
    for number in range(3):
        await site.heartbeat(f"gateway/{number}", f"G{number}")
    await submit(site, max_devices=2)
    assert await how_full(site) == ("3", "0", "10", "9890")


async def test_a_full_site(site: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("custom_components.site_devices.site.budget.MAX_ENTITIES", 5)
    assert (await how_full(site))[3] == "0"


async def test_what_the_options_say_still_fits_does(site: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("custom_components.site_devices.site.budget.MAX_ENTITIES", 20)
    await site.set_options(max_devices=5)
    await site.heartbeat()
    more = int((await how_full(site))[3])
    assert more == 20 - 8 - 4
    values: dict[str, Any] = {f"value {number}": number for number in range(50)}
    await site.report(**values)
    assert sum("/in/" in entity.unique_id for entity in site.entities()) == more
    assert (await how_full(site))[3] == "0"


async def test_the_options_of_a_site_that_is_not_loaded(site: LiveSite) -> None:
    await site.set_options(max_devices=10)
    await site.heartbeat()
    await site.unload()
    assert (await how_full(site))[:3] == ("1", "9", "8")
    await submit(site, offline_after=60)
    assert site.entry.options["offline_after"] == 60


async def test_the_pages_of_others_do_not_count(site: LiveSite) -> None:
    other = LiveSite(site.hass, site.freezer, await setup_site(site.hass, "sito_002"))
    await other.heartbeat(site="sito_002")
    assert (await how_full(site))[0] == "0"
    assert (await how_full(other))[0] == "1"


async def test_every_option_is_explained_and_every_number_told(hass: HomeAssistant, site: LiveSite) -> None:
    flow = await open_options(site)
    for language in ("en", "it"):
        texts = await async_get_translations(hass, language, "options", {DOMAIN})
        step = {key.removeprefix(f"component.{DOMAIN}.options.step.init."): text for key, text in texts.items()}
        for option in DEFAULTS:
            assert step[f"data.{option}"]
            assert step[f"data_description.{option}"]
        assert set(re.findall(r"{(\w+)}", step["description"])) == flow["description_placeholders"].keys()
