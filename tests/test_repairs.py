"""The repairs page: raised with the cause, gone with it, and what fixing does."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
from pathlib import Path
import re
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
)
from homeassistant.helpers.translation import async_get_translations
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
import voluptuous as vol

from custom_components.site_devices.const import DOMAIN
from custom_components.site_devices.core.device import DeviceRecord
from custom_components.site_devices.site.issues import _named, _named_with_rivals

from . import (
    SITE,
    advance,
    connectivity,
    entity_state,
    heartbeat,
    lose_connection,
    publish,
    regain_connection,
    setup_site,
)

pytestmark = pytest.mark.usefixtures("broker", "quiet")


def issues(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, ir.IssueEntry]:
    """Return the site's active issues, without the entry's id in front."""
    return {
        issue_id.removeprefix(f"{entry.entry_id}_"): issue
        for (domain, issue_id), issue in ir.async_get(hass).issues.items()
        if domain == DOMAIN and issue.active
    }


async def open_fix(hass: HomeAssistant, entry: MockConfigEntry, key: str) -> Any:
    await async_setup_component(hass, "repairs", {})
    manager = hass.data["repairs"]["flow_manager"]
    return manager, await manager.async_init(DOMAIN, data={"issue_id": f"{entry.entry_id}_{key}"})


# The same serial alive at two addresses


async def conflict(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    for address in ("monstro/1", "monstro/7", "monstro/1", "monstro/7"):
        await heartbeat(hass, f"datalogger/{address}")
        await advance(hass, freezer, 5)


async def test_a_conflict_names_the_serial_and_its_addresses(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass)
    await conflict(hass, freezer)
    issue = issues(hass, entry)["conflict"]
    assert not issue.is_fixable
    assert issue.translation_placeholders == {
        "site": "sito_001",
        "site_plain": "sito_001",
        "count": "1",
        "devices": "TEST123 (monstro/1, monstro/7)",
    }


async def test_right_to_left_addresses_keep_to_themselves(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    for address in ("אב/1", "ג/2", "אב/1", "ג/2"):  # else their parts were shown in each other's place
        await heartbeat(hass, f"datalogger/{address}")
    said = issues(hass, entry)["conflict"].translation_placeholders or {}
    assert said["devices"] == "TEST123 (\u2068אב/1\u2069, \u2068ג/2\u2069)"


@pytest.mark.parametrize("language", ["en", "it"])
async def test_titles_and_menus_show_a_site_with_markup_as_it_is(hass: HomeAssistant, language: str) -> None:
    texts = await async_get_translations(hass, language, "issues", {DOMAIN})
    markdown = {path: text for path, text in texts.items() if path.endswith(".description")}
    plain = texts.items() - markdown.items()
    assert all("{site_plain}" not in text for text in markdown.values())
    assert [path for path, text in plain if "{site_plain}" in text]
    assert not [path for path, text in plain if "{site}" in text]
    entry = await setup_site(hass, "R&D <1>", options={"max_devices": 1})
    for number in range(2):
        await heartbeat(hass, f"gateway/{number}", f"G-{number}", site="R&D <1>")
    said = issues(hass, entry)["device_limit"].translation_placeholders or {}
    assert (said["site"], said["site_plain"]) == (r"R\&D \<1\>", "R&D <1>")


async def test_it_goes_when_one_address_has_been_silent_for_five_deadlines(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass)
    await conflict(hass, freezer)
    # second by second: a timer that is late by more would mean that the loop was blind
    for second in range(144):
        if second % 10 == 0:
            await heartbeat(hass)
        await advance(hass, freezer, 1)
    assert "conflict" in issues(hass, entry)
    await advance(hass, freezer, 2)
    assert "conflict" not in issues(hass, entry)


async def test_it_is_there_again_after_a_reload(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await setup_site(hass)
    await conflict(hass, freezer)
    await hass.config_entries.async_unload(entry.entry_id)
    assert not issues(hass, entry)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    await advance(hass, freezer, 60)
    assert "conflict" in issues(hass, entry)


async def test_an_ignored_issue_stays_ignored(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await setup_site(hass)
    await conflict(hass, freezer)
    ir.async_ignore_issue(hass, DOMAIN, f"{entry.entry_id}_conflict", True)
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    await advance(hass, freezer, 60)
    assert issues(hass, entry)["conflict"].dismissed_version


async def test_removing_the_entry_deletes_even_the_ignored(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await setup_site(hass)
    await conflict(hass, freezer)
    ir.async_ignore_issue(hass, DOMAIN, f"{entry.entry_id}_conflict", True)
    ir.async_create_issue(
        hass, "other", "theirs", is_fixable=False, severity=ir.IssueSeverity.WARNING, translation_key="theirs"
    )
    await hass.config_entries.async_remove(entry.entry_id)
    assert not issues(hass, entry)
    assert ir.async_get(hass).async_get_issue("other", "theirs")


# More devices than max_devices


async def test_more_devices_than_allowed(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await setup_site(hass, options={"max_devices": 1})
    await heartbeat(hass)
    assert not issues(hass, entry)
    await heartbeat(hass, "gateway/1", "GATE")
    issue = issues(hass, entry)["device_limit"]
    assert issue.is_fixable
    assert issue.translation_placeholders == {"site": "sito_001", "site_plain": "sito_001", "max_devices": "1"}

    # it goes by itself ten minutes after the last one was turned away
    for _ in range(9):
        await advance(hass, freezer, 60)
    assert "device_limit" in issues(hass, entry)
    for _ in range(2):
        await advance(hass, freezer, 60)
    assert not issues(hass, entry)


async def test_more_can_be_allowed(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await setup_site(hass, options={"max_devices": 1})
    await heartbeat(hass)
    await heartbeat(hass, "gateway/1", "GATE")
    manager, flow = await open_fix(hass, entry, "device_limit")
    assert flow["menu_options"] == ["raise", "ignore"]
    assert flow["description_placeholders"]["max_devices"] == "1"
    flow = await manager.async_configure(flow["flow_id"], {"next_step_id": "raise"})
    flow = await manager.async_configure(flow["flow_id"], {"max_devices": 5})
    assert flow["type"] == "create_entry"
    assert entry.options == {"max_devices": 5}
    await advance(hass, freezer, 1.1)
    assert not issues(hass, entry)
    await heartbeat(hass, "gateway/1", "GATE")
    assert connectivity(hass, "gateway/GATE") == "on"


async def test_just_enough_is_enough(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await setup_site(hass, options={"max_devices": 1})
    await heartbeat(hass)
    await heartbeat(hass, "gateway/1", "GATE")
    assert "device_limit" in issues(hass, entry)
    hass.config_entries.async_update_entry(entry, options={"max_devices": 2})
    await advance(hass, freezer, 1.1)
    assert not issues(hass, entry)
    await heartbeat(hass, "gateway/1", "GATE")
    await advance(hass, freezer, 61)
    assert not issues(hass, entry)
    await heartbeat(hass, "gateway/2", "GATE2")
    assert "device_limit" in issues(hass, entry)


async def test_or_no_new_ones_be_taken(hass: HomeAssistant) -> None:
    entry = await setup_site(hass, options={"max_devices": 1})
    await heartbeat(hass)
    await heartbeat(hass, "gateway/1", "GATE")
    manager, flow = await open_fix(hass, entry, "device_limit")
    flow = await manager.async_configure(flow["flow_id"], {"next_step_id": "ignore"})
    assert entry.options == {"max_devices": 1, "new_devices": "ignore"}
    await hass.async_block_till_done()
    await heartbeat(hass, "gateway/1", "GATE")
    assert not issues(hass, entry)


async def test_no_more_than_the_most_can_be_allowed(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("custom_components.site_devices.repairs.MAX_DEVICES", (1, 1))
    entry = await setup_site(hass, options={"max_devices": 1})
    await heartbeat(hass)
    await heartbeat(hass, "gateway/1", "GATE")
    _, flow = await open_fix(hass, entry, "device_limit")
    assert flow["menu_options"] == ["ignore"]


def fill(hass: HomeAssistant, entry: MockConfigEntry, entities: int) -> None:
    """Let the entry have so many enabled entities."""
    registry = er.async_get(hass)
    for number in range(entities - len([known for known in registry.entities.values() if not known.disabled_by])):
        registry.async_get_or_create("sensor", DOMAIN, f"{SITE}/data/{number}", config_entry=entry)


@pytest.mark.parametrize(("free", "most"), [(1, 2), (5, 6), (0, None)])
async def test_no_more_than_fit_can_be_allowed(hass: HomeAssistant, free: int, most: int | None) -> None:
    entry = await setup_site(hass, options={"max_devices": 1})
    await heartbeat(hass)
    await heartbeat(hass, "gateway/1", "GATE")
    fill(hass, entry, 9950 - free)
    manager, flow = await open_fix(hass, entry, "device_limit")
    assert flow["menu_options"] == (["raise", "ignore"] if most else ["ignore"])
    if most is None:
        return
    flow = await manager.async_configure(flow["flow_id"], {"next_step_id": "raise"})
    assert flow["data_schema"]({}) == {"max_devices": 2}
    assert flow["data_schema"]({"max_devices": most}) == {"max_devices": most}
    with pytest.raises(vol.Invalid):
        flow["data_schema"]({"max_devices": most + 1})
    await manager.async_configure(flow["flow_id"], {"max_devices": most})
    for number in range(most - 1):
        await heartbeat(hass, f"gateway/{number}", f"G{number}")
        assert connectivity(hass, f"gateway/G{number}") == "on"


async def test_the_room_may_be_gone_when_the_number_is_asked_for(hass: HomeAssistant) -> None:
    entry = await setup_site(hass, options={"max_devices": 1})
    await heartbeat(hass)
    await heartbeat(hass, "gateway/1", "GATE")
    manager, flow = await open_fix(hass, entry, "device_limit")
    fill(hass, entry, 9950)
    flow = await manager.async_configure(flow["flow_id"], {"next_step_id": "raise"})
    assert flow["menu_options"] == ["ignore"]


async def test_the_devices_may_be_gone_when_the_number_is_asked_for(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass, options={"max_devices": 1})
    await heartbeat(hass)
    await heartbeat(hass, "gateway/1", "GATE")
    manager, flow = await open_fix(hass, entry, "device_limit")
    await advance(hass, freezer, 31)
    entry.runtime_data.async_remove(entry.runtime_data.fleet.records["datalogger/TEST123"])
    flow = await manager.async_configure(flow["flow_id"], {"next_step_id": "raise"})
    assert flow["data_schema"]({}) == {"max_devices": 1}


async def test_the_fix_of_an_unloaded_site_says_so(hass: HomeAssistant) -> None:
    entry = await setup_site(hass, options={"max_devices": 1})
    await heartbeat(hass)
    await heartbeat(hass, "gateway/1", "GATE")
    key = f"{entry.entry_id}_device_limit"
    ir.async_ignore_issue(hass, DOMAIN, key, True)  # so that it outlives the unloading
    await hass.config_entries.async_unload(entry.entry_id)
    _, flow = await open_fix(hass, entry, "device_limit")
    assert (flow["type"], flow["reason"]) == ("abort", "not_loaded")


@pytest.mark.parametrize("choice", ["raise", "ignore"])
async def test_the_limit_of_an_unloaded_site_is_left_alone(hass: HomeAssistant, choice: str) -> None:
    entry = await setup_site(hass, options={"max_devices": 1})
    await heartbeat(hass)
    await heartbeat(hass, "gateway/1", "GATE")
    manager, flow = await open_fix(hass, entry, "device_limit")
    await hass.config_entries.async_unload(entry.entry_id)
    flow = await manager.async_configure(flow["flow_id"], {"next_step_id": choice})
    assert (flow["type"], flow["reason"]) == ("abort", "not_loaded")


# More data than entities allow


async def too_much_data(hass: HomeAssistant, serial: str = "TEST123") -> None:
    values = {f"value {number}": number for number in range(101)}
    await publish(hass, "sito_001/datalogger/monstro/1/input", {"serial_number": serial, **values})


async def test_more_data_than_entities_allow(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    await too_much_data(hass)
    issue = issues(hass, entry)["data_limit"]
    assert not issue.is_fixable
    assert issue.translation_placeholders == {
        "site": "sito_001",
        "site_plain": "sito_001",
        "count": "1",
        "devices": "monstro/1 (TEST123)",
    }


async def test_it_goes_when_no_data_is_wanted_any_more(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    await too_much_data(hass)
    hass.config_entries.async_update_entry(entry, options={"data_entities": False})
    await advance(hass, freezer, 1.1)
    assert not issues(hass, entry)

    hass.config_entries.async_update_entry(entry, options={"data_entities": True})
    await advance(hass, freezer, 1.1)
    await too_much_data(hass)
    await advance(hass, freezer, 1.1)
    assert "data_limit" in issues(hass, entry)


@pytest.mark.parametrize("key", ["data_limit", "conflict"])
async def test_it_is_not_about_muted_devices(hass: HomeAssistant, freezer: FrozenDateTimeFactory, key: str) -> None:
    entry = await setup_site(hass)
    if key == "conflict":
        await conflict(hass, freezer)
    else:
        await heartbeat(hass)
        await too_much_data(hass)
    assert key in issues(hass, entry)
    pages = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    page = next(page for page in pages if page.serial_number == "TEST123")
    dr.async_get(hass).async_update_device(page.id, disabled_by=dr.DeviceEntryDisabler.USER)
    await advance(hass, freezer, 1.1)
    assert not issues(hass, entry)
    dr.async_get(hass).async_update_device(page.id, disabled_by=None)
    await advance(hass, freezer, 1.1)
    assert key in issues(hass, entry)


# A site that heard nothing


async def test_a_site_that_hears_nothing_for_ten_minutes(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await setup_site(hass)
    await advance(hass, freezer, 540)
    lose_connection(hass)
    await advance(hass, freezer, 120)
    assert not issues(hass, entry)
    regain_connection(hass)  # the ten minutes are of one connection
    for _ in range(9):
        await advance(hass, freezer, 60)
    assert not issues(hass, entry)
    await advance(hass, freezer, 60)
    await advance(hass, freezer, 60)
    assert not issues(hass, entry)["silent_site"].is_fixable
    await publish(hass, "sito_001/gateway/1/input", b"anything")
    await advance(hass, freezer, 60)
    assert not issues(hass, entry)


@pytest.mark.parametrize(("number", "more"), [(20, ""), (21, " …")])
async def test_twenty_devices_are_named(hass: HomeAssistant, number: int, more: str) -> None:
    entry = await setup_site(hass)
    records = [DeviceRecord(key=f"gateway/G{each}", address=str(each), created=0.0) for each in range(number)]
    entry.runtime_data.issues._set_devices("data_limit", records, _named)
    said = issues(hass, entry)["data_limit"].translation_placeholders or {}
    assert said["count"] == str(number)
    assert said["devices"] == ", ".join(f"Gateway {each} (G{each})" for each in range(20)) + more


# Stored devices that could not be used


async def test_that_the_store_was_lost_is_told_until_the_user_ignores_it(
    hass: HomeAssistant, hass_storage: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hass.config.config_dir = str(tmp_path)
    entry = await setup_site(hass)
    key, issue_id = f"{DOMAIN}.{entry.entry_id}", f"{entry.entry_id}_store_lost"
    file = tmp_path / ".storage" / key  # what is read and written is mocked, this is there to be put aside

    async def restart(*, damaged: bool = False) -> ir.IssueEntry | None:
        await hass.config_entries.async_unload(entry.entry_id)
        if damaged:
            file.parent.mkdir(exist_ok=True)
            file.touch()
            hass_storage[key]["data"] = {}
        await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        return ir.async_get(hass).async_get_issue(DOMAIN, issue_id)

    assert await restart() is None
    told = await restart(damaged=True)
    assert told
    assert told.to_json()["translation_placeholders"] == told.translation_placeholders  # kept over a restart
    assert await restart() is told
    ir.async_ignore_issue(hass, DOMAIN, issue_id, True)
    ignored = await restart()
    assert ignored
    assert ignored.dismissed_version
    later = await restart(damaged=True)
    assert later
    assert later.dismissed_version is None  # it is another loss
    assert later.translation_placeholders != told.translation_placeholders
    for language in ("en", "it"):
        texts = await async_get_translations(hass, language, "issues", {DOMAIN})
        named = {
            name for path, text in texts.items() if ".store_lost." in path for name in re.findall(r"{(\w+)}", text)
        }
        assert named == (later.translation_placeholders or {}).keys()
    await hass.config_entries.async_remove(entry.entry_id)
    assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id) is None
    caplog.clear()  # the losses are logged, with where the files are


@pytest.mark.parametrize("name", [_named, _named_with_rivals])
async def test_of_thousands_only_the_texts_of_twenty_are_made(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, name: Callable[[DeviceRecord], str]
) -> None:
    escaped: list[str] = []

    def count(text: str) -> str:
        escaped.append(text)
        return text

    entry = await setup_site(hass)
    monkeypatch.setattr("custom_components.site_devices.site.issues.escape", count)
    records = [DeviceRecord(key=f"gateway/G{each}", address=str(each), created=0.0) for each in range(9900)]
    entry.runtime_data.issues._set_devices("conflict", records, name)
    assert len(escaped) <= 41


# Replaced hardware


async def test_twenty_are_asked_about_at_once(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    records = [DeviceRecord(key=f"gateway/G{each}", address="1", created=0.0) for each in range(22)]
    pairs = [(records[0], record) for record in records[1:]]
    site = entry.runtime_data
    with (
        patch.object(site.fleet, "replacements", lambda _: pairs),
        patch.object(site.issues, "_page_id", lambda record: record.serial),
    ):
        site.issues._check()
    assert len(issues(hass, entry)) == 20


async def replaced_hardware(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, old: str = "OLD", new: str = "NEW"
) -> MockConfigEntry:
    """Let the old device fall silent, and the new one beat at its address for two deadlines and until the minute is over."""
    entry = await setup_site(hass)
    await heartbeat(hass, serial=old)
    await publish(hass, "sito_001/datalogger/monstro/1/input", {"serial_number": old, "temperature": 21})
    await advance(hass, freezer, 31)
    for _ in range(12):
        await heartbeat(hass, serial=new)
        await publish(hass, "sito_001/datalogger/monstro/1/input", {"serial_number": new, "temperature": 22})
        await advance(hass, freezer, 10)
    return entry


def replacement(hass: HomeAssistant, entry: MockConfigEntry, old: str = "OLD", new: str = "NEW") -> str:
    """Return the key of the issue, which tells no serial."""
    pages = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    ids = {page.serial_number: page.id for page in pages}
    return f"replaced_{ids[old]}_{ids[new]}"


async def test_a_replacement_is_offered_after_two_deadlines(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await replaced_hardware(hass, freezer)
    issue = issues(hass, entry)[replacement(hass, entry)]
    assert issue.is_fixable
    assert issue.translation_placeholders == {
        "site": "sito_001",
        "site_plain": "sito_001",
        "address": "monstro/1",
        "old": "OLD",
        "new": "NEW",
        "old_plain": "OLD",
        "new_plain": "NEW",
    }
    await beat_for(hass, freezer, 120)
    assert issues(hass, entry)[replacement(hass, entry)] is issue  # it is looked at each minute, and left alone


@pytest.mark.parametrize("language", ["en", "it"])
async def test_a_serial_with_markup_is_text_in_the_dialog_and_has_no_backslashes_in_its_title(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, language: str
) -> None:
    old, new = "<b>#1", "{{ 2 }}"
    entry = await replaced_hardware(hass, freezer, old, new)
    key = replacement(hass, entry, old, new)
    said = issues(hass, entry)[key].translation_placeholders or {}
    texts = await async_get_translations(hass, language, "issues", {DOMAIN})
    texts = {path.removeprefix(f"component.{DOMAIN}.issues.replaced."): text for path, text in texts.items()}
    title = texts["title"].format(**said)
    assert new in title
    assert "\\" not in title
    menu = [text for path, text in texts.items() if "menu_options" in path]
    assert not [text for text in menu if "{" in text]  # a long serial would leave no room for what the choice does
    description = texts["fix_flow.step.init.description"].format(**said)
    assert r"\<b\>\#1" in description
    assert r"\{\{ 2 \}\}" in description
    _, flow = await open_fix(hass, entry, key)
    assert flow["description_placeholders"] == said


async def test_nothing_is_offered_before(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass, serial="OLD")
    await advance(hass, freezer, 31)
    await heartbeat(hass, serial="NEW")
    await advance(hass, freezer, 29)
    await heartbeat(hass, serial="NEW")
    assert not issues(hass, entry)


async def test_it_goes_when_the_old_one_is_back(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await replaced_hardware(hass, freezer)
    await heartbeat(hass, "datalogger/monstro/2", "OLD")
    await advance(hass, freezer, 60)
    assert not issues(hass, entry)


async def test_ignoring_it_keeps_both(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await replaced_hardware(hass, freezer)
    key = replacement(hass, entry)
    manager, flow = await open_fix(hass, entry, key)
    flow = await manager.async_configure(flow["flow_id"], {"next_step_id": "keep"})
    assert (flow["type"], flow["reason"]) == ("abort", "kept")
    assert issues(hass, entry)[key].dismissed_version
    await advance(hass, freezer, 60)
    assert issues(hass, entry)[key].dismissed_version
    assert connectivity(hass, "datalogger/OLD") == "off"
    assert connectivity(hass, "datalogger/NEW") is not None


async def both_stay(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> tuple[MockConfigEntry, str]:
    """Let the user ignore the replacement."""
    entry = await replaced_hardware(hass, freezer)
    key = replacement(hass, entry)
    ir.async_ignore_issue(hass, DOMAIN, f"{entry.entry_id}_{key}", True)
    return entry, key


async def beat_for(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: int, serial: str = "NEW") -> None:
    for _ in range(seconds // 10):
        await heartbeat(hass, serial=serial)
        await advance(hass, freezer, 10)


async def test_it_is_not_offered_while_the_new_one_is_silent(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await replaced_hardware(hass, freezer)
    for _ in range(4):
        await advance(hass, freezer, 30)
    assert connectivity(hass, "datalogger/NEW") == "off"
    assert not issues(hass, entry)
    await beat_for(hass, freezer, 180)
    assert replacement(hass, entry) in issues(hass, entry)


async def test_once_ignored_it_is_not_asked_again_because_the_new_one_was_silent_for_a_while(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry, key = await both_stay(hass, freezer)
    for _ in range(4):
        await advance(hass, freezer, 30)
    assert connectivity(hass, "datalogger/NEW") == "off"
    await beat_for(hass, freezer, 180)
    assert issues(hass, entry)[key].dismissed_version


@pytest.mark.parametrize("ended", ["old back", "old elsewhere", "old deleted", "new deleted"])
async def test_ignored_it_goes_with_its_cause(hass: HomeAssistant, freezer: FrozenDateTimeFactory, ended: str) -> None:
    entry, _ = await both_stay(hass, freezer)
    site = entry.runtime_data
    if ended == "old back":
        await beat_for(hass, freezer, 60, serial="OLD")
    elif ended == "old elsewhere":
        await heartbeat(hass, "datalogger/monstro/2", "OLD")
    else:
        await advance(hass, freezer, 31)
        site.async_remove(site.fleet.records[f"datalogger/{ended[:3].upper()}"])
    await advance(hass, freezer, 60)
    assert not issues(hass, entry)


async def test_ignoring_one_is_not_ignoring_the_next(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry, _ = await both_stay(hass, freezer)
    await advance(hass, freezer, 31)
    await beat_for(hass, freezer, 180, serial="NEXT")
    asked = [issue for issue in issues(hass, entry).values() if not issue.dismissed_version]
    assert [(issue.translation_placeholders or {})["new"] for issue in asked] == ["NEXT"]


async def test_the_new_serial_goes_on_as_the_old_device(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await replaced_hardware(hass, freezer)
    devices, entities = dr.async_get(hass), er.async_get(hass)
    pages = dr.async_entries_for_config_entry(devices, entry.entry_id)
    old = next(device for device in pages if device.serial_number == "OLD")
    area = ar.async_get(hass).async_create("Roof").id
    devices.async_update_device(old.id, name_by_user="My logger", area_id=area)
    entities.async_update_entity("binary_sensor.monstro_1_connectivity", new_entity_id="binary_sensor.my_logger")
    last_heartbeat = entities.async_get_entity_id("sensor", DOMAIN, "sito_001/datalogger/OLD/last_heartbeat")
    entry.runtime_data.async_set_offline_after([entry.runtime_data.fleet.records["datalogger/OLD"]], 120)

    manager, flow = await open_fix(hass, entry, replacement(hass, entry))
    assert flow["menu_options"] == ["replace", "keep"]
    assert flow["description_placeholders"]["new"] == "NEW"
    flow = await manager.async_configure(flow["flow_id"], {"next_step_id": "replace"})
    await hass.async_block_till_done()
    assert flow["type"] == "create_entry"

    site, page = dr.async_entries_for_config_entry(devices, entry.entry_id)
    assert page.id == old.id
    assert page.identifiers == {(DOMAIN, "sito_001/datalogger/NEW")}
    assert (page.serial_number, page.name, page.name_by_user) == ("NEW", "monstro/1", "My logger")
    assert (page.area_id, page.via_device_id) == (area, site.id)
    kept = {
        entity.unique_id: entity.entity_id
        for entity in er.async_entries_for_device(entities, page.id, include_disabled_entities=True)
    }
    assert kept == {
        "sito_001/datalogger/NEW/connectivity": "binary_sensor.my_logger",
        "sito_001/datalogger/NEW/last_heartbeat": last_heartbeat,
        "sito_001/datalogger/NEW/in/temperature": "sensor.monstro_1_temperature",
    }
    assert entry.runtime_data.fleet.records["datalogger/NEW"].offline_after == 120
    assert not issues(hass, entry)

    # what the new hardware sends is the old device's from now on, before and after a reload
    assert hass.states.get("binary_sensor.my_logger").state == "on"
    await publish(
        hass, "sito_001/datalogger/monstro/1/input", {"serial_number": "NEW", "temperature": 23, "door": True}
    )
    assert hass.states.get("sensor.monstro_1_temperature").state == "23"
    assert entity_state(hass, "datalogger/NEW/in/door").state == "on"
    for _ in range(2):  # both events have left: a reload would wait between them, for a clock that stands still
        await advance(hass, freezer, 16)
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert hass.states.get("binary_sensor.my_logger").state == "on"
    assert len(dr.async_entries_for_config_entry(devices, entry.entry_id)) == 2

    # the old serial is nobody now: heard again it is a new device
    await heartbeat(hass, "datalogger/monstro/3", "OLD")
    assert connectivity(hass, "datalogger/OLD") == "on"


async def test_the_replacement_is_an_event(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await replaced_hardware(hass, freezer)
    manager, flow = await open_fix(hass, entry, replacement(hass, entry))
    await manager.async_configure(flow["flow_id"], {"next_step_id": "replace"})
    await advance(hass, freezer, 16)
    state = hass.states.get("event.sito_001_events")
    assert state.attributes["event_type"] == "replaced"
    assert state.attributes["devices"][0]["serial"] == "NEW"


@pytest.mark.parametrize("elsewhere", ["OLD", "NEW"])
async def test_nothing_is_carried_over_once_things_have_changed(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, elsewhere: str
) -> None:
    entry = await replaced_hardware(hass, freezer)
    manager, flow = await open_fix(hass, entry, replacement(hass, entry))
    await heartbeat(hass, "datalogger/monstro/2", elsewhere)
    flow = await manager.async_configure(flow["flow_id"], {"next_step_id": "replace"})
    assert (flow["type"], flow["reason"]) == ("abort", "changed")
    assert connectivity(hass, "datalogger/NEW") == "on"


async def test_nothing_is_ignored_once_things_have_changed(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await replaced_hardware(hass, freezer)
    manager, flow = await open_fix(hass, entry, replacement(hass, entry))
    await heartbeat(hass, "datalogger/monstro/2", "OLD")
    await advance(hass, freezer, 60)
    flow = await manager.async_configure(flow["flow_id"], {"next_step_id": "keep"})
    assert (flow["type"], flow["reason"]) == ("abort", "changed")


async def test_nor_when_the_site_is_not_loaded(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await replaced_hardware(hass, freezer)
    manager, flow = await open_fix(hass, entry, replacement(hass, entry))
    await hass.config_entries.async_unload(entry.entry_id)
    flow = await manager.async_configure(flow["flow_id"], {"next_step_id": "replace"})
    assert (flow["type"], flow["reason"]) == ("abort", "not_loaded")


# Restarts


async def nothing_heard(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> MockConfigEntry:
    entry = await setup_site(hass)
    for _ in range(12):
        await advance(hass, freezer, 60)
    return entry


async def too_many_devices(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> MockConfigEntry:
    entry = await setup_site(hass, options={"max_devices": 1})
    await heartbeat(hass, serial="NEW")
    await heartbeat(hass, "gateway/1", "GATE")
    return entry


async def one_serial_twice(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> MockConfigEntry:
    entry = await setup_site(hass)
    await conflict(hass, freezer)
    return entry


async def data_without_entities(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> MockConfigEntry:
    entry = await setup_site(hass)
    await heartbeat(hass, serial="NEW")
    await too_much_data(hass, "NEW")
    return entry


async def entities_without_end(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> MockConfigEntry:
    entry = await setup_site(hass, options={"max_devices": 9900})
    await heartbeat(hass, serial="NEW")
    fill(hass, entry, 9950)
    await advance(hass, freezer, 60)
    await heartbeat(hass, serial="NEW")
    await heartbeat(hass, "gateway/1", "GATE")
    return entry


async def connectivity_refused(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> MockConfigEntry:
    entry = await setup_site(hass)
    await heartbeat(hass)
    er.async_get(hass).async_remove("binary_sensor.monstro_1_connectivity")
    for _ in range(2):
        await advance(hass, freezer, 60)
    await advance(hass, freezer, 1.1)
    return entry


async def as_before(hass: HomeAssistant, cause: object) -> None:
    """Let the devices go on as they did."""
    if cause is nothing_heard:
        return
    if cause is one_serial_twice:
        await heartbeat(hass)
        await heartbeat(hass, "datalogger/monstro/7")
        return
    await heartbeat(hass, serial="NEW")
    if cause in (too_many_devices, entities_without_end):
        await heartbeat(hass, "gateway/1", "GATE")
    if cause is data_without_entities:
        await too_much_data(hass, "NEW")


CAUSES = [nothing_heard, too_many_devices, one_serial_twice, data_without_entities, replaced_hardware]
CAUSES += [entities_without_end]


@pytest.mark.parametrize("cause", [*CAUSES, connectivity_refused])
async def test_all_that_its_texts_name_is_given(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, cause: Any
) -> None:
    entry = await cause(hass, freezer)
    (issue,) = issues(hass, entry).values()
    for language in ("en", "it"):
        texts = await async_get_translations(hass, language, "issues", {DOMAIN})
        ours = [text for key, text in texts.items() if f".{issue.translation_key}." in key]
        assert len(ours) >= 2
        named = {name for text in ours for name in re.findall(r"{(\w+)}", text)}
        assert named <= issue.translation_placeholders.keys()


@pytest.mark.parametrize("ignored", [False, True], ids=["asked", "ignored"])
@pytest.mark.parametrize("cause", CAUSES)
async def test_while_its_cause_lasts_an_issue_is_there_again_after_a_restart_and_ignored_if_it_was(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, cause: Any, ignored: bool
) -> None:
    entry = await cause(hass, freezer)
    ((key, _),) = issues(hass, entry).items()
    issue_id = f"{entry.entry_id}_{key}"
    if ignored:
        ir.async_ignore_issue(hass, DOMAIN, issue_id, True)
    await hass.config_entries.async_unload(entry.entry_id)
    # what Home Assistant keeps of an issue over its own restart: only whether it was ignored
    registry = ir.async_get(hass)
    if issue := registry.issues.get((DOMAIN, issue_id)):
        registry.issues[DOMAIN, issue_id] = dataclasses.replace(issue, active=False, translation_placeholders=None)
    assert not issues(hass, entry)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    for _ in range(75):
        await as_before(hass, cause)
        await advance(hass, freezer, 10)
    (again,) = issues(hass, entry).values()
    assert again.issue_id == issue_id
    assert bool(again.dismissed_version) is ignored
    assert again.translation_placeholders
