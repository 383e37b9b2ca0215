"""The dashboard: what its cards show, that what devices call themselves stays text, and how long it takes."""

from __future__ import annotations

from pathlib import Path
import re
from typing import Any

from freezegun import api as freezegun
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.template import Template
import pytest
import yaml

from custom_components.site_devices.const import DOMAIN

from . import SITE, deliver, entity_state, lose_connection, setup_site
from .live_site import LiveSite

DOCS = Path(__file__).parent.parent / "docs"
FILES = {"en": DOCS / "dashboard.yaml", "it": DOCS / "dashboard.it.yaml"}
SITES, OFFLINE, GRAPH, EVENT = range(4)  # the cards
EMPTY = {"en": "No device is offline.", "it": "Nessun dispositivo è offline."}

pytestmark = [
    pytest.mark.usefixtures("broker", "quiet"),
    pytest.mark.parametrize("language", ["en", "it"]),
]


def cards(language: str) -> list[dict[str, Any]]:
    (view,) = yaml.safe_load(FILES[language].read_text(encoding="utf-8"))["views"]
    return view["cards"]


def template(hass: HomeAssistant, language: str, card: int) -> Template:
    return Template(cards(language)[card]["content"], hass)


def shown(hass: HomeAssistant, language: str, card: int) -> str:
    """Render a card as Home Assistant does for it: strictly, a variable that is not there being an error."""
    variables = {"config": cards(language)[card], "user": "Demo"}
    return template(hass, language, card).async_render(variables, parse_result=False, strict=True)


def rows(table: str) -> list[list[str]]:
    """Return the cells of a table below its head."""
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines() if line.startswith("|")]
    assert {len(line) for line in lines} <= {len(lines[0])}
    return [[cell.strip() for cell in line] for line in lines[2:]]


def page_of(hass: HomeAssistant, name: str, site: str = SITE) -> str:
    """Return the id of the page with a name."""
    (entry,) = (entry for entry in hass.config_entries.async_entries(DOMAIN) if entry.title == site)
    pages = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return next(page.id for page in pages if page.name == name)


def test_both_languages_are_the_same_but_for_their_words(language: str) -> None:
    """Each template does the same: nothing but what is to be read is different."""
    for ours, english in zip(cards(language), cards("en"), strict=True):
        assert ours.keys() == english.keys()
        assert code(ours.get("content", "")) == code(english.get("content", ""))
    assert [card["type"] for card in cards(language)] == ["markdown", "markdown", "history-graph", "markdown"]


def code(content: str) -> list[str]:
    """Return all statements and expressions of a template."""
    return re.findall(r"{%.*?%}|{{.*?}}", content, re.DOTALL)


async def test_the_cards_of_a_site_without_devices(hass: HomeAssistant, site: LiveSite, language: str) -> None:
    assert rows(shown(hass, language, SITES)) == [
        [rf"[sito\_001](/config/devices/device/{page_of(hass, SITE)})", "0", "0", "0"]
    ]
    assert shown(hass, language, OFFLINE) == EMPTY[language]
    assert "|" not in shown(hass, language, EVENT)
    assert shown(hass, language, EVENT)


async def test_the_cards_without_a_site(hass: HomeAssistant, language: str) -> None:
    assert rows(shown(hass, language, SITES)) == []
    assert shown(hass, language, OFFLINE) == EMPTY[language]


@pytest.mark.parametrize("begin", ["2025-10-17T10:00:00Z"])
async def test_the_cards_tell_how_many_there_are_and_which_are_offline_since_when(
    hass: HomeAssistant, site: LiveSite, language: str
) -> None:
    await hass.config.async_set_time_zone("Europe/Rome")
    await setup_site(hass, "sito_002")
    await site.heartbeat()
    await site.heartbeat("gateway/1", "GATE")
    await site.heartbeat("gateway/1", "GATE", site="sito_002")
    await site.heartbeat("gateway/2", "NEVER", site="sito_002", retain=True)
    # another integration has such sensors as well, and data of ours may be false
    hass.states.async_set("binary_sensor.other", "off", {"device_class": "connectivity"})
    hass.states.async_set("binary_sensor.plain", "off")
    await site.report("gateway/1", "GATE", door=False)
    await site.advance(20)
    await site.heartbeat("gateway/1", "GATE", site="sito_002")
    await site.advance(11)
    await site.heartbeat()
    await site.advance(20)

    assert [row[1:] for row in rows(shown(hass, language, SITES))] == [["1", "1", "0"], ["0", "1", "1"]]
    listed = rows(shown(hass, language, OFFLINE))
    assert [row[1:] for row in listed] == [[r"sito\_001", "2025-10-17 12:00"], [r"sito\_002", "2025-10-17 12:00"]]
    assert listed[0][0] == f"[Gateway 1](/config/devices/device/{page_of(hass, 'Gateway 1')})"


@pytest.mark.parametrize("begin", ["2025-10-17T10:00:00Z"])
async def test_the_last_event(hass: HomeAssistant, site: LiveSite, language: str) -> None:
    await hass.config.async_set_time_zone("Europe/Rome")
    await site.heartbeat()
    await site.advance(15)
    told = shown(hass, language, EVENT).strip()
    assert told == "**2025-10-17 12:00:15** monstro/1 was discovered on sito_001."


async def test_the_cards_while_nothing_is_known(hass: HomeAssistant, site: LiveSite, language: str) -> None:
    await site.heartbeat()
    await site.advance(31)
    lose_connection(hass)
    await site.advance(61)
    assert rows(shown(hass, language, SITES))[0][1:] == ["0", "0", "1"]
    assert shown(hass, language, OFFLINE) == EMPTY[language]


async def test_the_graph_is_of_sensors_that_there_are(hass: HomeAssistant, language: str) -> None:
    hass.config.language = language
    await setup_site(hass)
    entities = [entity["entity"] for entity in cards(language)[GRAPH]["entities"]]
    assert [hass.states.get(entity) is not None for entity in entities] == [True, True]
    assert entity_state(hass, "devices_online", "sensor").entity_id == entities[0]
    assert entity_state(hass, "devices_offline", "sensor").entity_id == entities[1]


@pytest.mark.parametrize(
    "name",
    ["<img src=x onerror=alert(1)>", "a | b", "[x](javascript:alert(1))", "{{ 1/0 }}", r"a\ `b` *c* _d_", "www.x.yz"],
)
async def test_what_a_device_calls_itself_stays_text(
    hass: HomeAssistant, site: LiveSite, language: str, name: str
) -> None:
    await site.heartbeat(name=name)
    await site.advance(31)
    ((cell, *_),) = rows(shown(hass, language, OFFLINE))
    text, _, _ = cell.removeprefix("[").rpartition("](/config/devices/device/")
    assert not re.search(r"[!-/:-@\[-`{-~]", re.sub(r"\\[!-/:-@\[-`{-~]", "", text))  # each mark has a backslash
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text) == name


async def test_five_hundred_devices_all_of_them_offline(hass: HomeAssistant, site: LiveSite, language: str) -> None:
    for number in range(500):
        data = {"serial_number": f"T{number}", "door": False, "temperature": 21, "humidity": 50}
        deliver(hass, f"sito_001/datalogger/monstro/{number}/heartbeat", data)
        deliver(hass, f"sito_001/datalogger/monstro/{number}/input", data)
    await hass.async_block_till_done()
    await site.advance(31)
    for card in (SITES, OFFLINE, EVENT):
        begun = freezegun.real_perf_counter()
        text = shown(hass, language, card)
        took = freezegun.real_perf_counter() - begun
        print(f"card {card}: {1000 * took:.0f} ms")
        assert took < 1
        if card == OFFLINE:
            assert len(rows(text)) == 100
            assert "400" in text.splitlines()[-1]
        if card == SITES:
            assert rows(text)[0][1:] == ["0", "500", "0"]


async def test_an_outage_does_not_render_a_card_once_for_each_device(
    hass: HomeAssistant, site: LiveSite, language: str
) -> None:
    """Home Assistant renders a card again with each change of an entity it names, but for a domain once a second."""
    await site.heartbeat()
    await site.advance(31)
    for card in (SITES, OFFLINE):
        info = template(hass, language, card).async_render_to_info(strict=True)
        assert info.result()
        assert info.domains == {"binary_sensor"}
        assert info.rate_limit == 1
        assert not [entity for entity in info.entities if entity.startswith("binary_sensor.")]
