"""Hostile devices: what they send is text on every page, runs nothing and asks for nothing."""

from __future__ import annotations

from collections.abc import Generator
import re
import shutil

import pytest

from harness.process import ROOT
from harness.waiting import until
from simulator.devices import Device
from simulator.fleet import Fleet

from .home import HOSTILE, Home
from .user import TEXTS, OpenWindow, User

ELSEWHERE = "http://elsewhere.test/"
IMAGE = f"<img src={ELSEWHERE}1.png onerror=owned=1>"
PICTURE = f"![x]({ELSEWHERE}2.png)"
SCRIPT = "<script>owned=1</script>"
LINK = "[click](javascript:owned=1)"
ADDRESS = f"{ELSEWHERE}3"
TEMPLATE = "{{ 7*7 }}"
LIVE = f'[src^="{ELSEWHERE}"], [href^="{ELSEWHERE}"], [href^="javascript:"]'
DIRECTIONS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067"  # ours, 2068 and 2069, keep a name to itself

TWIN = Device(site=HOSTILE, address=f"datalogger/א/{TEMPLATE}", serial=IMAGE)
SECOND_TWIN = Device(site=HOSTILE, address="datalogger/ב/2", serial=IMAGE)
METER = Device(
    site=HOSTILE,
    address="datalogger/meter/1",
    serial=PICTURE,
    about={
        "name": f"\u202e{ADDRESS}\u202c {TEMPLATE}",
        "manufacturer": SCRIPT,
        "model": LINK,
        "sw_version": f"\u2067{TEMPLATE}",
    },
)
OLD = Device(site=HOSTILE, address=f"gateway/{TEMPLATE}", serial="**old**")
NEW = Device(site=HOSTILE, address=f"gateway/{TEMPLATE}", serial=SCRIPT)
ONE_TOO_MANY = Device(site=HOSTILE, address="gateway/5", serial="LATE-1")
METER_NAME = f"{ADDRESS} {TEMPLATE}"
OLD_NAME = f"Gateway {TEMPLATE} (**old**)"
VALUES = {
    IMAGE: f"\u202e{TEMPLATE} <b>",
    PICTURE: {"value": 3, "unit": "<i>"},
    LINK: True,
    **{f"value {number}": number for number in range(120)},
}


@pytest.fixture
def hostile(home: Home) -> Generator[None]:
    """Let them send; what is left of them afterwards is on no page."""
    fleet = Fleet([TWIN, METER, OLD, NEW, ONE_TOO_MANY], home.publish, interval=1.0, data_every=0)
    twin = Fleet([SECOND_TWIN], home.publish, interval=1.0, data_every=0)
    fleet.silence(NEW.serial, ONE_TOO_MANY.serial)
    with fleet, twin:
        home.device_id(METER_NAME, HOSTILE)
        home.device_id(OLD.name, HOSTILE)
        home.send(METER, "input", **VALUES)
        fleet.silence(OLD.serial)
        fleet.bring_back(NEW.serial)
        home.device_id(OLD_NAME, HOSTILE)
        until(lambda: len(home.device_ids(HOSTILE)) == 1 + 4)
        fleet.bring_back(ONE_TOO_MANY.serial)
        yield
    home.enable(HOSTILE, False)


@pytest.fixture
def reader(open_window: OpenWindow, home: Home) -> Generator[User]:
    """Sit somebody down who does not mind that long names are cut."""
    with open_window(home) as user:
        yield user
        assert not user.problems


def all_is_text(reader: User, *texts: str | re.Pattern[str]) -> None:
    """Wait until all these are there as they were sent, and see that nothing came of them."""
    for text in texts:
        reader.sees(text)
    assert reader.page.evaluate("window.owned") is None
    assert reader.page.locator(LIVE).count() == 0
    shown = "".join(each["text"] for each in reader.page.evaluate(TEXTS))
    assert not set(shown) & set(DIRECTIONS)
    assert "\\" not in shown


@pytest.mark.usefixtures("hostile")
def test_what_they_say_is_text_everywhere(reader: User, home: Home) -> None:
    reader.open_device(METER_NAME, HOSTILE)
    all_is_text(reader, METER_NAME, SCRIPT, LINK, TEMPLATE, f"Serial number: {PICTURE}", IMAGE)
    reader.reads(PICTURE, "3 <i>")
    reader.page.locator("ha-device-entities-card hui-generic-entity-row").filter(has_text=IMAGE).click()
    all_is_text(reader, IMAGE, f"{TEMPLATE} <b>")
    reader.open_integration()
    all_is_text(reader, HOSTILE, METER_NAME, OLD_NAME)
    reader.open("/logbook")
    all_is_text(reader, HOSTILE, OLD_NAME)
    reader.open("/demo-fleet")
    all_is_text(reader, HOSTILE, OLD_NAME, f"{OLD_NAME} of {HOSTILE} is offline.")
    reader.open_options(HOSTILE)
    all_is_text(reader)

    site, old = home.device_id(HOSTILE, HOSTILE), home.device_id(OLD_NAME, HOSTILE)
    (events,) = (entity for entity in home.states(site) if entity.startswith("event."))
    (problem,) = (entity for entity in home.states(site) if entity.endswith("_problem"))
    (connectivity,) = (entity for entity in home.states(old) if entity.endswith("_connectivity"))
    for blueprint, inputs in (
        ("outage", {"site_events": events, "site_problem": problem}),
        ("device_offline", {"connectivity": connectivity}),
        ("daily_summary", {"site_events": events}),
    ):
        automate(home, blueprint, inputs)
    reader.open_integration()
    reader.press("Notifications")
    all_is_text(
        reader,
        re.compile(rf"\d devices? of {re.escape(HOSTILE)} (is|are) offline"),
        f"{OLD_NAME} of {HOSTILE} is offline.",
        f"{OLD_NAME} is offline",
        f"{OLD_NAME} has been offline since",
        f"{HOSTILE}: 3 of 4 devices online",
    )

    reader.open_repair(f"{HOSTILE} has duplicate serial numbers")
    all_is_text(reader, f"{IMAGE} (\u2068א/{TEMPLATE}\u2069, \u2068ב/2\u2069)")
    reader.open_repair(f"{HOSTILE} has more devices than 4")
    all_is_text(reader, f"Devices of {HOSTILE} that are not yet known")
    reader.open_repair(f"Some data of {HOSTILE} has no entity")
    all_is_text(reader, f"meter/1 ({PICTURE})")
    reader.open_repair(f"Has {SCRIPT} replaced **old** on {HOSTILE}?")
    all_is_text(reader, f"**old** at {TEMPLATE} of {HOSTILE} is offline, and a new one with the serial number {SCRIPT}")


def automate(home: Home, blueprint: str, inputs: dict[str, str]) -> None:
    """Make an automation of a blueprint and run it."""
    folder = home.home_assistant.folder / "blueprints/automation/hostile"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / f"blueprints/automation/site_devices/{blueprint}.yaml", folder)
    use = {"path": f"hostile/{blueprint}.yaml", "input": inputs}
    home.home_assistant.post(
        f"/api/config/automation/config/hostile_{blueprint}", {"alias": f"hostile {blueprint}", "use_blueprint": use}
    )
    until(lambda: f"automation.hostile_{blueprint}" in home.home_assistant.states())
    home.home_assistant.post("/api/services/automation/trigger", {"entity_id": f"automation.hostile_{blueprint}"})


@pytest.mark.parametrize("text", [IMAGE, f'<a href="{ADDRESS}">', '<a href="javascript:owned=1">', "\u202e", "\\<"])
def test_what_is_more_than_text_is_seen(reader: User, text: str) -> None:
    reader.open_integration()
    all_is_text(reader)
    reader.page.evaluate("html => document.body.insertAdjacentHTML('beforeend', `<p>${html}</p>`)", text)
    reader.page.wait_for_timeout(500)
    with pytest.raises(AssertionError):
        all_is_text(reader)
    reader.problems.clear()
