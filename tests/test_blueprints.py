"""The blueprints: what they say, when, and that nothing in it is more than text."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from datetime import timedelta
import logging
from pathlib import Path
import re
import shutil
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.automation.config import AUTOMATION_BLUEPRINT_SCHEMA
from homeassistant.components.automation.const import DOMAIN as AUTOMATION
from homeassistant.components.blueprint.models import Blueprint
from homeassistant.components.mqtt.const import MQTT_CONNECTION_STATE
from homeassistant.core import HomeAssistant, ServiceCall, State
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.loader import async_get_custom_components
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from homeassistant.util.yaml import load_yaml_dict
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_get_persistent_notifications,
    async_mock_service,
    mock_restore_cache_with_extra_data,
)
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.site_devices.core.markdown import escape

from . import SITE, advance, connectivity, heartbeat, setup_site

BLUEPRINTS = Path(__file__).parent.parent / "blueprints/automation/site_devices"
EVENTS = "event.sito_001_events"
PROBLEM = "binary_sensor.sito_001_problem"
OFFLINE = 30.01  # seconds without a heartbeat
WINDOW = 15.01  # seconds in which an outage gathers
CLEAR = 20  # seconds without any device offline
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "![a](http://x/y.png)",
    "{{ 1/0 }}",
    "[x](javascript:alert(1))",
    r"_a_ *b* `c` ~~d~~ | # \\ &lt; e@f.gh WWW.i.jk $l$ ^m^ {n_o}",
]
LIVE = set("<>[]{}!#`|*~@&$^")  # what the names above would need, to be more than text

type Automate = Callable[..., Awaitable[None]]

pytestmark = pytest.mark.usefixtures("broker", "no_complaints")


@pytest.fixture
def no_complaints(caplog: pytest.LogCaptureFixture) -> Generator[None]:
    """Templates, triggers and runs that fail or are dropped are only seen in the log."""
    yield
    rooms = ("homeassistant.components.automation", "homeassistant.helpers", "custom_components")
    records = [record for phase in ("setup", "call") for record in caplog.get_records(phase)]
    assert not [
        record.getMessage() for record in records if record.levelno >= logging.WARNING and record.name.startswith(rooms)
    ]


@pytest.fixture
def phone(hass: HomeAssistant) -> list[ServiceCall]:
    """A phone: what was sent to it."""
    return async_mock_service(hass, "notify", "mobile_app_phone")


@pytest.fixture
async def automate(hass: HomeAssistant, tmp_path: Path) -> AsyncGenerator[Automate]:
    """Make an automation of a blueprint, as a user does who has imported it."""

    async def make(blueprint: str, **inputs: Any) -> None:
        await async_get_custom_components(hass)  # while they can be found: the folder is about to be another
        folder = tmp_path / "blueprints/automation/site_devices"
        folder.mkdir(parents=True)
        shutil.copy(BLUEPRINTS / f"{blueprint}.yaml", folder)
        hass.config.config_dir = str(tmp_path)
        use = {"path": f"site_devices/{blueprint}.yaml", "input": inputs}
        assert await async_setup_component(hass, AUTOMATION, {AUTOMATION: {"alias": "it", "use_blueprint": use}})
        state = hass.states.get("automation.it")
        assert state
        assert state.state == "on"

    await async_setup_component(hass, "persistent_notification", {})
    yield make
    await hass.services.async_call(AUTOMATION, "turn_off", {"entity_id": "automation.it"}, blocking=True)


def to_phone() -> list[dict[str, Any]]:
    """Return the actions of a user who has a phone."""
    data = {"title": "{{ title }}", "message": "{{ message }}", "data": {"plain": "{{ plain_message }}"}}
    return [{"action": "notify.mobile_app_phone", "data": data}]


def outage_inputs(**others: Any) -> dict[str, Any]:
    return {
        "site_events": EVENTS,
        "site_problem": PROBLEM,
        "outage_actions": to_phone(),
        "all_clear_actions": to_phone(),
        **others,
    }


def titles(phone: list[ServiceCall]) -> list[str]:
    return [call.data["title"] for call in phone]


def live_markdown(text: str) -> str:
    """Return what of a text has a meaning in Markdown: all but what a backslash makes a plain character."""
    return re.sub(r"\\[!-/:-@\[-`{-~]", "", text)


async def all_alive(hass: HomeAssistant, count: int, first: int = 1) -> None:
    for number in range(first, first + count):
        await heartbeat(hass, f"datalogger/monstro/{number}", f"T{number}")


async def all_is_clear(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    await advance(hass, freezer, 1.01)  # the site's own sensors follow at most once a second
    await advance(hass, freezer, CLEAR)


async def press_run(hass: HomeAssistant) -> None:
    await hass.services.async_call(AUTOMATION, "trigger", {"entity_id": "automation.it"}, blocking=True)
    await hass.async_block_till_done()


async def monitor(hass: HomeAssistant, *, on: bool) -> None:
    entity_id = {"entity_id": "switch.sito_001_monitoring"}
    await hass.services.async_call("switch", f"turn_{'on' if on else 'off'}", entity_id, blocking=True)
    await hass.async_block_till_done()


async def connect(hass: HomeAssistant, broker: MqttMockHAClient, *, up: bool) -> None:
    broker.connected = up
    async_dispatcher_send(hass, MQTT_CONNECTION_STATE, up)
    await hass.async_block_till_done()


async def trouble(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, broker: MqttMockHAClient, entry: MockConfigEntry
) -> None:
    """Go through all that must fire nobody's automation."""
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    for seconds in (50, 120):
        await connect(hass, broker, up=False)
        await advance(hass, freezer, seconds)
        await connect(hass, broker, up=True)
        for record in list(entry.runtime_data.fleet.records.values()):
            if record.online:
                await heartbeat(hass, f"datalogger/{record.address}", record.serial)
        await advance(hass, freezer, 10)
    await monitor(hass, on=False)
    await advance(hass, freezer, 300)
    await monitor(hass, on=True)
    await advance(hass, freezer, 20)


# The files


@pytest.mark.parametrize("path", sorted(BLUEPRINTS.iterdir()), ids=lambda path: path.stem)
def test_a_blueprint_can_be_imported_and_explains_itself(path: Path) -> None:
    data = load_yaml_dict(str(path))
    blueprint = Blueprint(data, expected_domain=AUTOMATION, path=path.name, schema=AUTOMATION_BLUEPRINT_SCHEMA)
    assert blueprint.validate() is None
    assert blueprint.metadata["source_url"].endswith(f"/blob/main/blueprints/automation/site_devices/{path.name}")
    assert blueprint.metadata["homeassistant"] == {"min_version": "2025.4.0"}
    assert blueprint.metadata["description"]
    assert all(what["name"] and what["description"] and what["selector"] for what in blueprint.inputs.values())


# Outage and all-clear


async def test_an_outage_of_twelve_is_one_message_and_one_all_clear(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, phone: list[ServiceCall], automate: Automate
) -> None:
    await setup_site(hass)
    await automate("outage", **outage_inputs())
    await all_alive(hass, 6)
    freezer.tick(5)
    await all_alive(hass, 6, first=7)

    await advance(hass, freezer, OFFLINE - 5)
    assert [connectivity(hass, f"datalogger/T{number}") for number in (1, 12)] == ["off", "on"]
    assert not phone
    await advance(hass, freezer, 5)
    assert connectivity(hass, "datalogger/T12") == "off"
    await advance(hass, freezer, 10)
    await advance(hass, freezer, 600)
    assert titles(phone) == ["12 devices of sito_001 are offline"]
    assert phone[0].data["data"]["plain"].startswith("12 devices of sito_001 are offline: monstro/1, monstro/2, ")
    assert phone[0].data["message"].startswith("12 devices of sito_001 are offline: monstro/1, monstro/2, ")

    await all_alive(hass, 11)
    await all_is_clear(hass, freezer)
    assert len(phone) == 1  # one is still missing
    await all_alive(hass, 12)
    await advance(hass, freezer, CLEAR - 0.1)
    assert len(phone) == 1  # it must last
    await advance(hass, freezer, 0.1)
    assert titles(phone)[1:] == ["sito_001: all clear"]
    assert phone[1].data["message"] == "No device of sito_001 is offline any more."
    assert phone[1].data["data"]["plain"] == "No device of sito_001 is offline any more."
    for _ in range(4):
        await all_alive(hass, 12)
        await advance(hass, freezer, 20)
    assert len(phone) == 2


async def test_who_falls_silent_later_in_an_outage_is_one_more_message(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, phone: list[ServiceCall], automate: Automate
) -> None:
    await setup_site(hass)
    await automate("outage", **outage_inputs())
    await all_alive(hass, 1)
    await advance(hass, freezer, 20)
    await all_alive(hass, 1, first=2)
    for _ in range(4):
        await advance(hass, freezer, 15.01)
    assert titles(phone) == ["1 device of sito_001 is offline"] * 2
    await all_alive(hass, 2)
    await all_is_clear(hass, freezer)
    assert titles(phone)[2:] == ["sito_001: all clear"]


@pytest.mark.parametrize(
    ("silent_for", "told"), [(1, []), (15.1, ["1 device of sito_001 is offline", "sito_001: all clear"])]
)
async def test_a_short_outage_has_its_list_before_its_all_clear_or_neither(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    phone: list[ServiceCall],
    automate: Automate,
    silent_for: float,
    told: list[str],
) -> None:
    await setup_site(hass)
    await automate("outage", **outage_inputs())
    await all_alive(hass, 1)
    await advance(hass, freezer, OFFLINE)
    await advance(hass, freezer, silent_for)
    await all_alive(hass, 1)
    for _ in range(5):
        await advance(hass, freezer, 5)
    assert titles(phone) == told


@pytest.mark.parametrize("offline", [False, True], ids=["all online", "some offline"])
async def test_what_is_no_outage_sends_nothing(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    broker: MqttMockHAClient,
    phone: list[ServiceCall],
    automate: Automate,
    offline: bool,
) -> None:
    entry = await setup_site(hass)
    await automate("outage", **outage_inputs())
    await all_alive(hass, 2)
    if offline:
        await advance(hass, freezer, 20)
        await all_alive(hass, 1)
        await advance(hass, freezer, 10.01)
        await advance(hass, freezer, WINDOW)
        await all_alive(hass, 1)
        assert titles(phone) == ["1 device of sito_001 is offline"]
        phone.clear()
    await trouble(hass, freezer, broker, entry)
    assert connectivity(hass, "datalogger/T1") == "on"
    assert connectivity(hass, "datalogger/T2") == ("off" if offline else "on")
    assert not phone

    await all_alive(hass, 2)  # and an all-clear is not lost by it
    await all_is_clear(hass, freezer)
    assert len(phone) == offline


async def test_a_restart_sends_no_old_outage_again(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, phone: list[ServiceCall], automate: Automate
) -> None:
    then = dt_util.utcnow().isoformat(timespec="milliseconds")
    known = {"last_event_type": "offline", "last_event_attributes": {"count": 1, "devices": [], "message": "Old."}}
    mock_restore_cache_with_extra_data(hass, [(State(EVENTS, then), known)])
    await automate("outage", **outage_inputs())
    await setup_site(hass)
    state = hass.states.get(EVENTS)
    assert state
    assert state.attributes["message"] == "Old."
    await advance(hass, freezer, 60)
    assert not phone


async def test_what_is_no_silence_is_no_outage(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, phone: list[ServiceCall], automate: Automate
) -> None:
    await setup_site(hass)
    await automate("outage", **outage_inputs())
    await heartbeat(hass, "datalogger/monstro/1")
    await advance(hass, freezer, WINDOW)
    await heartbeat(hass, "datalogger/monstro/2")
    await advance(hass, freezer, WINDOW)
    state = hass.states.get(EVENTS)
    assert state
    assert state.attributes["event_type"] == "moved"
    assert not phone


async def test_a_deleted_device_is_offline_no_more(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, phone: list[ServiceCall], automate: Automate
) -> None:
    """An all-clear needs no heartbeat: what is gone for good is not missing."""
    await setup_site(hass)
    await automate("outage", **outage_inputs())
    await all_alive(hass, 1)
    await advance(hass, freezer, OFFLINE)
    await advance(hass, freezer, WINDOW)
    sensor = er.async_get(hass).async_get("binary_sensor.monstro_1_connectivity")
    assert sensor
    assert sensor.device_id
    dr.async_get(hass).async_update_device(sensor.device_id, disabled_by=dr.DeviceEntryDisabler.USER)
    await hass.async_block_till_done()
    await all_is_clear(hass, freezer)
    assert titles(phone) == ["1 device of sito_001 is offline", "sito_001: all clear"]


async def test_hostile_names_are_text_in_an_outage(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, automate: Automate
) -> None:
    """In what Home Assistant itself shows when the user has changed nothing."""
    await setup_site(hass)
    await automate("outage", site_events=EVENTS, site_problem=PROBLEM)
    for number, name in enumerate(HOSTILE):
        await heartbeat(hass, f"datalogger/monstro/{number}", f"T{number}", name=name)
    await advance(hass, freezer, OFFLINE)
    await advance(hass, freezer, WINDOW)

    (shown,) = async_get_persistent_notifications(hass).values()
    assert shown["title"] == "5 devices of sito_001 are offline"
    for name in HOSTILE:
        assert escape(name) in shown["message"]
    assert not set(live_markdown(shown["message"])) & LIVE


async def test_a_plain_message_has_the_names_as_they_are(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, phone: list[ServiceCall], automate: Automate
) -> None:
    names = [*HOSTILE, r"a\b\_c"]
    await setup_site(hass)
    await automate("outage", **outage_inputs())
    for number, name in enumerate(names):
        await heartbeat(hass, f"datalogger/monstro/{number}", f"T{number}", name=name)
    await advance(hass, freezer, OFFLINE)
    await advance(hass, freezer, WINDOW)
    assert phone[0].data["data"]["plain"] == f"6 devices of sito_001 are offline: {', '.join(names)}"


async def test_the_run_button_tries_the_actions_out(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, phone: list[ServiceCall], automate: Automate
) -> None:
    await setup_site(hass)
    await automate("outage", **outage_inputs())
    await press_run(hass)  # when there was no event yet
    await all_alive(hass, 2)
    await advance(hass, freezer, WINDOW)
    await press_run(hass)
    assert [call.data["message"] for call in phone] == [
        "",
        "2 devices were discovered on sito_001: monstro/1, monstro/2",
    ]


async def test_an_outage_in_italian(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, phone: list[ServiceCall], automate: Automate
) -> None:
    hass.config.language = "it"
    await setup_site(hass)
    events = "event.sito_001_eventi"
    assert hass.states.get(events)
    (problem,) = [
        entity.entity_id for entity in er.async_get(hass).entities.values() if entity.unique_id == f"{SITE}/problem"
    ]
    await automate("outage", **outage_inputs(site_events=events, site_problem=problem, language="it"))
    await all_alive(hass, 2)
    await advance(hass, freezer, OFFLINE)
    await advance(hass, freezer, WINDOW)
    await all_alive(hass, 2)
    await all_is_clear(hass, freezer)
    assert titles(phone) == ["2 dispositivi di sito_001 sono offline", "sito_001: tutto a posto"]
    assert [call.data["data"]["plain"] for call in phone] == [
        "2 dispositivi di sito_001 sono offline: monstro/1, monstro/2",
        "Nessun dispositivo di sito_001 è più offline.",
    ]


# One device


def device_inputs(*numbers: int, **others: Any) -> dict[str, Any]:
    sensors = [f"binary_sensor.monstro_{number}_connectivity" for number in numbers]
    return {"connectivity": sensors, "offline_for": {"minutes": 5}, "offline_actions": to_phone(), **others}


async def test_a_chosen_device_alerts_when_it_is_offline_for_long(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, phone: list[ServiceCall], automate: Automate
) -> None:
    await hass.config.async_set_time_zone("Europe/Rome")
    freezer.move_to("2025-10-17T10:00:00Z")
    await setup_site(hass)
    await all_alive(hass, 2)
    await automate("device_offline", **device_inputs(1))
    await advance(hass, freezer, OFFLINE)
    await advance(hass, freezer, 299)
    assert not phone
    await advance(hass, freezer, 1)
    assert titles(phone) == ["monstro/1 is offline"]  # and nothing of monstro/2
    assert phone[0].data["message"] == "monstro/1 has been offline since 2025-10-17 12:00."
    assert phone[0].data["data"]["plain"] == "monstro/1 has been offline since 2025-10-17 12:00."
    await advance(hass, freezer, 3600)
    assert len(phone) == 1


async def test_several_chosen_devices_alert_each(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, phone: list[ServiceCall], automate: Automate
) -> None:
    """All of them, when all are due at once."""
    await setup_site(hass)
    await all_alive(hass, 12)
    await automate("device_offline", **device_inputs(*range(1, 13)))
    await advance(hass, freezer, OFFLINE)
    await advance(hass, freezer, 300)
    assert sorted(titles(phone)) == sorted(f"monstro/{number} is offline" for number in range(1, 13))


async def test_a_device_that_is_back_in_time_does_not_alert(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, phone: list[ServiceCall], automate: Automate
) -> None:
    await setup_site(hass)
    await all_alive(hass, 1)
    await automate("device_offline", **device_inputs(1))
    for _ in range(3):
        await advance(hass, freezer, OFFLINE)
        await advance(hass, freezer, 290)
        await all_alive(hass, 1)
    assert not phone


async def test_a_device_that_was_offline_before_does_not_alert_again(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    broker: MqttMockHAClient,
    phone: list[ServiceCall],
    automate: Automate,
) -> None:
    entry = await setup_site(hass)
    await all_alive(hass, 1)
    await automate("device_offline", **device_inputs(1))
    await advance(hass, freezer, OFFLINE)
    await advance(hass, freezer, 300)
    assert len(phone) == 1
    await trouble(hass, freezer, broker, entry)
    await advance(hass, freezer, 3600)
    assert connectivity(hass, "datalogger/T1") == "off"
    assert len(phone) == 1


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_name_is_text_in_an_alert(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, automate: Automate, name: str
) -> None:
    await setup_site(hass)
    await heartbeat(hass, name=name)
    (sensor,) = (
        entity.entity_id
        for entity in er.async_get(hass).entities.values()
        if entity.unique_id == f"{SITE}/datalogger/TEST123/connectivity"
    )
    await automate("device_offline", connectivity=[sensor])
    await advance(hass, freezer, OFFLINE)
    await advance(hass, freezer, 300)
    (shown,) = async_get_persistent_notifications(hass).values()
    assert shown["title"] == f"{name} is offline"  # titles are plain text
    assert shown["message"].startswith(f"{escape(name)} has been offline since 2")
    assert not set(live_markdown(shown["message"])) & LIVE


async def test_the_run_button_tries_the_alert_out_in_italian(
    hass: HomeAssistant, phone: list[ServiceCall], automate: Automate
) -> None:
    await setup_site(hass)
    await all_alive(hass, 1)
    await automate("device_offline", **device_inputs(1, language="it"))
    await press_run(hass)
    assert titles(phone) == ["monstro/1 è offline"]
    assert phone[0].data["data"]["plain"].startswith("monstro/1 è offline da 2")


# Once a day


async def until(hass: HomeAssistant, freezer: FrozenDateTimeFactory, hour: int) -> None:
    """Wait for the next time that the clock on the wall has said an hour."""
    now = dt_util.now()
    then = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    await advance(hass, freezer, ((then - now) % timedelta(days=1)).total_seconds() + 1)


def summary_inputs(**others: Any) -> dict[str, Any]:
    return {"site_events": EVENTS, "at": "07:00:00", "summary_actions": to_phone(), **others}


async def test_a_summary_once_a_day(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, phone: list[ServiceCall], automate: Automate
) -> None:
    await hass.config.async_set_time_zone("Europe/Rome")
    freezer.move_to("2025-10-17T02:00:00Z")
    await setup_site(hass, options={"offline_after": 86_400})
    await setup_site(hass, "sito_002")
    await automate("daily_summary", **summary_inputs())
    await heartbeat(hass, "gateway/1", "G1", site="sito_002")  # of another site
    await heartbeat(hass, "datalogger/monstro/9", "T9", retain=True)  # never heard alive
    await all_alive(hass, 3)

    await until(hass, freezer, 7)
    assert titles(phone) == ["sito_001: 3 of 4 devices online"]
    assert phone[0].data["message"] == "3 online, 0 offline, 1 not known."

    await heartbeat(hass, "datalogger/monstro/1", "T1")
    await until(hass, freezer, 4)  # what was last heard at 4:00 the day before is offline
    await heartbeat(hass, "datalogger/monstro/3", "T3")
    await until(hass, freezer, 7)
    assert titles(phone)[1:] == ["sito_001: 2 of 4 devices online"]
    assert phone[1].data["data"]["plain"] == "2 online, 1 offline, 1 not known.\n- monstro/2, since 2025-10-18 04:00"


async def test_a_summary_lists_twenty_the_longest_offline_first(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, phone: list[ServiceCall], automate: Automate
) -> None:
    await setup_site(hass)
    await automate("daily_summary", **summary_inputs(language="it"))
    for number in range(22, 0, -1):
        await all_alive(hass, 1, first=number)
        freezer.tick(0.1)
    await advance(hass, freezer, 27.75)
    for _ in range(22):
        await advance(hass, freezer, 0.1)
    await press_run(hass)
    assert titles(phone) == ["sito_001: 0 dispositivi online su 22"]
    first, *lines, last = phone[0].data["data"]["plain"].split("\n")
    assert first == "0 online, 22 offline."
    assert [line.partition(",")[0] for line in lines] == [f"- monstro/{number}" for number in range(22, 2, -1)]
    assert all(re.search(r", da \d{4}-\d\d-\d\d \d\d:\d\d$", line) for line in lines)
    assert last == "- … 2 altri"


async def test_a_summary_while_nothing_is_known(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, phone: list[ServiceCall], automate: Automate
) -> None:
    await setup_site(hass)
    await automate("daily_summary", **summary_inputs())
    await all_alive(hass, 2)
    await monitor(hass, on=False)
    await until(hass, freezer, 7)
    assert titles(phone) == ["sito_001: 0 of 2 devices online"]
    assert phone[0].data["message"] == "0 online, 0 offline, 2 not known."


async def test_hostile_names_are_text_in_a_summary(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, automate: Automate
) -> None:
    await setup_site(hass)
    await automate("daily_summary", site_events=EVENTS)
    for number, name in enumerate(HOSTILE):
        await heartbeat(hass, f"datalogger/monstro/{number}", f"T{number}", name=name)
    await advance(hass, freezer, OFFLINE)
    await until(hass, freezer, 8)
    (shown,) = async_get_persistent_notifications(hass).values()
    first, *lines = shown["message"].split("\n")
    assert first == "0 online, 5 offline."
    assert sorted(line.rpartition(", since")[0] for line in lines) == sorted(f"- {escape(name)}" for name in HOSTILE)
    assert not set(live_markdown(shown["message"])) & LIVE
