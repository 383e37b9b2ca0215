"""Architecture: only `compat` leans on what Home Assistant may change. The floors are held by `scripts/lint`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
import re

import pytest

import custom_components.site_devices

ROOT = Path(custom_components.site_devices.__file__).parent
CLOCKS = {"now", "today", "utcnow"}

# what Home Assistant may change in any release without a word, by how it is named in full; only `compat` may need such
FRAGILE = {
    r"homeassistant\.components\.\w+\.[a-z]\w*\..*": "a module within an integration: its root has what is for others",
    r"(homeassistant\.components\.\w+|mqtt|sensor)\.(client|const|models)": "the same, by another way",
    r"homeassistant\.(.*\.)?_\w+.*": "a private name",
    r".*\.__annotations__": "how a class is declared",
    r"mqtt\.CONF_\w+": "the data of MQTT's config entry",
}


def fragilities(source: str) -> set[str]:
    """Return what a room uses of Home Assistant that may change in any release without a word."""
    return {
        name
        for node in ast.walk(ast.parse(source))
        for name in _names(node)
        if any(re.fullmatch(fragile, name) for fragile in FRAGILE)
    }


def _names(node: ast.AST) -> Iterator[str]:
    """Return what an import or an attribute names, in full."""
    if isinstance(node, ast.Import):
        yield from (f"{alias.name}." for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Attribute):
        yield ast.unparse(node)


ROOMS = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


@pytest.mark.parametrize("room", [room for room in ROOMS if room.stem != "compat"], ids=str)
def test_only_compat_uses_what_home_assistant_may_change_without_a_word(room: Path) -> None:
    assert fragilities((ROOT / room).read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize("room", [room for room in ROOMS if room.parts[0] == "core"], ids=str)
def test_no_room_of_core_asks_a_clock(room: Path) -> None:
    """What it could import for that, the linter forbids; `datetime` is allowed, to read what a device wrote."""
    called = ast.walk(ast.parse((ROOT / room).read_text(encoding="utf-8")))
    assert not [node.attr for node in called if isinstance(node, ast.Attribute) and node.attr in CLOCKS]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (
            "from homeassistant.components.mqtt.models import ReceiveMessage",
            "homeassistant.components.mqtt.models.ReceiveMessage",
        ),
        ("from homeassistant.components.sensor.const import A, B", "homeassistant.components.sensor.const.A"),
        ("import homeassistant.components.mqtt.const", "homeassistant.components.mqtt.const."),
        ("from homeassistant.components.mqtt import const", "homeassistant.components.mqtt.const"),
        (
            "if TYPE_CHECKING:\n    from homeassistant.components.mqtt import client",
            "homeassistant.components.mqtt.client",
        ),
        ("from homeassistant.helpers.storage import _Manager", "homeassistant.helpers.storage._Manager"),
        ("from homeassistant._private import x", "homeassistant._private.x"),
        ("loaded = mqtt.const.DEFAULT_KEEPALIVE", "mqtt.const"),
        ("entry.data.get(mqtt.CONF_KEEPALIVE, 60)", "mqtt.CONF_KEEPALIVE"),
        ("'via_device_id' in DeviceInfo.__annotations__", "DeviceInfo.__annotations__"),
        ("from homeassistant.components import mqtt\nmqtt.async_subscribe", None),
        ("from homeassistant.components.sensor import UNIT_CONVERTERS, SensorEntity", None),
        ("import homeassistant.components.mqtt", None),
        ("from homeassistant import const", None),
        ("from homeassistant.helpers import device_registry as dr\ndr.async_get", None),
        ("from homeassistant.auth.permissions.const import POLICY_CONTROL", None),
        ("from .const import DOMAIN\nself._loop.time", None),
    ],
)
def test_the_walker_finds_what_is_fragile(source: str, found: str | None) -> None:
    names = fragilities(source)
    assert (found in names) if found else not names
