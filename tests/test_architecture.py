"""Architecture: the inner rooms know no Home Assistant and no clock, and data flows one way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
import re
import sys

import pytest

import custom_components.site_devices

PACKAGE = "custom_components.site_devices"
ROOT = Path(custom_components.site_devices.__file__).parent

# the pure rooms, and which others each may know
PURE = {
    "agenda": set[str](),
    "fleet": {"agenda", "protocol", "readings"},
    "line": set[str](),
    "protocol": set[str](),
    "readings": {"protocol"},
}
LIBRARIES = {"orjson"}
# of the standard library: what waits, runs beside the loop, talks to the world, or loads what can't be seen here
IMPURE = {"asyncio", "concurrent", "importlib", "io", "multiprocessing", "os", "pathlib", "random", "sched", "select"} | {
    "selectors", "signal", "socket", "subprocess", "tempfile", "threading", "time", "urllib", "zoneinfo", "_thread",
}  # fmt: skip
CLOCKS = {"now", "today", "utcnow"}

# what Home Assistant calls: nobody within the package does, so that nothing flows back
OUTERMOST = {
    "binary_sensor", "config_flow", "diagnostics", "event", "repairs", "sensor", "switch", "system_health",
}  # fmt: skip

# what Home Assistant may change in any release without a word, by how it is named in full; only `compat` may need such
FRAGILE = {
    r"homeassistant\.components\.\w+\.[a-z]\w*\..*": "a module within an integration: its root has what is for others",
    r"(homeassistant\.components\.\w+|mqtt|sensor)\.(client|const|models)": "the same, by another way",
    r"homeassistant\.(.*\.)?_\w+.*": "a private name",
    r".*\.__annotations__": "how a class is declared",
    r"mqtt\.CONF_\w+": "the data of MQTT's config entry",
}


def imports(source: str, *, run_time: bool = False) -> set[str]:
    """Return the modules that a source text imports anywhere: siblings with a leading dot; at run time only, if wanted."""
    return {_sibling(name) for node in _nodes(ast.parse(source), run_time) for name in _imported(node)}


def impurities(source: str, siblings: set[str]) -> set[str]:
    """Return what a pure room may not use, other than the siblings that it may know."""
    stdlib = sys.stdlib_module_names - IMPURE
    found = {
        name
        for name in imports(source)
        if not (name[0] == "." and name[1:] in siblings) and name.partition(".")[0] not in stdlib | LIBRARIES
    }
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS:
            found.add(f"{node.attr}()")
        if isinstance(node, ast.Name) and node.id == "__import__":
            found.add("__import__()")
    return found


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


def _nodes(node: ast.AST, run_time: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield child
        if run_time and isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for otherwise in child.orelse:
                yield otherwise
                yield from _nodes(otherwise, run_time)
        else:
            yield from _nodes(child, run_time)


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        if module.strip(".") and module != PACKAGE:
            yield module
        else:
            yield from (f"{module}{'.' if module == PACKAGE else ''}{alias.name}" for alias in node.names)


def _sibling(name: str) -> str:
    return name.removeprefix(PACKAGE) if name.startswith(PACKAGE + ".") else name


def rooms() -> dict[str, str]:
    """Return the source text of each module of the integration."""
    return {path.stem: path.read_text(encoding="utf-8") for path in ROOT.glob("*.py")}


@pytest.mark.parametrize("room", PURE)
def test_the_inner_rooms_are_pure(room: str) -> None:
    assert impurities(rooms()[room], PURE[room]) == set()


def test_data_flows_one_way() -> None:
    sources = rooms()
    known = {
        room: {name[1:] for name in imports(source, run_time=True) if name[0] == "." and name[1:] in sources}
        for room, source in sources.items()
    }

    assert known["site"] >= {"protocol", "fleet"}  # the walker sees what there is
    assert {room: names & OUTERMOST for room, names in known.items() if names & OUTERMOST} == {}
    try:
        TopologicalSorter(known).prepare()
    except CycleError as err:
        pytest.fail(f"rooms that know each other: {err.args[1]}")


@pytest.mark.parametrize("room", sorted(rooms().keys() - {"compat"}))
def test_only_compat_uses_what_home_assistant_may_change_without_a_word(room: str) -> None:
    assert fragilities(rooms()[room]) == set()


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


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import homeassistant", {"homeassistant"}),
        ("import homeassistant.core as core", {"homeassistant.core"}),
        ("from homeassistant.util import dt as dt_util", {"homeassistant.util"}),
        ("import math, voluptuous as vol", {"voluptuous"}),
        ("from time import monotonic", {"time"}),
        ("def later():\n    import asyncio", {"asyncio"}),
        ("try:\n    from threading import Lock\nexcept ImportError:\n    pass", {"threading"}),
        ("if TYPE_CHECKING:\n    from homeassistant.core import HomeAssistant", {"homeassistant.core"}),
        ("from .site import Site", {".site"}),
        ("from . import const, protocol", {".const"}),
        ("from custom_components.site_devices.storage import SiteStore", {".storage"}),
        ("from custom_components.site_devices import storage", {".storage"}),
        ("from .. import protocol", {"..protocol"}),
        ("import protocol", {"protocol"}),
        ("import custom_components.site_devices.entity", {".entity"}),
        ("import paho.mqtt.client", {"paho.mqtt.client"}),
        ("import importlib", {"importlib"}),
        ("__import__('time')", {"__import__()"}),
        ("moment = datetime.now(UTC)", {"now()"}),
        ("import collections.abc, orjson\nfrom .protocol import parse\nfrom datetime import datetime", set()),
    ],
)
def test_the_walker_finds_what_is_not_pure(source: str, found: set[str]) -> None:
    assert impurities(source, {"protocol"}) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from .site import Site", {".site"}),
        ("if TYPE_CHECKING:\n    from .entity import DeviceEntity", set()),
        ("if typing.TYPE_CHECKING:\n    import time\nelse:\n    from .site import Site", {".site"}),
        ("if DEBUG:\n    from .site import Site", {".site"}),
    ],
)
def test_what_only_types_need_is_no_flow_of_data(source: str, found: set[str]) -> None:
    assert imports(source, run_time=True) == found
