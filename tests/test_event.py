"""The site's event entity: an event for each kind of change and window of time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import patch

from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers.json import json_bytes
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from . import lose_connection
from .live_site import LiveSite

pytestmark = pytest.mark.usefixtures("broker", "quiet")

type Events = list[dict[str, Any]]  # their attributes


@pytest.fixture
def happened(hass: HomeAssistant) -> Events:
    """Collect the attributes of the site's events as they come."""
    events: Events = []

    @callback
    def state_changed(event: Event[EventStateChangedData]) -> None:
        old, new = event.data["old_state"], event.data["new_state"]
        if not new or not old or new.domain != "event":
            return
        # a reload shows as unavailable and back: that is no event, and no sane automation takes it for one
        if "unavailable" not in (new.state, old.state) and new.state != old.state:
            events.append(dict(new.attributes))

    hass.bus.async_listen("state_changed", state_changed)
    return events


def kinds(events: Events) -> list[str]:
    return [event["event_type"] for event in events]


async def test_the_entity_waits_for_the_first_event(site: LiveSite) -> None:
    state = site.entity("events", "event")
    assert state.state == "unknown"
    assert state.attributes["event_types"] == ["discovered", "online", "offline", "moved", "replaced", "conflict"]
    assert state.name == "sito_001 Events"


async def test_an_outage_is_one_event(site: LiveSite, happened: Events) -> None:
    for number in range(25):
        await site.heartbeat(f"datalogger/monstro/{number}", f"S{number}")
    await site.advance(15)
    assert kinds(happened) == ["discovered"]
    happened.clear()

    await site.advance(15.1)
    assert site.connectivity("datalogger/S24") == "off"  # sensors flip at once
    assert not happened
    await site.advance(14.9)
    assert not happened  # the window is half a deadline
    await site.advance(0.2)
    (outage,) = happened
    assert type(outage["event_type"]) is str
    assert outage["event_type"] == "offline"
    assert outage["count"] == 25
    assert [device["serial"] for device in outage["devices"]] == [f"S{number}" for number in range(20)]
    assert outage["devices"][3]["name"] == "monstro/3"
    assert outage["devices"][3]["device_id"] == site.page("S3").id
    assert outage["message"].startswith("25 devices of sito_001 are offline: monstro/0, monstro/1, monstro/2")
    assert outage["message"].endswith("monstro/19 …")

    await site.heartbeat("datalogger/monstro/3", "S3")
    await site.advance(15.1)
    assert happened[1]["event_type"] == "online"
    assert happened[1]["message"] == "monstro/3 of sito_001 is online again."


async def test_messages_are_in_home_assistants_language(hass: HomeAssistant, site: LiveSite, happened: Events) -> None:
    hass.config.language = "it"
    await site.reload()
    await site.heartbeat()
    await site.advance(15.1)
    assert happened[0]["message"] == "monstro/1 è stato scoperto su sito_001."


async def test_what_only_a_page_shows_is_no_event(site: LiveSite, happened: Events) -> None:
    await site.heartbeat(retain=True)
    await site.advance(16)
    happened.clear()
    await site.heartbeat()  # online for the first time
    await site.heartbeat(model="M7")
    await site.advance(16)
    assert not happened


@pytest.mark.parametrize(("offline_after", "window"), [(5, 2.5), (1, 1.0), (30, 15.0), (3600, 15.0)])
async def test_the_window_is_half_a_deadline_of_1_to_15_seconds(
    site: LiveSite, happened: Events, offline_after: int, window: float
) -> None:
    await site.set_options(offline_after=offline_after)
    await site.heartbeat()
    await site.advance(window - 0.05)
    assert not happened
    await site.advance(0.1)
    assert len(happened) == 1


async def test_events_leave_two_milliseconds_apart(site: LiveSite, happened: Events) -> None:
    await site.heartbeat("datalogger/monstro/1", "MOVES")
    await site.heartbeat("datalogger/monstro/2", "MOVES")
    await site.advance(20)
    assert kinds(happened) == ["discovered"]
    await site.advance(0.0021)
    assert kinds(happened) == ["discovered", "moved"]
    assert happened[1]["message"] == "monstro/2 of sito_001 has moved there."


async def test_a_timer_that_comes_early_waits_for_the_end_of_the_window(
    hass: HomeAssistant, site: LiveSite, happened: Events
) -> None:
    await site.heartbeat()
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=16))  # while no time has passed
    await hass.async_block_till_done()
    assert not happened
    await site.advance(15.1)
    assert len(happened) == 1


async def test_every_device_counts_once_an_event(site: LiveSite, happened: Events) -> None:
    await site.heartbeat("datalogger/monstro/1", "MOVES")
    await site.advance(16)
    happened.clear()
    for number in (2, 3, 4):
        await site.heartbeat(f"datalogger/monstro/{number}", "MOVES")
    await site.advance(16)
    (moved,) = happened
    assert moved["count"] == 1


async def test_twenty_devices_are_all_named(site: LiveSite, happened: Events) -> None:
    for number in range(20):
        await site.heartbeat(f"datalogger/monstro/{number}", f"S{number}")
    await site.advance(16)
    (discovered,) = happened
    assert len(discovered["devices"]) == discovered["count"] == 20
    assert "monstro/19" in discovered["message"]
    assert "…" not in discovered["message"]


async def test_attributes_fit_into_the_recorder(site: LiveSite, happened: Events) -> None:
    for number in range(30):
        await site.heartbeat(f"datalogger/monstro/{number}", f"{number:04}" + 60 * "𝕊", name=64 * "𝔑")
    await site.advance(16)
    (discovered,) = happened
    assert discovered["count"] == 30
    assert 10 < len(discovered["devices"]) < 20
    assert len(json_bytes(discovered)) < 16_384
    assert discovered["message"].endswith(" …")


async def test_markup_in_a_name_is_text_in_the_message(site: LiveSite, happened: Events) -> None:
    await site.heartbeat(name="<img src=x onerror=alert(1)> {{ 1/0 }} [x](http://x)")
    await site.advance(16)
    message = happened[0]["message"]
    assert r"\<img src=x onerror=alert(1)\> \{\{ 1/0 \}\} \[x\](http\://x)" in message


async def test_nothing_happens_because_of_broker_reload_or_monitoring(site: LiveSite, happened: Events) -> None:
    await site.heartbeat()
    await site.heartbeat("gateway/1", "GATE")
    await site.advance(16)
    happened.clear()

    await site.connect(up=False)
    await site.advance(300)
    await site.connect(up=True)
    await site.advance(20)
    await site.heartbeat()
    await site.heartbeat("gateway/1", "GATE")
    await site.advance(16)

    await site.reload()
    await site.advance(16)

    await site.monitor("off")
    await site.advance(300)
    await site.monitor("on")
    await site.advance(20)
    await site.heartbeat()
    await site.heartbeat("gateway/1", "GATE")
    await site.advance(16)
    assert not happened


async def test_what_was_gathered_is_told_before_a_reload(site: LiveSite, happened: Events) -> None:
    await site.heartbeat()
    await site.reload()
    assert kinds(happened) == ["discovered"]


async def test_what_was_gathered_is_told_when_home_assistant_stops(
    hass: HomeAssistant, site: LiveSite, happened: Events
) -> None:
    """After its start nobody would tell of a device that fell silent just before."""
    await site.heartbeat()
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await hass.async_block_till_done()
    assert kinds(happened) == ["discovered"]


async def test_what_was_gathered_is_told_when_monitoring_ends_but_not_who_is_silent(
    site: LiveSite, happened: Events
) -> None:
    """Whoever switches devices off for planned work may do so before the switch."""
    await site.heartbeat("gateway/1", "SILENT")
    await site.advance(20)
    await site.heartbeat()
    await site.advance(11)
    happened.clear()
    await site.monitor("off")
    await site.advance(0.01)
    assert kinds(happened) == ["discovered"]
    await site.advance(60)
    assert len(happened) == 1

    await site.monitor("on")  # it is silent still, and was not told so
    await site.advance(15.1)
    assert [(event["event_type"], event["message"]) for event in happened[1:]] == [
        ("offline", "Gateway 1 of sito_001 is offline.")
    ]


# What was told last


type Scene = list[tuple[str, float]]  # what happens, and how many seconds after that


@pytest.mark.parametrize(
    ("scene", "told"),
    [
        ([("beat", 46)], ["offline"]),
        ([("beat", 40), ("beat", 20)], []),  # back within the window
        ([("beat", 46), ("beat", 16)], ["offline", "online"]),
        ([("beat", 46), ("beat", 10), ("off", 1), ("on", 16)], ["offline", "online"]),
        ([("beat", 46), ("off", 1), ("beat", 1), ("on", 16)], ["offline", "online"]),
        ([("beat", 46), ("off", 1), ("on", 1), ("beat", 16)], ["offline", "online"]),
        ([("beat", 32), ("off", 100), ("on", 16)], ["offline"]),
        ([("beat", 32), ("off", 100), ("beat", 1), ("on", 16)], []),
        ([("beat", 32), ("killed", 16)], ["offline"]),  # within the window
        ([("beat", 32), ("killed", 5), ("beat", 16)], []),
        ([("beat", 46), ("killed", 16)], ["offline"]),
        ([("beat", 46), ("killed", 16), ("beat", 16)], ["offline", "online"]),
        ([("beat", 46), ("beat", 5), ("killed", 16)], ["offline", "online"]),
        ([("beat", 32), ("reload", 16)], ["offline"]),
        ([("beat", 46), ("reload", 16), ("beat", 1), ("reload", 20)], ["offline", "online"]),
        ([("beat", 46), ("mute", 1), ("beat", 1), ("unmute", 16)], ["offline", "online"]),
        ([("beat", 20), ("mute", 26), ("unmute", 16)], ["offline"]),
    ],
)
async def test_what_was_told_is_brought_to_agree_with_what_is_true(
    hass_storage: dict[str, Any], site: LiveSite, happened: Events, scene: Scene, told: list[str]
) -> None:
    for what, seconds in scene:
        match what:
            case "beat":
                await site.heartbeat()
            case "on" | "off":
                await site.monitor(what)
            case "mute" | "unmute":
                await site.mute(muted=what == "mute")
            case "reload":
                await site.reload()
            case "killed":
                await site.advance(0)
                running = site.running
                running.digest._windows.clear()
                with patch.object(type(running._store), "_data", return_value=running._store._data()):
                    await site.reload()
        await site.hass.async_block_till_done()
        await site.advance(seconds)
    assert [kind for kind in kinds(happened) if kind != "discovered"] == told


async def test_nothing_is_told_of_who_was_deleted_meanwhile(site: LiveSite, happened: Events) -> None:
    await site.heartbeat()
    await site.advance(31)
    happened.clear()
    site.running.async_remove(site.fleet.records["datalogger/TEST123"])
    await site.advance(16)
    assert happened == []


async def test_a_muted_device_is_in_no_event(site: LiveSite, happened: Events) -> None:
    await site.heartbeat()
    await site.heartbeat("datalogger/monstro/2", "MUTED")
    await site.advance(16)
    happened.clear()
    await site.advance(15)  # both fall silent; one is muted while the window is open
    await site.mute("MUTED")
    await site.advance(16)
    (outage,) = happened
    assert outage["count"] == 1
    assert outage["devices"][0]["serial"] == "TEST123"


async def test_the_entity_is_available_while_nothing_is_known(site: LiveSite) -> None:
    lose_connection(site.hass)
    await site.advance(61)
    assert site.entity("events", "event").state == "unknown"
