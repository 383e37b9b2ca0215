"""The blueprints: what they say, when, and that nothing in it is more than text."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
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
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import entity_registry as er
from homeassistant.loader import async_get_custom_components
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from homeassistant.util.yaml import load_yaml_dict
import pytest
from pytest_homeassistant_custom_component.common import (
    async_get_persistent_notifications,
    async_mock_service,
    mock_restore_cache_with_extra_data,
)

from custom_components.site_devices.const import DOMAIN
from custom_components.site_devices.core.markdown import escape

from . import SITE, setup_site
from .live_site import LiveSite

BLUEPRINTS = Path(__file__).parent.parent / "blueprints/automation/site_devices"
EVENTS = "event.sito_001_events"
PROBLEM = "binary_sensor.sito_001_problem"
OFFLINE = 30.01  # seconds without a heartbeat
WINDOW = 15.01  # seconds in which an outage gathers
SETTLED = 1.01  # seconds after which the site's own sensors have followed
STEP = 4  # seconds
CLEAR = 20  # seconds without any device offline
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "![a](http://x/y.png)",
    "{{ 1/0 }}",
    "[x](javascript:alert(1))",
    r"_a_ *b* `c` ~~d~~ | # \\ &lt; e@f.gh WWW.i.jk $l$ ^m^ {n_o}",
]
LIVE = set("<>[]{}!#`|*~@&$^")  # what the names above would need, to be more than text

# The actions of a user who has a phone
TO_PHONE = [
    {
        "action": "notify.mobile_app_phone",
        "data": {"title": "{{ title }}", "message": "{{ message }}", "data": {"plain": "{{ plain_message }}"}},
    }
]
OUTAGE = {
    "site_events": EVENTS,
    "site_problem": PROBLEM,
    "outage_actions": TO_PHONE,
    "all_clear_actions": TO_PHONE,
}
SUMMARY = {"site_events": EVENTS, "at": "07:00:00", "summary_actions": TO_PHONE}

ONE_OFFLINE = "1 device of sito_001 is offline"
ALL_CLEAR = "sito_001: all clear"

# Who says that it lives, and how many seconds pass after that, step by step
type Scene = list[tuple[list[int], *tuple[float, ...]]]

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


class Automation:
    """An automation of a blueprint, and what it has sent to the user's phone."""

    def __init__(self, hass: HomeAssistant, folder: Path) -> None:
        self.hass = hass
        self.folder = folder
        self.sent = async_mock_service(hass, "notify", "mobile_app_phone")

    async def make(self, blueprint: str, **inputs: Any) -> None:
        """Make it as a user does who has imported the blueprint."""
        await async_get_custom_components(self.hass)  # while they can be found: the folder is about to be another
        folder = self.folder / "blueprints/automation/site_devices"
        folder.mkdir(parents=True)
        shutil.copy(BLUEPRINTS / f"{blueprint}.yaml", folder)
        self.hass.config.config_dir = str(self.folder)
        use = {"path": f"site_devices/{blueprint}.yaml", "input": inputs}
        assert await async_setup_component(self.hass, AUTOMATION, {AUTOMATION: {"alias": "it", "use_blueprint": use}})
        assert self.hass.states.get("automation.it").state == "on"

    async def press_run(self) -> None:
        await self.call("trigger")
        await self.hass.async_block_till_done()

    async def call(self, action: str) -> None:
        await self.hass.services.async_call(AUTOMATION, action, {"entity_id": "automation.it"}, blocking=True)

    @property
    def titles(self) -> list[str]:
        return [call.data["title"] for call in self.sent]

    @property
    def messages(self) -> list[str]:
        return [call.data["message"] for call in self.sent]

    @property
    def plain(self) -> list[str]:
        return [call.data["data"]["plain"] for call in self.sent]

    def shown(self) -> tuple[str, str]:
        """Return title and message of what Home Assistant itself shows, in which nothing is more than text."""
        (shown,) = async_get_persistent_notifications(self.hass).values()
        assert not set(re.sub(r"\\[!-/:-@\[-`{-~]", "", shown["message"])) & LIVE  # a backslash makes any mark plain
        return shown["title"], shown["message"]


@pytest.fixture
async def automation(hass: HomeAssistant, tmp_path: Path) -> AsyncGenerator[Automation]:
    await async_setup_component(hass, "persistent_notification", {})
    automation = Automation(hass, tmp_path)
    yield automation
    await automation.call("turn_off")


async def play(site: LiveSite, scene: Scene) -> None:
    for numbers, *seconds in scene:
        await site.beat(*numbers)
        for wait in seconds:
            # an event comes before the all-clear of the same wait, so no wait goes past both at once
            await site.advance(*[STEP] * int(wait // STEP), wait % STEP)


async def all_named(site: LiveSite, names: list[str]) -> None:
    """Let as many devices live as there are names."""
    for number, name in enumerate(names):
        await site.heartbeat(f"datalogger/monstro/{number}", f"T{number}", name=name)


def own(hass: HomeAssistant, unique_id: str, platform: str = "binary_sensor") -> str:
    """Return how an entity of the site is called."""
    entity_id = er.async_get(hass).async_get_entity_id(platform, DOMAIN, f"{SITE}/{unique_id}")
    assert entity_id
    return entity_id


async def trouble(site: LiveSite) -> None:
    """Go through all that must fire nobody's automation."""
    await site.reload()
    for seconds in (50, 120):
        await site.connect(up=False)
        await site.advance(seconds)
        await site.connect(up=True)
        for record in list(site.fleet.records.values()):
            if record.online:
                await site.heartbeat(f"datalogger/{record.address}", record.serial)
        await site.advance(10)
    await site.monitor("off")
    await site.advance(300)
    await site.monitor("on")
    await site.advance(20)


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


async def test_an_outage_of_twelve_is_one_message_and_one_all_clear(site: LiveSite, automation: Automation) -> None:
    await automation.make("outage", **OUTAGE)
    twelve = range(1, 13)
    await site.beat(*twelve[:6])
    site.freezer.tick(5)
    await site.beat(*twelve[6:])

    await site.advance(OFFLINE - 5)
    assert [site.connectivity(f"datalogger/T{number}") for number in (1, 12)] == ["off", "on"]
    assert not automation.sent
    await site.advance(5)
    assert site.connectivity("datalogger/T12") == "off"
    await site.advance(10, 600)
    assert automation.titles == ["12 devices of sito_001 are offline"]
    for text in automation.messages + automation.plain:
        assert text.startswith("12 devices of sito_001 are offline: monstro/1, monstro/2, ")

    await play(site, [([*twelve[:11]], SETTLED, CLEAR)])
    assert len(automation.sent) == 1  # one is still missing
    await play(site, [([*twelve], 0, CLEAR - 0.1)])
    assert len(automation.sent) == 1  # it must last
    await site.advance(0.2)
    assert automation.titles[1:] == [ALL_CLEAR]
    assert automation.messages[1:] == automation.plain[1:] == ["No device of sito_001 is offline any more."]
    await play(site, [([*twelve], 20)] * 4)
    assert len(automation.sent) == 2


@pytest.mark.parametrize(
    ("scene", "told"),
    [
        pytest.param(
            [([1], 20), ([2], *[15.01] * 4), ([1, 2], SETTLED, CLEAR)],
            [ONE_OFFLINE, ONE_OFFLINE, ALL_CLEAR],
            id="another falls silent later",
        ),
        pytest.param([([1], OFFLINE, 1), ([1], *[5] * 5)], [], id="neither a list nor an all-clear"),
        pytest.param([([1], OFFLINE, 15.1), ([1], *[5] * 5)], [ONE_OFFLINE, ALL_CLEAR], id="a list, then an all-clear"),
    ],
)
async def test_an_outage_tells(site: LiveSite, automation: Automation, scene: Scene, told: list[str]) -> None:
    await automation.make("outage", **OUTAGE)
    await play(site, scene)
    assert automation.titles == told


@pytest.mark.parametrize("offline", [False, True], ids=["all online", "some offline"])
async def test_what_is_no_outage_sends_nothing(site: LiveSite, automation: Automation, offline: bool) -> None:
    await automation.make("outage", **OUTAGE)
    await site.beat(1, 2)
    if offline:
        await play(site, [([], 20), ([1], 10.01, WINDOW), ([1],)])
        assert automation.titles == [ONE_OFFLINE]
        automation.sent.clear()
    await trouble(site)
    assert site.connectivity("datalogger/T1") == "on"
    assert site.connectivity("datalogger/T2") == ("off" if offline else "on")
    assert not automation.sent

    await play(site, [([1, 2], SETTLED, CLEAR)])  # and an all-clear is not lost by it
    assert len(automation.sent) == offline


async def test_a_restart_sends_no_old_outage_again(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, automation: Automation
) -> None:
    then = dt_util.utcnow().isoformat(timespec="milliseconds")
    known = {"last_event_type": "offline", "last_event_attributes": {"count": 1, "devices": [], "message": "Old."}}
    mock_restore_cache_with_extra_data(hass, [(State(EVENTS, then), known)])
    await automation.make("outage", **OUTAGE)
    site = LiveSite(hass, freezer, await setup_site(hass))
    assert hass.states.get(EVENTS).attributes["message"] == "Old."
    await site.advance(60)
    assert not automation.sent


async def test_a_move_is_no_outage(site: LiveSite, automation: Automation) -> None:
    await automation.make("outage", **OUTAGE)
    for address in ("monstro/1", "monstro/2"):
        await site.heartbeat(f"datalogger/{address}")
        await site.advance(WINDOW)
    assert site.entity("events", "event").attributes["event_type"] == "moved"
    assert not automation.sent


async def test_a_muted_device_is_offline_no_more(site: LiveSite, automation: Automation) -> None:
    """An all-clear needs no heartbeat: what is gone for good is not missing."""
    await automation.make("outage", **OUTAGE)
    await play(site, [([1], OFFLINE, WINDOW)])
    await site.mute("T1")
    await site.advance(SETTLED, CLEAR)
    assert automation.titles == [ONE_OFFLINE, ALL_CLEAR]


async def test_hostile_names_are_text_in_an_outage(site: LiveSite, automation: Automation) -> None:
    """In what Home Assistant itself shows when the user has changed nothing."""
    await automation.make("outage", site_events=EVENTS, site_problem=PROBLEM)
    await all_named(site, HOSTILE)
    await site.advance(OFFLINE, WINDOW)

    title, message = automation.shown()
    assert title == "5 devices of sito_001 are offline"
    assert [name for name in HOSTILE if escape(name) not in message] == []


async def test_a_plain_message_has_the_names_as_they_are(site: LiveSite, automation: Automation) -> None:
    names = [*HOSTILE, r"a\b\_c"]
    await automation.make("outage", **OUTAGE)
    await all_named(site, names)
    await site.advance(OFFLINE, WINDOW)
    assert automation.plain == [f"6 devices of sito_001 are offline: {', '.join(names)}"]


async def test_the_run_button_tries_the_actions_out(site: LiveSite, automation: Automation) -> None:
    await automation.make("outage", **OUTAGE)
    await automation.press_run()  # when there was no event yet
    await play(site, [([1, 2], WINDOW)])
    await automation.press_run()
    assert automation.messages == ["", "2 devices were discovered on sito_001: monstro/1, monstro/2"]


async def test_an_outage_in_italian(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, automation: Automation
) -> None:
    hass.config.language = "it"
    site = LiveSite(hass, freezer, await setup_site(hass))
    entities = {"site_events": own(hass, "events", "event"), "site_problem": own(hass, "problem")}
    assert entities["site_events"] == "event.sito_001_eventi"
    await automation.make("outage", **OUTAGE | entities, language="it")
    await play(site, [([1, 2], OFFLINE, WINDOW), ([1, 2], SETTLED, CLEAR)])
    assert automation.titles == ["2 dispositivi di sito_001 sono offline", "sito_001: tutto a posto"]
    assert automation.plain == [
        "2 dispositivi di sito_001 sono offline: monstro/1, monstro/2",
        "Nessun dispositivo di sito_001 è più offline.",
    ]


# One device


def chosen(*numbers: int) -> dict[str, Any]:
    """Return the inputs with which these devices alert."""
    sensors = [f"binary_sensor.monstro_{number}_connectivity" for number in numbers]
    return {"connectivity": sensors, "offline_for": {"minutes": 5}, "offline_actions": TO_PHONE}


@pytest.mark.parametrize("begin", ["2025-10-17T10:00:00Z"])
async def test_a_chosen_device_alerts_when_it_is_offline_for_long(site: LiveSite, automation: Automation) -> None:
    await site.hass.config.async_set_time_zone("Europe/Rome")
    await site.beat(1, 2)
    await automation.make("device_offline", **chosen(1))
    await site.advance(OFFLINE, 299)
    assert not automation.sent
    await site.advance(1)
    assert automation.titles == ["monstro/1 is offline"]  # and nothing of monstro/2
    assert automation.messages == automation.plain == ["monstro/1 has been offline since 2025-10-17 12:00."]
    await site.advance(3600)
    assert len(automation.sent) == 1


async def test_several_chosen_devices_alert_each(site: LiveSite, automation: Automation) -> None:
    """All of them, when all are due at once."""
    await site.beat(*range(1, 13))
    await automation.make("device_offline", **chosen(*range(1, 13)))
    await site.advance(OFFLINE, 300)
    assert sorted(automation.titles) == sorted(f"monstro/{number} is offline" for number in range(1, 13))


async def test_a_device_that_is_back_in_time_does_not_alert(site: LiveSite, automation: Automation) -> None:
    await site.beat(1)
    await automation.make("device_offline", **chosen(1))
    await play(site, [([1], OFFLINE, 290)] * 3)
    await site.beat(1)
    assert not automation.sent


async def test_a_device_that_was_offline_before_does_not_alert_again(site: LiveSite, automation: Automation) -> None:
    await site.beat(1)
    await automation.make("device_offline", **chosen(1))
    await site.advance(OFFLINE, 300)
    assert len(automation.sent) == 1
    await trouble(site)
    await site.advance(3600)
    assert site.connectivity("datalogger/T1") == "off"
    assert len(automation.sent) == 1


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_name_is_text_in_an_alert(site: LiveSite, automation: Automation, name: str) -> None:
    await site.heartbeat(name=name)
    await automation.make("device_offline", connectivity=[own(site.hass, "datalogger/TEST123/connectivity")])
    await site.advance(OFFLINE, 300)
    title, message = automation.shown()
    assert title == f"{name} is offline"  # titles are plain text
    assert message.startswith(f"{escape(name)} has been offline since 2")


async def test_the_run_button_tries_the_alert_out_in_italian(site: LiveSite, automation: Automation) -> None:
    await site.beat(1)
    await automation.make("device_offline", **chosen(1), language="it")
    await automation.press_run()
    assert automation.titles == ["monstro/1 è offline"]
    assert automation.plain[0].startswith("monstro/1 è offline da 2")


# Once a day


async def until(site: LiveSite, hour: int) -> None:
    """Wait for the next time that the clock on the wall has said an hour."""
    now = dt_util.now()
    then = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    await site.advance(((then - now) % timedelta(days=1)).total_seconds() + 1)


@pytest.mark.parametrize("begin", ["2025-10-17T02:00:00Z"])
async def test_a_summary_once_a_day(site: LiveSite, automation: Automation) -> None:
    await site.hass.config.async_set_time_zone("Europe/Rome")
    await site.set_options(offline_after=86_400)
    await setup_site(site.hass, "sito_002")
    await automation.make("daily_summary", **SUMMARY)
    await site.heartbeat("gateway/1", "G1", site="sito_002")  # of another site
    await site.heartbeat("datalogger/monstro/9", "T9", retain=True)  # never heard alive
    await site.beat(1, 2, 3)

    await until(site, 7)
    assert automation.titles == ["sito_001: 3 of 4 devices online"]
    assert automation.messages == ["3 online, 0 offline, 1 not known."]

    await site.beat(1)
    await until(site, 4)  # what was last heard at 4:00 the day before is offline
    await site.beat(3)
    await until(site, 7)
    assert automation.titles[1:] == ["sito_001: 2 of 4 devices online"]
    assert automation.plain[1:] == ["2 online, 1 offline, 1 not known.\n- monstro/2, since 2025-10-18 04:00"]


async def test_a_summary_lists_twenty_the_longest_offline_first(site: LiveSite, automation: Automation) -> None:
    await automation.make("daily_summary", **SUMMARY, language="it")
    for number in range(22, 0, -1):
        await site.beat(number)
        site.freezer.tick(0.1)
    await site.advance(27.75, *[0.1] * 22)
    await automation.press_run()
    assert automation.titles == ["sito_001: 0 dispositivi online su 22"]
    first, *lines, last = automation.plain[0].split("\n")
    assert first == "0 online, 22 offline."
    assert [line.partition(",")[0] for line in lines] == [f"- monstro/{number}" for number in range(22, 2, -1)]
    assert all(re.search(r", da \d{4}-\d\d-\d\d \d\d:\d\d$", line) for line in lines)
    assert last == "- … 2 altri"


async def test_a_summary_while_nothing_is_known(site: LiveSite, automation: Automation) -> None:
    await automation.make("daily_summary", **SUMMARY)
    await site.beat(1, 2)
    await site.monitor("off")
    await until(site, 7)
    assert automation.titles == ["sito_001: 0 of 2 devices online"]
    assert automation.messages == ["0 online, 0 offline, 2 not known."]


async def test_hostile_names_are_text_in_a_summary(site: LiveSite, automation: Automation) -> None:
    await automation.make("daily_summary", site_events=EVENTS)
    await all_named(site, HOSTILE)
    await site.advance(OFFLINE)
    await until(site, 8)
    first, *lines = automation.shown()[1].split("\n")
    assert first == "0 online, 5 offline."
    assert sorted(line.rpartition(", since")[0] for line in lines) == sorted(f"- {escape(name)}" for name in HOSTILE)
