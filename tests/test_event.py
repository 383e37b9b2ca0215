"""The site's event entity: an event for each kind of change and window of time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.json import json_bytes
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from . import advance, connectivity, entity_state, heartbeat, lose_connection, page, regain_connection, setup_site

pytestmark = pytest.mark.usefixtures("broker", "quiet")


@pytest.fixture
def happened(hass: HomeAssistant) -> list[dict[str, Any]]:
    """Collect the attributes of the site's events as they come."""
    events: list[dict[str, Any]] = []

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


async def test_it_waits_for_the_first_event(hass: HomeAssistant) -> None:
    await setup_site(hass)
    state = entity_state(hass, "events", "event")
    assert state
    assert state.state == "unknown"
    assert state.attributes["event_types"] == ["discovered", "online", "offline", "moved", "replaced", "conflict"]
    assert state.name == "sito_001 Events"


async def test_an_outage_is_one_event(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, happened: list[dict[str, Any]]
) -> None:
    await setup_site(hass)
    for number in range(25):
        await heartbeat(hass, f"datalogger/monstro/{number}", f"S{number}")
    await advance(hass, freezer, 15)
    assert [event["event_type"] for event in happened] == ["discovered"]
    happened.clear()

    await advance(hass, freezer, 15.1)
    assert connectivity(hass, "datalogger/S24") == "off"  # sensors flip at once
    assert not happened
    await advance(hass, freezer, 14.9)
    assert not happened  # the window is half a deadline
    await advance(hass, freezer, 0.2)
    (outage,) = happened
    assert type(outage["event_type"]) is str
    assert outage["event_type"] == "offline"
    assert outage["count"] == 25
    assert [device["serial"] for device in outage["devices"]] == [f"S{number}" for number in range(20)]
    assert outage["devices"][3]["name"] == "monstro/3"
    device = dr.async_get(hass).async_get(outage["devices"][3]["device_id"])
    assert device
    assert device.serial_number == "S3"
    assert outage["message"].startswith("25 devices of sito_001 are offline: monstro/0, monstro/1, monstro/2")
    assert outage["message"].endswith("monstro/19 …")

    await heartbeat(hass, "datalogger/monstro/3", "S3")
    await advance(hass, freezer, 15.1)
    assert happened[1]["event_type"] == "online"
    assert happened[1]["message"] == "monstro/3 of sito_001 is online again."


async def test_its_messages_are_in_home_assistants_language(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, happened: list[dict[str, Any]]
) -> None:
    hass.config.language = "it"
    await setup_site(hass)
    await heartbeat(hass)
    await advance(hass, freezer, 15.1)
    assert happened[0]["message"] == "monstro/1 è stato scoperto su sito_001."


async def test_what_only_a_page_shows_is_no_event(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, happened: list[dict[str, Any]]
) -> None:
    await setup_site(hass)
    await heartbeat(hass, retain=True)
    await advance(hass, freezer, 16)
    happened.clear()
    await heartbeat(hass)  # online for the first time
    await heartbeat(hass, model="M7")
    await advance(hass, freezer, 16)
    assert not happened


@pytest.mark.parametrize(("offline_after", "window"), [(5, 2.5), (1, 1.0), (30, 15.0), (3600, 15.0)])
async def test_the_window_is_half_a_deadline_of_1_to_15_seconds(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    happened: list[dict[str, Any]],
    offline_after: int,
    window: float,
) -> None:
    await setup_site(hass, options={"offline_after": offline_after})
    await heartbeat(hass)
    await advance(hass, freezer, window - 0.05)
    assert not happened
    await advance(hass, freezer, 0.1)
    assert len(happened) == 1


async def test_events_leave_two_milliseconds_apart(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, happened: list[dict[str, Any]]
) -> None:
    await setup_site(hass)
    await heartbeat(hass, "datalogger/monstro/1", "MOVES")
    await heartbeat(hass, "datalogger/monstro/2", "MOVES")
    await advance(hass, freezer, 20)
    assert [event["event_type"] for event in happened] == ["discovered"]
    await advance(hass, freezer, 0.0021)
    assert [event["event_type"] for event in happened] == ["discovered", "moved"]
    assert happened[1]["message"] == "monstro/2 of sito_001 has moved there."


async def test_a_timer_that_comes_early_waits_for_the_end_of_the_window(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, happened: list[dict[str, Any]]
) -> None:
    await setup_site(hass)
    await heartbeat(hass)
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=16))  # while no time has passed
    await hass.async_block_till_done()
    assert not happened
    await advance(hass, freezer, 15.1)
    assert len(happened) == 1


async def test_every_device_counts_once_an_event(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, happened: list[dict[str, Any]]
) -> None:
    await setup_site(hass)
    await heartbeat(hass, "datalogger/monstro/1", "MOVES")
    await advance(hass, freezer, 16)
    happened.clear()
    for number in (2, 3, 4):
        await heartbeat(hass, f"datalogger/monstro/{number}", "MOVES")
    await advance(hass, freezer, 16)
    (moved,) = happened
    assert moved["count"] == 1


async def test_twenty_devices_are_all_named(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, happened: list[dict[str, Any]]
) -> None:
    await setup_site(hass)
    for number in range(20):
        await heartbeat(hass, f"datalogger/monstro/{number}", f"S{number}")
    await advance(hass, freezer, 16)
    (discovered,) = happened
    assert len(discovered["devices"]) == discovered["count"] == 20
    assert "monstro/19" in discovered["message"]
    assert "…" not in discovered["message"]


async def test_attributes_fit_into_the_recorder(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, happened: list[dict[str, Any]]
) -> None:
    await setup_site(hass)
    for number in range(30):
        await heartbeat(hass, f"datalogger/monstro/{number}", f"{number:04}" + 60 * "𝕊", name=64 * "𝔑")
    await advance(hass, freezer, 16)
    (discovered,) = happened
    assert discovered["count"] == 30
    assert 10 < len(discovered["devices"]) < 20
    assert len(json_bytes(discovered)) < 16_384
    assert discovered["message"].endswith(" …")


async def test_markup_in_a_name_is_text_in_the_message(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, happened: list[dict[str, Any]]
) -> None:
    await setup_site(hass)
    await heartbeat(hass, name="<img src=x onerror=alert(1)> {{ 1/0 }} [x](http://x)")
    await advance(hass, freezer, 16)
    message = happened[0]["message"]
    assert r"\<img src=x onerror=alert(1)\> \{\{ 1/0 \}\} \[x\](http\://x)" in message


async def test_nothing_happens_because_of_broker_reload_or_monitoring(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, happened: list[dict[str, Any]]
) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    await heartbeat(hass, "gateway/1", "GATE")
    await advance(hass, freezer, 16)
    happened.clear()

    lose_connection(hass)
    await advance(hass, freezer, 300)
    regain_connection(hass)
    await advance(hass, freezer, 20)
    for device in ("datalogger/monstro/1", "gateway/1"):
        await heartbeat(hass, device, "GATE" if "gateway" in device else "TEST123")
    await advance(hass, freezer, 16)

    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    await advance(hass, freezer, 16)

    switch = {"entity_id": "switch.sito_001_monitoring"}
    await hass.services.async_call("switch", "turn_off", switch, blocking=True)
    await advance(hass, freezer, 300)
    await hass.services.async_call("switch", "turn_on", switch, blocking=True)
    await advance(hass, freezer, 20)
    await heartbeat(hass)
    await heartbeat(hass, "gateway/1", "GATE")
    await advance(hass, freezer, 16)
    assert not happened


async def test_what_was_gathered_is_told_before_a_reload(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, happened: list[dict[str, Any]]
) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert [event["event_type"] for event in happened] == ["discovered"]


async def test_what_was_gathered_is_told_when_home_assistant_stops(
    hass: HomeAssistant, happened: list[dict[str, Any]]
) -> None:
    """After its start nobody would tell of a device that fell silent just before."""
    await setup_site(hass)
    await heartbeat(hass)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await hass.async_block_till_done()
    assert [event["event_type"] for event in happened] == ["discovered"]


async def turn(hass: HomeAssistant, position: str) -> None:
    """Switch monitoring."""
    await hass.services.async_call(
        "switch", f"turn_{position}", {"entity_id": "switch.sito_001_monitoring"}, blocking=True
    )
    await hass.async_block_till_done()


async def test_what_was_gathered_is_told_when_monitoring_ends_but_not_who_is_silent(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, happened: list[dict[str, Any]]
) -> None:
    """Whoever switches devices off for planned work may do so before the switch."""
    await setup_site(hass)
    await heartbeat(hass, "gateway/1", "SILENT")
    await advance(hass, freezer, 20)
    await heartbeat(hass)
    await advance(hass, freezer, 11)
    happened.clear()
    await turn(hass, "off")
    await advance(hass, freezer, 0.01)
    assert [event["event_type"] for event in happened] == ["discovered"]
    await advance(hass, freezer, 60)
    assert len(happened) == 1

    await turn(hass, "on")  # it is silent still, and was not told so
    await advance(hass, freezer, 15.1)
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
async def test_it_is_brought_to_agree_with_what_is_true(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    freezer: FrozenDateTimeFactory,
    happened: list[dict[str, Any]],
    scene: Scene,
    told: list[str],
) -> None:
    entry = await setup_site(hass)

    async def mute(by: dr.DeviceEntryDisabler | None) -> None:
        dr.async_get(hass).async_update_device(page(hass, entry).id, disabled_by=by)
        await hass.async_block_till_done()

    for what, seconds in scene:
        match what:
            case "beat":
                await heartbeat(hass)
            case "on" | "off":
                await turn(hass, what)
            case "mute":
                await mute(dr.DeviceEntryDisabler.USER)
            case "unmute":
                await mute(None)
            case "reload":
                await hass.config_entries.async_reload(entry.entry_id)
            case "killed":
                await advance(hass, freezer, 0)
                site = entry.runtime_data
                site.digest._windows.clear()
                with patch.object(type(site._store), "_data", return_value=site._store._data()):
                    await hass.config_entries.async_reload(entry.entry_id)
        await hass.async_block_till_done()
        await advance(hass, freezer, seconds)
    assert [event["event_type"] for event in happened if event["event_type"] != "discovered"] == told


async def test_nothing_is_told_of_who_was_deleted_meanwhile(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, happened: list[dict[str, Any]]
) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    await advance(hass, freezer, 31)
    happened.clear()
    site = entry.runtime_data
    site.async_remove(site.fleet.records["datalogger/TEST123"])
    await advance(hass, freezer, 16)
    assert happened == []


async def test_a_muted_device_is_in_no_event(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, happened: list[dict[str, Any]]
) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    await heartbeat(hass, "datalogger/monstro/2", "MUTED")
    await advance(hass, freezer, 16)
    happened.clear()
    await advance(hass, freezer, 15)  # both fall silent; one is muted while the window is open
    muted = page(hass, entry, "MUTED")
    dr.async_get(hass).async_update_device(muted.id, disabled_by=dr.DeviceEntryDisabler.USER)
    await hass.async_block_till_done()
    await advance(hass, freezer, 16)
    (outage,) = happened
    assert outage["count"] == 1
    assert outage["devices"][0]["serial"] == "TEST123"


async def test_it_is_available_while_nothing_is_known(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    await setup_site(hass)
    lose_connection(hass)
    await advance(hass, freezer, 61)
    state = entity_state(hass, "events", "event")
    assert state
    assert state.state == "unknown"
