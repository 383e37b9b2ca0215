"""Diagnostics: what is told of a site and of a device, and that no serial is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
import json
import logging
from typing import Any

from aiohttp.test_utils import TestClient
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.json import json_bytes
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.site_devices.const import DOMAIN
from custom_components.site_devices.core.device import DeviceRecord
from custom_components.site_devices.diagnostics import (
    async_get_config_entry_diagnostics,
    async_get_device_diagnostics,
)

from . import publish, setup_site
from .live_site import LiveSite

pytestmark = pytest.mark.usefixtures("broker", "quiet")

SECRETS = ("TEST123", "SECRET", "ab/c", "ab%2Fc")


async def of_site(site: LiveSite) -> Any:
    """Return the site's diagnostics as they are downloaded."""
    return json.loads(json_bytes(await async_get_config_entry_diagnostics(site.hass, site.entry)))


async def of_device(site: LiveSite, serial: str | None = "TEST123") -> Any:
    """Return a device's diagnostics as they are downloaded."""
    return json.loads(json_bytes(await async_get_device_diagnostics(site.hass, site.entry, site.page(serial))))


@pytest.mark.parametrize("begin", ["2025-10-17T10:00:00Z"])
async def test_the_diagnostics_tell_all_that_is_known_of_a_site_and_a_device(site: LiveSite) -> None:
    await site.set_options(offline_after=60)
    await site.heartbeat(
        timestamp="2025-10-17T10:02:00Z", name="Roof TEST123", model="Monstro", sw_version="1.2", rssi=-70
    )
    await site.report(temperature={"value": 21, "unit": "°C"}, TEST123=True)
    await site.report("gateway/1", "NEVER HEARD")
    site.freezer.tick(10)

    assert await of_site(site) == {
        "state": "loaded",
        "title": "sito_001",
        "site_code": "sito_001",
        "options": {
            "offline_after": 60,
            "new_devices": "add",
            "max_devices": 1000,
            "data_entities": True,
            "data_interval": 0,
        },
        "monitoring": True,
        "mqtt": {"connected": True, "listening": True, "lost": False, "echo": True},
        "messages": {"received": 3, "ignored": {"unknown_serial": 1}, "seconds_since_last_heartbeat": 10.0},
        "counts": {
            "known": 1,
            "online": 1,
            "offline": 0,
            "muted": 0,
            "conflicts": 0,
            "deleted_and_remembered": 0,
            # connectivity and two of data; the site's own: two binary sensors, three counts, events, monitoring
            "enabled_entities": 10,
        },
        "devices": [
            {
                "serial": "#1",
                "category": "datalogger",
                "address": "monstro/1",
                "name": "Roof #1",
                "online": True,
                "muted": False,
                "created": "2025-10-17T10:00:00+00:00",
                "last_heartbeat": "2025-10-17T10:00:00+00:00",
                "last_communication": "2025-10-17T10:00:00+00:00",
                "deadline": {"own": None, "effective": 60, "seconds_left": 50.0},
                "clock_drift": 120.0,
                "info": {"model": "Monstro", "sw_version": "1.2"},
                "conflict_addresses": [],
                "data": [
                    {"key": "hb/rssi", "kind": "number", "unit": None, "removed": False},
                    {"key": "in/#1", "kind": "boolean", "unit": None, "removed": False},
                    {"key": "in/temperature", "kind": "number", "unit": "°C", "removed": False},
                ],
            }
        ],
    }


async def test_what_is_not_known_is_null(site: LiveSite) -> None:
    assert (await of_site(site))["messages"]["seconds_since_last_heartbeat"] is None
    await site.heartbeat(retain=True)
    (device,) = (await of_site(site))["devices"]
    unknown = ("online", "last_heartbeat", "last_communication", "clock_drift")
    assert [device[key] for key in unknown] == [None] * 4
    assert device["deadline"]["seconds_left"] is None


async def test_a_deadline_of_an_online_and_of_an_offline_device(hass: HomeAssistant, site: LiveSite) -> None:
    await site.heartbeat()
    call = {"device_id": site.page().id, "seconds": 45}
    await hass.services.async_call(DOMAIN, "set_deadline", call, blocking=True)
    (device,) = (await of_device(site))["devices"]
    assert device["deadline"].items() >= {"own": 45, "effective": 45}.items()
    await site.advance(46)
    (device,) = (await of_device(site))["devices"]
    assert device["online"] is False
    assert device["deadline"] == {"own": 45, "effective": 45, "seconds_left": None}


async def test_no_time_is_left_while_deadlines_stand_still(site: LiveSite) -> None:
    await site.heartbeat()
    await site.connect(up=False)
    told = await of_site(site)
    assert told["mqtt"] == {"connected": False, "listening": False, "lost": False, "echo": True}
    assert told["devices"][0]["deadline"]["seconds_left"] is None


async def test_the_diagnostics_of_a_device_are_without_the_others(site: LiveSite) -> None:
    await site.heartbeat("gateway/1", "GATE")
    site.freezer.tick(1)
    await site.heartbeat()
    told = await of_device(site)
    assert [device["serial"] for device in told["devices"]] == ["#2"]  # as in those of the site
    assert told["counts"]["known"] == 2


async def test_a_page_without_a_device_has_no_device_in_its_diagnostics(hass: HomeAssistant, site: LiveSite) -> None:
    await site.heartbeat()
    dr.async_get(hass).async_get_or_create(
        config_entry_id=site.entry.entry_id, identifiers={(DOMAIN, "sito_001/datalogger/LEFT")}, serial_number="LEFT"
    )
    for serial in (None, "LEFT"):
        assert (await of_device(site, serial))["devices"] == []


async def test_the_diagnostics_of_a_site_that_is_not_loaded(site: LiveSite) -> None:
    await site.set_options(offline_after=60)
    await site.heartbeat()
    await site.unload()
    for told in (await of_site(site), await of_device(site)):
        assert told.keys() == {"state", "options"}
        assert told["state"] == "not_loaded"
        assert told["options"]["offline_after"] == 60


@pytest.fixture
async def browser(
    site: LiveSite, hass_client: ClientSessionGenerator, caplog: pytest.LogCaptureFixture
) -> TestClient[Any, Any]:
    """Return the browser of a user who may download diagnostics."""
    caplog.set_level(logging.WARNING, "aiohttp.access")  # it does not understand a frozen clock
    for component in ("diagnostics", "repairs"):
        assert await async_setup_component(site.hass, component, {})
    return await hass_client()


async def test_no_serial_is_in_a_download(site: LiveSite, browser: TestClient[Any, Any]) -> None:
    """Not in all that a device can say, nor in what Home Assistant adds: its list of our repairs, for one."""
    await site.heartbeat("datalogger/TEST123/SECRET", "ab/c")
    # alive at two addresses, and full of itself
    said: dict[str, Any] = {"name": "I am test123", "manufacturer": "TEST123 Ltd", "hw_version": "SECRET-TEST123"}
    for address in ("monstro/SECRET", "TEST123/1", "monstro/SECRET", "TEST123/1"):
        await site.heartbeat(f"datalogger/{address}", "TEST123", **said)
        await site.heartbeat("datalogger/monstro/9", "SECRET")
        await site.advance(5)
    data: dict[str, Any] = {"ab/c": 1, "SECRET": {"value": 2, "unit": "TEST123"}}
    await site.report("datalogger/monstro/SECRET", channel="output", **data)
    # one that takes the place of another
    await site.advance(31)
    for _ in range(9):
        await site.heartbeat("datalogger/monstro/9", "TEST123-B", **said)
        await site.advance(15)

    urls = [f"/api/diagnostics/config_entry/{site.entry.entry_id}"]
    urls += [f"{urls[0]}/device/{site.page(serial).id}" for serial in ("TEST123", "SECRET", "ab/c", None)]
    for url in urls:
        answer = await browser.get(url)
        assert answer.status == 200
        text = await answer.text()
        assert json.loads(text)["data"]["counts"]["known"] == 4
        assert "conflict" in text
        assert "replaced_" in text or "issues" not in json.loads(text)  # later ends have the list
        assert not [secret for secret in (*SECRETS, *map(str.lower, SECRETS)) if secret in text]


async def test_no_short_serial_is_told_where_it_means_a_device(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    """Not at others either, which may be called after it; but versions and units stay what they are."""
    site = LiveSite(hass, freezer, await setup_site(hass, "sito_7"))
    hass.config_entries.async_update_entry(site.entry, title="Site of A7")
    data = {"serial_number": "A7", "a7": {"current": {"value": 2, "unit": "A"}}, "relay": {"1": True}}
    beats: list[tuple[str, str, dict[str, Any]]] = [
        ("gateway/7", "7", {"sw_version": "7.1", "hw_version": "A"}),
        ("datalogger/monstro/1", "A7", {"model": "Logger A7"}),
        ("datalogger/monstro/1", "A", {}),  # its name has its serial in it once another is there
        ("datalogger/monstro/1", "TEST123", {"name": "Behind 7, next to a7"}),
        *(("datalogger/a7/7", "A7", {}), ("datalogger/monstro/1", "A7", {})) * 2,  # alive at both
    ]
    for address, serial, said in beats:
        await site.heartbeat(address, serial, site="sito_7", **said)
        freezer.tick(1)
    await publish(hass, "sito_7/datalogger/monstro/1/input", data)

    told = await of_site(site)
    assert (told["title"], told["site_code"]) == ("Site of #2", "sito_#1")
    shown = ("serial", "name", "address", "info", "conflict_addresses")
    assert [[device[key] for key in shown] for device in told["devices"]] == [
        ["#1", "Gateway #1", "#1", {"sw_version": "7.1", "hw_version": "A"}, []],
        ["#2", "monstro/1", "monstro/1", {"model": "Logger #2"}, ["#2/#1", "monstro/1"]],
        ["#3", "monstro/1 (#3)", "monstro/1", {}, []],
        ["#4", "Behind #1, next to #2", "monstro/1", {}, []],
    ]
    points = {point["key"]: point["unit"] for point in told["devices"][1]["data"]}
    assert points == {"in/#2.current": "A", "in/relay.1": None}
    for serial, number in (("7", 0), ("A7", 1), ("TEST123", 3)):
        (own,) = (await of_device(site, serial))["devices"]
        assert own["name"] == told["devices"][number]["name"]


async def test_a_files_name_has_the_name_of_a_devices_page(site: LiveSite, browser: TestClient[Any, Any]) -> None:
    """Home Assistant makes it, before it asks us: so only a site's has no serial in it, as the documentation says."""
    await site.heartbeat()
    await site.heartbeat(serial="OTHER")
    assert site.page().name == "monstro/1 (TEST123)"
    url = f"/api/diagnostics/config_entry/{site.entry.entry_id}"
    for path, secret in ((url, False), (f"{url}/device/{site.page().id}", True)):
        answer = await browser.get(path)
        assert ("TEST123" in answer.headers["Content-Disposition"]) is secret
        assert "TEST123" not in await answer.text()


async def test_many_devices_do_not_hold_the_loop(
    hass: HomeAssistant, site: LiveSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custom_components.site_devices.site.pacing.SLICE", -1)  # a turn for others after each
    await site.beat(*range(5))
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        if turns < 10:
            hass.loop.call_soon(turn)

    hass.loop.call_soon(turn)
    assert len((await of_site(site))["devices"]) == 5
    assert turns >= 5


async def test_a_site_that_is_unloaded_meanwhile_is_told_as_it_was(
    site: LiveSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.heartbeat()

    async def in_slices(records: Iterable[DeviceRecord]) -> AsyncIterator[DeviceRecord]:
        await site.unload()
        for record in records:
            yield record

    monkeypatch.setattr("custom_components.site_devices.diagnostics.in_slices", in_slices)
    assert (await of_site(site))["counts"]["known"] == 1
