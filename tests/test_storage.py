"""What is stored of a site: as it was, or kept aside when it can't be used."""

from __future__ import annotations

from pathlib import Path
import re
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.storage import Store
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.site_devices.const import CONF_SITE_CODE, DOMAIN
from custom_components.site_devices.markdown import escape

from . import SITE, connectivity, heartbeat

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
    assert issue.translation_placeholders == {"site": escape(SITE), "file": escape(str(aside))}

    await heartbeat(hass, "gateway/1", "NEW")
    assert connectivity(hass, "gateway/NEW") == "on"
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert [device["key"] for device in hass_storage[KEY]["data"]["devices"]] == ["gateway/NEW"]
    assert (DOMAIN, "entry_store_lost") not in ir.async_get(hass).issues


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
