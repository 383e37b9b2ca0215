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
import voluptuous as vol

from custom_components.site_devices.const import DOMAIN
from custom_components.site_devices.core.device import DeviceRecord
from custom_components.site_devices.site.issues import _named, _named_with_rivals

from . import SITE, publish, setup_site
from .live_site import LiveSite

pytestmark = pytest.mark.usefixtures("broker", "quiet")

OF_SITE = {"site": "sito_001", "site_plain": "sito_001"}  # what every issue names


def issues(site: LiveSite) -> dict[str, ir.IssueEntry]:
    """Return the site's active issues, without the entry's id in front."""
    return {
        issue_id.removeprefix(f"{site.entry.entry_id}_"): issue
        for (domain, issue_id), issue in ir.async_get(site.hass).issues.items()
        if domain == DOMAIN and issue.active
    }


def ignore(site: LiveSite, key: str) -> None:
    ir.async_ignore_issue(site.hass, DOMAIN, f"{site.entry.entry_id}_{key}", True)


class Fix:
    """The dialog that repairs an issue."""

    def __init__(self, manager: Any, page: Any) -> None:
        self.manager = manager
        self.page = page

    @classmethod
    async def open(cls, site: LiveSite, key: str) -> Fix:
        await async_setup_component(site.hass, "repairs", {})
        manager = site.hass.data["repairs"]["flow_manager"]
        return cls(manager, await manager.async_init(DOMAIN, data={"issue_id": f"{site.entry.entry_id}_{key}"}))

    async def choose(self, step: str) -> Any:
        """Choose from a menu, and return the page that follows."""
        return await self.submit(next_step_id=step)

    async def submit(self, **data: Any) -> Any:
        self.page = await self.manager.async_configure(self.page["flow_id"], data)
        return self.page


def assert_aborted(page: Any, reason: str) -> None:
    assert (page["type"], page["reason"]) == ("abort", reason)


# The same serial alive at two addresses


async def conflict(site: LiveSite) -> None:
    for address in ("monstro/1", "monstro/7", "monstro/1", "monstro/7"):
        await site.heartbeat(f"datalogger/{address}")
        await site.advance(5)


async def test_a_conflict_names_the_serial_and_its_addresses(site: LiveSite) -> None:
    await conflict(site)
    issue = issues(site)["conflict"]
    assert not issue.is_fixable
    assert issue.translation_placeholders == {**OF_SITE, "count": "1", "devices": "TEST123 (monstro/1, monstro/7)"}


async def test_right_to_left_addresses_keep_to_themselves(site: LiveSite) -> None:
    for address in ("אב/1", "ג/2", "אב/1", "ג/2"):  # else their parts were shown in each other's place
        await site.heartbeat(f"datalogger/{address}")
    said = issues(site)["conflict"].translation_placeholders or {}
    assert said["devices"] == "TEST123 (\u2068אב/1\u2069, \u2068ג/2\u2069)"


@pytest.mark.parametrize("language", ["en", "it"])
async def test_titles_and_menus_show_a_site_with_markup_as_it_is(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, language: str
) -> None:
    texts = await async_get_translations(hass, language, "issues", {DOMAIN})
    markdown = {path: text for path, text in texts.items() if path.endswith(".description")}
    plain = texts.items() - markdown.items()
    assert all("{site_plain}" not in text for text in markdown.values())
    assert [path for path, text in plain if "{site_plain}" in text]
    assert not [path for path, text in plain if "{site}" in text]
    site = LiveSite(hass, freezer, await setup_site(hass, "R&D <1>", options={"max_devices": 1}))
    for number in range(2):
        await site.heartbeat(f"gateway/{number}", f"G-{number}", site="R&D <1>")
    said = issues(site)["device_limit"].translation_placeholders or {}
    assert (said["site"], said["site_plain"]) == (r"R\&D \<1\>", "R&D <1>")


async def test_a_conflict_is_over_when_one_address_has_been_silent_for_five_deadlines(site: LiveSite) -> None:
    await conflict(site)
    # second by second: a timer that is late by more would mean that the loop was blind
    for second in range(144):
        if second % 10 == 0:
            await site.heartbeat()
        await site.advance(1)
    assert "conflict" in issues(site)
    await site.advance(2)
    assert "conflict" not in issues(site)


@pytest.mark.parametrize("ignored", [False, True], ids=["asked", "ignored"])
async def test_a_conflict_is_there_again_after_a_reload(site: LiveSite, ignored: bool) -> None:
    await conflict(site)
    if ignored:
        ignore(site, "conflict")
    await site.unload()
    assert list(issues(site)) == ["conflict"] * ignored
    await site.load()
    await site.advance(60)
    assert bool(issues(site)["conflict"].dismissed_version) is ignored


async def test_removing_the_entry_deletes_even_the_ignored(site: LiveSite) -> None:
    await conflict(site)
    ignore(site, "conflict")
    ir.async_create_issue(
        site.hass, "other", "theirs", is_fixable=False, severity=ir.IssueSeverity.WARNING, translation_key="theirs"
    )
    await site.hass.config_entries.async_remove(site.entry.entry_id)
    assert not issues(site)
    assert ir.async_get(site.hass).async_get_issue("other", "theirs")


# More devices than max_devices


@pytest.fixture
async def full(site: LiveSite) -> LiveSite:
    """A site that takes one device, and has turned another away."""
    await site.set_options(max_devices=1)
    await site.heartbeat()
    assert not issues(site)
    await site.heartbeat("gateway/1", "GATE")
    assert list(issues(site)) == ["device_limit"]
    return site


async def test_more_devices_than_allowed(full: LiveSite) -> None:
    issue = issues(full)["device_limit"]
    assert issue.is_fixable
    assert issue.translation_placeholders == {**OF_SITE, "max_devices": "1"}

    # it goes by itself ten minutes after the last one was turned away
    await full.advance(*[60] * 9)
    assert "device_limit" in issues(full)
    await full.advance(60, 60)
    assert not issues(full)


async def test_more_devices_can_be_allowed(full: LiveSite) -> None:
    fix = await Fix.open(full, "device_limit")
    assert fix.page["menu_options"] == ["raise", "ignore"]
    assert fix.page["description_placeholders"]["max_devices"] == "1"
    await fix.choose("raise")
    assert (await fix.submit(max_devices=5))["type"] == "create_entry"
    assert full.entry.options == {"max_devices": 5}
    await full.advance(1.1)
    assert not issues(full)
    await full.heartbeat("gateway/1", "GATE")
    assert full.connectivity("gateway/GATE") == "on"


async def test_room_for_just_enough_devices_is_enough(full: LiveSite) -> None:
    await full.set_options(max_devices=2)
    await full.advance(1.1)
    assert not issues(full)
    await full.heartbeat("gateway/1", "GATE")
    await full.advance(61)
    assert not issues(full)
    await full.heartbeat("gateway/2", "GATE2")
    assert "device_limit" in issues(full)


async def test_new_devices_can_be_ignored_instead(full: LiveSite) -> None:
    fix = await Fix.open(full, "device_limit")
    await fix.choose("ignore")
    assert full.entry.options == {"max_devices": 1, "new_devices": "ignore"}
    await full.hass.async_block_till_done()
    await full.heartbeat("gateway/1", "GATE")
    assert not issues(full)


async def test_no_more_than_the_most_can_be_allowed(full: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("custom_components.site_devices.repairs.MAX_DEVICES", (1, 1))
    assert (await Fix.open(full, "device_limit")).page["menu_options"] == ["ignore"]


def fill(site: LiveSite, entities: int) -> None:
    """Let the entry have so many enabled entities."""
    registry = er.async_get(site.hass)
    for number in range(entities - len([known for known in registry.entities.values() if not known.disabled_by])):
        registry.async_get_or_create("sensor", DOMAIN, f"{SITE}/data/{number}", config_entry=site.entry)


@pytest.mark.parametrize(("free", "most"), [(1, 2), (5, 6), (0, None)])
async def test_no_more_than_fit_can_be_allowed(full: LiveSite, free: int, most: int | None) -> None:
    fill(full, 9950 - free)
    fix = await Fix.open(full, "device_limit")
    assert fix.page["menu_options"] == (["raise", "ignore"] if most else ["ignore"])
    if most is None:
        return
    schema = (await fix.choose("raise"))["data_schema"]
    assert schema({}) == {"max_devices": 2}
    assert schema({"max_devices": most}) == {"max_devices": most}
    with pytest.raises(vol.Invalid):
        schema({"max_devices": most + 1})
    await fix.submit(max_devices=most)
    for number in range(most - 1):
        await full.heartbeat(f"gateway/{number}", f"G{number}")
        assert full.connectivity(f"gateway/G{number}") == "on"


async def test_the_room_may_be_gone_when_the_number_is_asked_for(full: LiveSite) -> None:
    fix = await Fix.open(full, "device_limit")
    fill(full, 9950)
    assert (await fix.choose("raise"))["menu_options"] == ["ignore"]


async def test_the_devices_may_be_gone_when_the_number_is_asked_for(full: LiveSite) -> None:
    fix = await Fix.open(full, "device_limit")
    await full.advance(31)
    full.running.async_remove(full.fleet.records["datalogger/TEST123"])
    assert (await fix.choose("raise"))["data_schema"]({}) == {"max_devices": 1}


async def test_the_fix_of_an_unloaded_site_says_so(full: LiveSite) -> None:
    ignore(full, "device_limit")  # so that it outlives the unloading
    await full.unload()
    assert_aborted((await Fix.open(full, "device_limit")).page, "not_loaded")


@pytest.mark.parametrize("choice", ["raise", "ignore"])
async def test_the_limit_of_an_unloaded_site_is_left_alone(full: LiveSite, choice: str) -> None:
    fix = await Fix.open(full, "device_limit")
    await full.unload()
    assert_aborted(await fix.choose(choice), "not_loaded")


# More data than entities allow


async def too_much_data(site: LiveSite, serial: str = "TEST123") -> None:
    values: dict[str, Any] = {f"value {number}": number for number in range(101)}
    await site.report(serial=serial, **values)


async def test_more_data_than_entities_allow(site: LiveSite) -> None:
    await site.heartbeat()
    await too_much_data(site)
    issue = issues(site)["data_limit"]
    assert not issue.is_fixable
    assert issue.translation_placeholders == {**OF_SITE, "count": "1", "devices": "monstro/1 (TEST123)"}


async def test_too_much_data_is_no_issue_while_no_data_is_wanted(site: LiveSite) -> None:
    await site.heartbeat()
    await too_much_data(site)
    await site.set_options(data_entities=False)
    await site.advance(1.1)
    assert not issues(site)

    await site.set_options(data_entities=True)
    await site.advance(1.1)
    await too_much_data(site)
    await site.advance(1.1)
    assert "data_limit" in issues(site)


@pytest.mark.parametrize("key", ["data_limit", "conflict"])
async def test_no_issue_is_about_muted_devices(site: LiveSite, key: str) -> None:
    if key == "conflict":
        await conflict(site)
    else:
        await site.heartbeat()
        await too_much_data(site)
    assert key in issues(site)
    await site.mute()
    await site.advance(1.1)
    assert not issues(site)
    await site.mute(muted=False)
    await site.advance(1.1)
    assert key in issues(site)


# A site that heard nothing


async def test_a_site_that_hears_nothing_for_ten_minutes(site: LiveSite) -> None:
    await site.advance(540)
    await site.connect(up=False)
    await site.advance(120)
    assert not issues(site)
    await site.connect(up=True)  # the ten minutes are of one connection
    await site.advance(*[60] * 9)
    assert not issues(site)
    await site.advance(60, 60)
    assert not issues(site)["silent_site"].is_fixable
    await publish(site.hass, "sito_001/gateway/1/input", b"anything")
    await site.advance(60)
    assert not issues(site)


def gateways(number: int) -> list[DeviceRecord]:
    return [DeviceRecord(key=f"gateway/G{each}", address=str(each), created=0.0) for each in range(number)]


@pytest.mark.parametrize(("number", "more"), [(20, ""), (21, " …")])
async def test_twenty_devices_are_named(site: LiveSite, number: int, more: str) -> None:
    site.running.issues._set_devices("data_limit", gateways(number), _named)
    said = issues(site)["data_limit"].translation_placeholders or {}
    assert said["count"] == str(number)
    assert said["devices"] == ", ".join(f"Gateway {each} (G{each})" for each in range(20)) + more


# Stored devices that could not be used


async def test_that_the_store_was_lost_is_told_until_the_user_ignores_it(
    hass: HomeAssistant, hass_storage: dict[str, Any], site: LiveSite, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hass.config.config_dir = str(tmp_path)
    key, issue_id = f"{DOMAIN}.{site.entry.entry_id}", f"{site.entry.entry_id}_store_lost"
    file = tmp_path / ".storage" / key  # what is read and written is mocked, this is there to be put aside

    async def restart(*, damaged: bool = False) -> ir.IssueEntry | None:
        await site.unload()
        if damaged:
            file.parent.mkdir(exist_ok=True)
            file.touch()
            site.freezer.tick(1)
            hass_storage[key]["data"] = {}
        await site.load()
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
    await hass.config_entries.async_remove(site.entry.entry_id)
    assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id) is None
    caplog.clear()  # the losses are logged, with where the files are


@pytest.mark.parametrize("name", [_named, _named_with_rivals])
async def test_of_thousands_only_the_texts_of_twenty_are_made(
    site: LiveSite, monkeypatch: pytest.MonkeyPatch, name: Callable[[DeviceRecord], str]
) -> None:
    escaped: list[str] = []

    def count(text: str) -> str:
        escaped.append(text)
        return text

    monkeypatch.setattr("custom_components.site_devices.site.issues.escape", count)
    site.running.issues._set_devices("conflict", gateways(9900), name)
    assert len(escaped) <= 41


# Replaced hardware


async def test_twenty_are_asked_about_at_once(site: LiveSite) -> None:
    records = [DeviceRecord(key=f"gateway/G{each}", address="1", created=0.0) for each in range(22)]
    pairs = [(records[0], record) for record in records[1:]]
    with (
        patch.object(site.fleet, "replacements", lambda _: pairs),
        patch.object(site.running.issues, "_page_id", lambda record: record.serial),
    ):
        site.running.issues._check()
    assert len(issues(site)) == 20


async def replace_hardware(site: LiveSite, old: str = "OLD", new: str = "NEW") -> None:
    """Let the old device fall silent, and the new one beat at its address for two deadlines and until the minute is over."""
    await site.heartbeat(serial=old)
    await site.report(serial=old, temperature=21)
    await site.advance(31)
    for _ in range(12):
        await site.heartbeat(serial=new)
        await site.report(serial=new, temperature=22)
        await site.advance(10)


@pytest.fixture
async def replaced(site: LiveSite) -> LiveSite:
    """A site that asks whether NEW takes OLD's place."""
    await replace_hardware(site)
    assert list(issues(site)) == [replacement(site)]
    return site


def replacement(site: LiveSite, old: str = "OLD", new: str = "NEW") -> str:
    """Return the key of the issue, which tells no serial."""
    return f"replaced_{site.page(old).id}_{site.page(new).id}"


async def beat_for(site: LiveSite, seconds: int, serial: str = "NEW") -> None:
    for _ in range(seconds // 10):
        await site.heartbeat(serial=serial)
        await site.advance(10)


async def test_a_replacement_is_offered_after_two_deadlines(replaced: LiveSite) -> None:
    issue = issues(replaced)[replacement(replaced)]
    assert issue.is_fixable
    assert issue.translation_placeholders == {
        **OF_SITE,
        "address": "monstro/1",
        "old": "OLD",
        "new": "NEW",
        "old_plain": "OLD",
        "new_plain": "NEW",
    }
    await beat_for(replaced, 120)
    assert issues(replaced)[replacement(replaced)] is issue  # it is looked at each minute, and left alone


@pytest.mark.parametrize("language", ["en", "it"])
async def test_a_serial_with_markup_is_text_in_the_dialog_and_has_no_backslashes_in_its_title(
    site: LiveSite, language: str
) -> None:
    old, new = "<b>#1", "{{ 2 }}"
    await replace_hardware(site, old, new)
    key = replacement(site, old, new)
    said = issues(site)[key].translation_placeholders or {}
    texts = await async_get_translations(site.hass, language, "issues", {DOMAIN})
    texts = {path.removeprefix(f"component.{DOMAIN}.issues.replaced."): text for path, text in texts.items()}
    title = texts["title"].format(**said)
    assert new in title
    assert "\\" not in title
    menu = [text for path, text in texts.items() if "menu_options" in path]
    assert not [text for text in menu if "{" in text]  # a long serial would leave no room for what the choice does
    description = texts["fix_flow.step.init.description"].format(**said)
    assert r"\<b\>\#1" in description
    assert r"\{\{ 2 \}\}" in description
    assert (await Fix.open(site, key)).page["description_placeholders"] == said


async def test_no_replacement_is_offered_before(site: LiveSite) -> None:
    await site.heartbeat(serial="OLD")
    await site.advance(31)
    await site.heartbeat(serial="NEW")
    await site.advance(29)
    await site.heartbeat(serial="NEW")
    assert not issues(site)


async def test_keeping_both_devices_ignores_the_replacement(replaced: LiveSite) -> None:
    key = replacement(replaced)
    fix = await Fix.open(replaced, key)
    assert_aborted(await fix.choose("keep"), "kept")
    assert issues(replaced)[key].dismissed_version
    await replaced.advance(60)
    assert issues(replaced)[key].dismissed_version
    assert replaced.connectivity("datalogger/OLD") == "off"
    assert replaced.connectivity("datalogger/NEW") is not None


@pytest.mark.parametrize("ignored", [False, True], ids=["asked", "ignored"])
async def test_a_replacement_by_a_device_that_was_silent_is_asked_again_unless_ignored(
    replaced: LiveSite, ignored: bool
) -> None:
    key = replacement(replaced)
    if ignored:
        ignore(replaced, key)
    await replaced.advance(*[30] * 4)
    assert replaced.connectivity("datalogger/NEW") == "off"
    if not ignored:
        assert not issues(replaced)
    await beat_for(replaced, 180)
    assert bool(issues(replaced)[key].dismissed_version) is ignored


@pytest.mark.parametrize("ended", ["old back", "old elsewhere", "old deleted", "new deleted"])
@pytest.mark.parametrize("ignored", [False, True], ids=["asked", "ignored"])
async def test_a_replacement_goes_with_its_cause(replaced: LiveSite, ended: str, ignored: bool) -> None:
    if ignored:
        ignore(replaced, replacement(replaced))
    if ended == "old back":
        await beat_for(replaced, 60, serial="OLD")
    elif ended == "old elsewhere":
        await replaced.heartbeat("datalogger/monstro/2", "OLD")
    else:
        await replaced.advance(31)
        replaced.running.async_remove(replaced.fleet.records[f"datalogger/{ended[:3].upper()}"])
    await replaced.advance(60)
    assert not issues(replaced)


async def test_ignoring_one_replacement_is_not_ignoring_the_next(replaced: LiveSite) -> None:
    ignore(replaced, replacement(replaced))
    await replaced.advance(31)
    await beat_for(replaced, 180, serial="NEXT")
    asked = [issue for issue in issues(replaced).values() if not issue.dismissed_version]
    assert [(issue.translation_placeholders or {})["new"] for issue in asked] == ["NEXT"]


async def test_the_new_serial_goes_on_as_the_old_device(replaced: LiveSite) -> None:
    hass, entry_id = replaced.hass, replaced.entry.entry_id
    devices, entities = dr.async_get(hass), er.async_get(hass)
    old = replaced.page("OLD")
    area = ar.async_get(hass).async_create("Roof").id
    devices.async_update_device(old.id, name_by_user="My logger", area_id=area)
    entities.async_update_entity("binary_sensor.monstro_1_connectivity", new_entity_id="binary_sensor.my_logger")
    last_heartbeat = entities.async_get_entity_id("sensor", DOMAIN, "sito_001/datalogger/OLD/last_heartbeat")
    replaced.running.async_set_offline_after([replaced.fleet.records["datalogger/OLD"]], 120)

    fix = await Fix.open(replaced, replacement(replaced))
    assert fix.page["menu_options"] == ["replace", "keep"]
    assert fix.page["description_placeholders"]["new"] == "NEW"
    assert (await fix.choose("replace"))["type"] == "create_entry"
    await hass.async_block_till_done()

    site, page = dr.async_entries_for_config_entry(devices, entry_id)
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
    assert replaced.fleet.records["datalogger/NEW"].offline_after == 120
    assert not issues(replaced)

    # what the new hardware sends is the old device's from now on, before and after a reload
    assert replaced.state("binary_sensor.my_logger") == "on"
    await replaced.report(serial="NEW", temperature=23, door=True)
    assert replaced.state("sensor.monstro_1_temperature") == "23"
    assert replaced.entity("datalogger/NEW/in/door").state == "on"
    await replaced.advance(
        16, 16
    )  # both events have left: a reload would wait between them, for a clock that stands still
    await replaced.reload()
    assert replaced.state("binary_sensor.my_logger") == "on"
    assert len(dr.async_entries_for_config_entry(devices, entry_id)) == 2

    # the old serial is nobody now: heard again it is a new device
    await replaced.heartbeat("datalogger/monstro/3", "OLD")
    assert replaced.connectivity("datalogger/OLD") == "on"


async def test_the_replacement_is_an_event(replaced: LiveSite) -> None:
    fix = await Fix.open(replaced, replacement(replaced))
    await fix.choose("replace")
    await replaced.advance(16)
    state = replaced.entity("events", "event")
    assert state.attributes["event_type"] == "replaced"
    assert state.attributes["devices"][0]["serial"] == "NEW"


@pytest.mark.parametrize(
    ("moved", "seconds", "choice"), [("OLD", 0, "replace"), ("NEW", 0, "replace"), ("OLD", 60, "keep")]
)
async def test_nothing_is_carried_over_or_ignored_once_things_have_changed(
    replaced: LiveSite, moved: str, seconds: float, choice: str
) -> None:
    fix = await Fix.open(replaced, replacement(replaced))
    await replaced.heartbeat("datalogger/monstro/2", moved)
    await replaced.advance(seconds)
    assert_aborted(await fix.choose(choice), "changed")
    assert replaced.connectivity("datalogger/NEW") == ("off" if seconds else "on")


async def test_nothing_is_carried_over_when_the_site_is_not_loaded(replaced: LiveSite) -> None:
    fix = await Fix.open(replaced, replacement(replaced))
    await replaced.unload()
    assert_aborted(await fix.choose("replace"), "not_loaded")


# Restarts


async def nothing_heard(site: LiveSite) -> None:
    await site.advance(*[60] * 12)


async def too_many_devices(site: LiveSite) -> None:
    await site.set_options(max_devices=1)
    await site.heartbeat(serial="NEW")
    await site.heartbeat("gateway/1", "GATE")


async def data_without_entities(site: LiveSite) -> None:
    await site.heartbeat(serial="NEW")
    await too_much_data(site, "NEW")


async def entities_without_end(site: LiveSite) -> None:
    await site.set_options(max_devices=9900)
    await site.heartbeat(serial="NEW")
    fill(site, 9950)
    await site.advance(60)
    await site.heartbeat(serial="NEW")
    await site.heartbeat("gateway/1", "GATE")


async def connectivity_refused(site: LiveSite) -> None:
    await site.heartbeat()
    er.async_get(site.hass).async_remove("binary_sensor.monstro_1_connectivity")
    await site.advance(60, 60, 1.1)


async def as_before(site: LiveSite, cause: object) -> None:
    """Let the devices go on as they did."""
    if cause is nothing_heard:
        return
    if cause is conflict:
        await site.heartbeat()
        await site.heartbeat("datalogger/monstro/7")
        return
    await site.heartbeat(serial="NEW")
    if cause in (too_many_devices, entities_without_end):
        await site.heartbeat("gateway/1", "GATE")
    if cause is data_without_entities:
        await too_much_data(site, "NEW")


CAUSES = [nothing_heard, too_many_devices, conflict, data_without_entities, replace_hardware, entities_without_end]


@pytest.mark.parametrize("cause", [*CAUSES, connectivity_refused])
async def test_an_issue_is_given_all_that_its_texts_name(site: LiveSite, cause: Any) -> None:
    await cause(site)
    (issue,) = issues(site).values()
    for language in ("en", "it"):
        texts = await async_get_translations(site.hass, language, "issues", {DOMAIN})
        ours = [text for key, text in texts.items() if f".{issue.translation_key}." in key]
        assert len(ours) >= 2
        named = {name for text in ours for name in re.findall(r"{(\w+)}", text)}
        assert named <= issue.translation_placeholders.keys()


@pytest.mark.parametrize("ignored", [False, True], ids=["asked", "ignored"])
@pytest.mark.parametrize("cause", CAUSES)
async def test_while_its_cause_lasts_an_issue_is_there_again_after_a_restart_and_ignored_if_it_was(
    site: LiveSite, cause: Any, ignored: bool
) -> None:
    await cause(site)
    (key,) = issues(site)
    issue_id = f"{site.entry.entry_id}_{key}"
    if ignored:
        ignore(site, key)
    await site.unload()
    # what Home Assistant keeps of an issue over its own restart: only whether it was ignored
    registry = ir.async_get(site.hass)
    if issue := registry.issues.get((DOMAIN, issue_id)):
        registry.issues[DOMAIN, issue_id] = dataclasses.replace(issue, active=False, translation_placeholders=None)
    assert not issues(site)
    await site.load()
    for _ in range(75):
        await as_before(site, cause)
        await site.advance(10)
    (again,) = issues(site).values()
    assert again.issue_id == issue_id
    assert bool(again.dismissed_version) is ignored
    assert again.translation_placeholders
