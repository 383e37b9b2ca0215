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
from custom_components.site_devices.markdown import escape

from . import SITE, advance, connectivity, heartbeat, publish

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


def changed(**data: Any) -> dict[str, Any]:
    return {**GOOD, "data": {**GOOD["data"], **data}}


def device(**fields: Any) -> dict[str, Any]:
    return changed(devices=[{**GOOD["data"]["devices"][0], **fields}])


async def test_what_is_good_is_used(hass: HomeAssistant, hass_storage: dict[str, Any], file: Path) -> None:
    hass_storage[KEY] = GOOD
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
        field.name for field in fields(record) if field.name not in ("heard", "graced", "arrived", "moves", "rivals")
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


async def test_a_file_from_before_it_named_its_site_is_used(hass: HomeAssistant, hass_storage: dict[str, Any]) -> None:
    hass_storage[KEY] = changed()
    del hass_storage[KEY]["data"]["site"]
    await load(hass)
    assert connectivity(hass) == "off"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({**GOOD, "version": 2}, r"Error.*"),
        (changed(site="sito_002"), "ValueError: it is of the site 'sito_002'"),
        ({**GOOD, "data": []}, r"AttributeError: .*"),
        ({**GOOD, "data": {"devices": []}}, r"KeyError: 'deleted'"),
        (changed(devices={"a": 1}), r"KeyError: 'key'"),
        (changed(devices=5), r"TypeError: .*"),
        (changed(deleted=[1]), r"TypeError: '1' is no str"),
        (changed(monitoring="yes"), r"TypeError: 'yes' is no bool"),
        (changed(devices=[{}]), r"KeyError: 'key'"),
        (device(key="thing/A"), r"ValueError: .*"),
        (device(last_heartbeat="yesterday"), r"TypeError: 'yesterday' is no int"),
        (device(info={"colour": "red"}), r"TypeError: .*"),
        (device(info={"model": 5}), r"TypeError: '5' is no str"),
        (device(rivals=[None]), r"TypeError: 'None' is no str"),
        (device(data={"in/t": ["colour", None, False]}), r"ValueError: .*"),
        (device(data={"in/t": ["number", 5, False]}), r"TypeError: '5' is no str"),
        (device(data={"in/t": "no"}), r"ValueError: .*"),
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
    (line,) = [record.getMessage() for record in caplog.records if record.name.endswith("site_devices.storage")]
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
async def test_what_can_not_be_read_at_present_is_tried_again(
    hass: HomeAssistant, hass_storage: dict[str, Any], raised: Exception
) -> None:
    """As on a disk that fails, or one that is read-only when a file is to be put aside."""
    raised.__cause__ = OSError("no")
    hass_storage[KEY] = GOOD
    with patch.object(Store, "async_load", side_effect=raised):
        entry = await load(hass)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert "can't be read" in (entry.reason or "")
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
