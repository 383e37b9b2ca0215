"""What is stored of a site: as it was, or kept aside when it can't be used."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
import re
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.storage import Store
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.site_devices.const import CONF_SITE_CODE, DOMAIN
from custom_components.site_devices.core.device import DeviceRecord
from custom_components.site_devices.core.fleet import Fleet
from custom_components.site_devices.core.markdown import escape
from custom_components.site_devices.core.protocol import Heartbeat
from custom_components.site_devices.site.storage import SiteStore, async_remove_store, record_from, record_of

from .. import SITE, advance, connectivity, heartbeat, page, publish

pytestmark = pytest.mark.usefixtures("broker")

GOOD: dict[str, Any] = {
    "version": 1,
    "minor_version": 1,
    "key": "site_devices.entry",
    "data": {
        "site": SITE,
        "devices": [
            {
                "key": "datalogger/TEST123",
                "address": "monstro/1",
                "created": 1.0,
                "online": False,
                "last_heartbeat": 2.0,
                "info": {"model": "M"},
                "data": {"in/t": ["number", "°C", False]},
            }
        ],
        "deleted": [],
        "monitoring": True,
    },
}


KEY = f"{DOMAIN}.entry"


@pytest.fixture
def file(hass: HomeAssistant, tmp_path: Path) -> Path:
    """The file of the site: what is read and written is mocked, it is there to be put aside."""
    hass.config.config_dir = str(tmp_path)
    path = tmp_path / ".storage" / KEY
    path.parent.mkdir()
    path.touch()
    return path


async def load(hass: HomeAssistant) -> MockConfigEntry:
    """Set the site up, whatever comes of it."""
    entry = MockConfigEntry(domain=DOMAIN, title=SITE, unique_id=SITE, data={CONF_SITE_CODE: SITE}, entry_id="entry")
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


def store_of(hass: HomeAssistant, fleet: Fleet | None = None, *, monitoring: bool = True) -> SiteStore:
    fleet = fleet or Fleet(offline_after=30, max_devices=10)
    return SiteStore(hass, "entry", SITE, fleet, lambda: monitoring)


def changed(**data: Any) -> dict[str, Any]:
    return {**GOOD, "data": {**GOOD["data"], **data}}


def device(**fields: Any) -> dict[str, Any]:
    return changed(devices=[{**GOOD["data"]["devices"][0], **fields}])


@pytest.mark.parametrize("named", [True, False], ids=["now", "from before it named its site"])
async def test_a_file_that_is_good_is_used(
    hass: HomeAssistant, hass_storage: dict[str, Any], file: Path, named: bool
) -> None:
    hass_storage[KEY] = changed()
    if not named:
        del hass_storage[KEY]["data"]["site"]
    await load(hass)
    assert connectivity(hass) == "off"
    assert list(file.parent.glob("*.corrupt.*")) == []


async def test_all_that_is_known_of_a_device_is_stored_and_known_again(
    hass: HomeAssistant, hass_storage: dict[str, Any], freezer: FrozenDateTimeFactory
) -> None:
    entry = await load(hass)
    for address in ("monstro/1", "monstro/2") * 2:  # alive at two addresses
        await heartbeat(hass, f"datalogger/{address}", timestamp="2025-10-17T10:00:00Z", name="Roof", model="M7")
        await advance(hass, freezer, 1)
    report = {"serial_number": "TEST123", "power": {"value": 5, "unit": "W"}, "state": "on"}
    await publish(hass, f"{SITE}/datalogger/monstro/1/input", report)
    site = entry.runtime_data
    (record,) = site.fleet.records.values()
    site.async_set_offline_after([record], 600)
    for _ in range(4):  # its events have left: a reload would wait between two of them, for a clock that stands still
        await advance(hass, freezer, 5)
    stored_fields = [
        field.name
        for field in fields(record)
        if field.name not in ("heard", "graced", "queue", "arrived", "moves", "rivals")
    ]
    known = {name: getattr(record, name) for name in stored_fields}
    assert all(value for name, value in known.items() if name not in ("muted", "told_offline"))  # something of each

    await hass.config_entries.async_reload(entry.entry_id)
    (again,) = entry.runtime_data.fleet.records.values()
    assert again is not record
    assert {name: getattr(again, name) for name in stored_fields} == known
    assert list(again.rivals) == ["monstro/1", "monstro/2"]


async def test_a_busy_site_is_saved_all_the_same(
    hass: HomeAssistant, hass_storage: dict[str, Any], freezer: FrozenDateTimeFactory
) -> None:
    """Each new device asks for it, and Home Assistant would put it off each time."""
    await load(hass)
    for number in range(12):
        await heartbeat(hass, f"datalogger/monstro/{number}", f"T{number}")
        await advance(hass, freezer, 2)
    assert len(hass_storage[KEY]["data"]["devices"]) > 5
    await advance(hass, freezer, 10)
    assert len(hass_storage[KEY]["data"]["devices"]) == 12


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({**GOOD, "version": 2}, r"Error.*"),
        (changed(site="sito_002"), "ValueError: it belongs to the site 'sito_002'"),
        ({**GOOD, "data": []}, r"AttributeError: .*"),
        ({**GOOD, "data": {"devices": []}}, r"KeyError: 'deleted'"),
        (changed(devices={"a": 1}), r"KeyError: 'key'"),
        (changed(devices=5), r"TypeError: .*"),
        (changed(deleted=[1]), r"TypeError: '1' is not str"),
        (changed(monitoring="yes"), r"TypeError: 'yes' is not bool"),
        (changed(devices=[{}]), r"KeyError: 'key'"),
        (device(key="thing/A"), r"ValueError: .*"),
        (device(last_heartbeat="yesterday"), r"TypeError: 'yesterday' is not int"),
        (device(info={"colour": "red"}), r"TypeError: .*"),
        (device(info={"model": 5}), r"TypeError: '5' is not str"),
        (device(rivals=[None]), r"TypeError: 'None' is not str"),
        (device(data={"in/t": ["colour", None, False]}), r"ValueError: .*"),
        (device(data={"in/t": ["number", 5, False]}), r"TypeError: '5' is not str"),
        (device(data={"in/t": "no"}), r"ValueError: .*"),
        (device(data={"in/t": ["number", None, 1]}), r"TypeError: '1' is not bool"),
        (device(silent="long"), r"TypeError: 'long' is not int"),
        (changed(owners=[1]), r"TypeError: '1' is not str"),
        (changed(devices=2 * GOOD["data"]["devices"]), r"ValueError: it contains a device twice"),
    ],
)
async def test_what_is_not_ours_is_kept_aside_and_told(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    file: Path,
    caplog: pytest.LogCaptureFixture,
    content: Any,
    why: str,
) -> None:
    hass_storage[KEY] = content
    entry = await load(hass)
    assert entry.state is ConfigEntryState.LOADED
    (aside,) = file.parent.glob("*.corrupt.*")
    (line,) = [record.getMessage() for record in caplog.records if record.name.endswith("site_devices.site.storage")]
    assert re.fullmatch(rf"sito_001: the stored devices can't be used \(.*{why}\); the file is kept as .*", line)
    assert line.split("kept as ")[1].startswith(str(aside))
    issue = ir.async_get(hass).issues[DOMAIN, "entry_store_lost"]
    assert issue.translation_placeholders
    # not the whole path: it has no place to break, and would be cut on a phone
    assert issue.translation_placeholders["folder"] == escape(str(aside.parent))
    assert str(aside).endswith(issue.translation_placeholders["ending"])
    assert issue.translation_placeholders["ending"].startswith(".corrupt.20")

    await heartbeat(hass, "gateway/1", "NEW")
    assert connectivity(hass, "gateway/NEW") == "on"
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert [device["key"] for device in hass_storage[KEY]["data"]["devices"]] == ["gateway/NEW"]


@pytest.mark.parametrize("raised", [PermissionError("no"), HomeAssistantError("no")])
async def test_what_can_not_be_read_at_present_is_left_where_it_is_and_tried_again(
    hass: HomeAssistant, hass_storage: dict[str, Any], file: Path, raised: Exception
) -> None:
    """As on a disk that fails; Home Assistant hides what failed behind an error of its own."""
    if isinstance(raised, HomeAssistantError):
        raised.__cause__ = OSError("no")
    hass_storage[KEY] = GOOD
    with patch.object(Store, "async_load", side_effect=raised):
        entry = await load(hass)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert "can't be read" in (entry.reason or "")
    assert list(file.parent.iterdir()) == [file]
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert connectivity(hass) == "off"


@pytest.mark.usefixtures("file")
async def test_what_can_not_be_kept_aside_is_not_overwritten(hass: HomeAssistant, hass_storage: dict[str, Any]) -> None:
    hass_storage[KEY] = changed(site="sito_002")
    with patch.object(Path, "rename", side_effect=PermissionError("read-only")):
        entry = await load(hass)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    await hass.config_entries.async_unload(entry.entry_id)
    assert hass_storage[KEY] == changed(site="sito_002")


# What was told, how long each has been silent, and whose an address is


def restored(**stored: Any) -> DeviceRecord:
    """Return what a device with these fields is after a restart."""
    return record_from({"key": "gateway/A", "address": "1", "created": 1.0, **stored})


@pytest.mark.parametrize(
    ("stored", "told_offline"),
    [
        ({"online": True, "told": "online"}, False),
        ({"online": True, "told": "offline"}, True),
        ({"online": False, "told": "online"}, False),
        ({"online": False, "told": "offline"}, True),
        # an earlier version did not say
        ({"online": True}, False),
        ({"online": False}, True),
        ({}, False),
    ],
)
def test_what_was_told_is_kept_and_else_it_is_what_is_true(stored: dict[str, Any], told_offline: bool) -> None:
    record = restored(**stored)
    assert record.told_offline is told_offline
    assert record_of(record, 0.0)["told"] == ("offline" if told_offline else "online")


def test_the_addresses_of_a_conflict_are_kept_in_order() -> None:
    device = record_of(restored(rivals=["2", "1"]), 0.0)
    assert device["rivals"] == ["2", "1"]
    assert list(record_from(device).rivals or ()) == ["2", "1"]


@pytest.mark.parametrize(
    ("silence", "stored", "left"),
    [(None, None, 30), (0, 0.0, 30), (12.3456, 12.346, 17.654), (29, 29, 1), (99, 99, -69)],
)
def test_how_long_a_device_has_been_silent_since_its_grace_is_kept(
    silence: float | None, stored: float | None, left: float
) -> None:
    record = restored(online=True)
    record.graced = silence is not None
    device = record_of(record, 5.0 if silence is None else silence)
    assert device.get("silent") == stored

    fleet = Fleet(offline_after=30, max_devices=10)
    fleet.restore([record_from(device)], ())
    fleet.resume(1000)
    assert fleet.next_deadline() == pytest.approx(1000 + left)


async def test_the_next_run_knows_silence_owners_deleted_ones_and_the_switch(
    hass: HomeAssistant, hass_storage: dict[str, Any]
) -> None:
    now = hass.loop.time()
    fleet = Fleet(offline_after=30, max_devices=10)
    fleet.resume(now - 100)
    for serial, heard in (("GONE", 80), ("OTHER", 60), ("HOLDER", 50), ("OTHER", 45), ("FRESH", 5)):
        if serial == "FRESH":
            fleet.interrupted(now - 30, now - 20, now - 20)
        beat = Heartbeat(f"gateway/{serial}", "2" if serial == "FRESH" else "1", False, None, None, {})
        fleet.heartbeat(beat, now=now - heard, wall=1e9 - heard)
    fleet.remove("gateway/GONE")
    fleet.pause(now - 8)  # 12 s after the grace of those that were there
    await store_of(hass, fleet, monitoring=False).async_close()
    stored = {device["key"]: device for device in hass_storage[KEY]["data"]["devices"]}
    assert {key: device.get("silent") for key, device in stored.items()} == {
        "gateway/OTHER": 12,
        "gateway/HOLDER": 12,
        "gateway/FRESH": None,
    }

    again = Fleet(offline_after=30, max_devices=10)
    assert await store_of(hass, again).async_load() == (False, None)
    again.resume(1000)
    assert list(again.deleted) == ["gateway/GONE"]
    assert again.places.owners() == ["gateway/HOLDER"]
    deadlines = {record.serial: again.deadlines.due(record) for record in again.records.values()}
    assert deadlines == {"OTHER": 1018, "HOLDER": 1018, "FRESH": 1030}


async def test_a_store_of_an_earlier_version_gives_full_grace_and_the_address_to_who_was_heard_last(
    hass: HomeAssistant, hass_storage: dict[str, Any]
) -> None:
    last = {"key": "gateway/LAST", "address": "1", "created": 1.0, "online": True, "last_heartbeat": 3.0}
    hass_storage[KEY] = changed(devices=[last, {**last, "key": "gateway/FIRST", "last_heartbeat": 2.0}])
    fleet = Fleet(offline_after=30, max_devices=10)
    assert await store_of(hass, fleet).async_load() == (True, None)
    fleet.resume(1000)
    assert [fleet.deadlines.due(record) for record in fleet.records.values()] == [1030, 1030]
    assert fleet.places.owners() == ["gateway/LAST"]
    assert [record.pending_event for record in fleet.records.values()] == [None, None]


async def test_two_live_devices_at_one_address_keep_their_names_over_a_reload(
    hass: HomeAssistant, hass_storage: dict[str, Any]
) -> None:
    entry = await load(hass)
    for serial in ("OTHER", "HOLDER", "OTHER"):  # heard last, and the address is not its own
        await heartbeat(hass, serial=serial)
    names = {serial: page(hass, entry, serial).name for serial in ("OTHER", "HOLDER")}
    assert names == {"OTHER": "monstro/1 (OTHER)", "HOLDER": "monstro/1"}
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert {serial: page(hass, entry, serial).name for serial in names} == names


async def test_the_file_is_replaced_whole(hass: HomeAssistant) -> None:
    """A power cut in the middle of writing must not leave half of it."""
    assert store_of(hass)._store._atomic_writes


async def test_after_the_last_save_nothing_is_saved_any_more(
    hass: HomeAssistant, hass_storage: dict[str, Any], freezer: FrozenDateTimeFactory
) -> None:
    """It would overwrite what the next run saves, or bring a deleted file back."""
    store = store_of(hass)
    await store.async_close()
    del hass_storage[KEY]
    store.async_schedule_save()
    await advance(hass, freezer, 20)
    assert KEY not in hass_storage


async def test_the_last_save_before_home_assistant_stops_waits_for_nothing(
    hass: HomeAssistant, hass_storage: dict[str, Any], freezer: FrozenDateTimeFactory
) -> None:
    store = store_of(hass)
    store.async_schedule_save()
    await advance(hass, freezer, 5)
    assert KEY not in hass_storage
    store.async_schedule_final_save()
    await advance(hass, freezer, 0.1)
    assert KEY in hass_storage


async def test_a_removed_file_is_gone(hass: HomeAssistant, hass_storage: dict[str, Any]) -> None:
    store = store_of(hass)
    await store.async_close()
    assert KEY in hass_storage
    await async_remove_store(hass, "entry")
    assert KEY not in hass_storage


async def test_what_comes_while_a_thread_reads_what_is_to_be_saved_does_no_harm(hass: HomeAssistant) -> None:
    """The oldest Home Assistant asks from a thread, while the loop goes on."""

    class Point(tuple[Any, ...]):
        __slots__ = ()

        def __iter__(self) -> Any:
            number = len(fleet.records)
            fleet.records[f"gateway/{number}"] = DeviceRecord(key=f"gateway/{number}", address="1", created=1)
            data[f"in/{number}"] = Point()
            return super().__iter__()

    fleet = Fleet(offline_after=30, max_devices=10)
    record = restored()
    fleet.restore([record], ())
    data: dict[str, Any] = record.data
    data["in/t"] = Point(("number", None, False))
    (stored,) = store_of(hass, fleet)._data()["devices"]
    assert stored["data"] == {"in/t": ("number", None, False)}
    assert len(fleet.records) == len(data) == 2
