"""The house behind the pages: a broker, devices, and a Home Assistant with several sites, each good for one story."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import json
from pathlib import Path
import re
import shutil
from typing import Any

from harness.process import ROOT
from harness.seed import site_entry
from harness.stack import SITE, Stack, running_stack
from harness.waiting import until
from simulator.devices import Device, make_devices
from simulator.fleet import Fleet

PATIENCE = 30.0  # seconds; generous, since a busy machine is no bug

HOSTILE = "<b>{{7*7}}"
SITES: dict[str, dict[str, Any]] = {
    SITE: {"offline_after": 5},
    "attic": {},  # what was stored of it can't be used
    "cellar": {"offline_after": 600},  # its only device falls silent
    "crowd": {"max_devices": 2},  # a third one wants in
    "fair": {"max_devices": 2},  # so here
    "meters": {},  # one of them reports more than a device may
    "mute": {},  # nothing is ever heard of it
    "scrapyard": {"offline_after": 5},  # one of two is gone
    "spares": {"offline_after": 5},  # two have taken the places of two others
    "twins": {"offline_after": 5},  # two have one serial number
    HOSTILE: {"offline_after": 5, "max_devices": 4},  # its devices come when somebody looks
}
"""The sites that are set up, with their options."""

DEVICES = {
    serial: Device(site=site, address=f"datalogger/monstro/{number}", serial=serial)
    for site, number, serial in (
        ("attic", 1, "ATTIC-1"),
        ("cellar", 1, "CELLAR-1"),
        *(("crowd", number, f"CROWD-{number}") for number in (1, 2, 3)),
        *(("fair", number, f"FAIR-{number}") for number in (1, 2, 3)),
        ("meters", 1, "METER-1"),
        ("scrapyard", 1, "SCRAP-1"),
        ("scrapyard", 2, "SCRAP-2"),
        ("spares", 1, "OLD-1"),
        ("spares", 1, "NEW-1"),
        ("spares", 2, "OLD-2"),
        ("spares", 2, "NEW-2"),
        ("twins", 1, "TWIN-1"),
    )
}
"""The devices of all sites but the first, by serial number."""

SECOND_TWIN = Device(site="twins", address="datalogger/monstro/2", serial="TWIN-1")
FALL_SILENT = ("CELLAR-1", "OLD-1", "OLD-2", "SCRAP-1")
COME_LATER = ("NEW-1", "NEW-2")
TALKATIVE = "METER-1"
FORGOTTEN = "ATTIC-1"


class Home:
    """What the tests know and do without a browser."""

    def __init__(self, stack: Stack) -> None:
        self.fleet = stack.fleet
        self.home_assistant = stack.home_assistant
        self.publish = stack.connection.publish
        self.ask = stack.home_assistant.ask

    def device_id(self, name: str, site: str = SITE) -> str:
        """Return the id of a device by its name, as soon as there is one."""
        return until(lambda: self.device_ids(site).get(name), within=PATIENCE)

    def device_ids(self, site: str) -> dict[str, str]:
        """Return the devices of a site by name, the site itself among them."""
        return {
            row["name_by_user"] or row["name"]: row["id"]
            for row in self.ask("config/device_registry/list")
            for domain, identifier in row["identifiers"]
            if domain == "site_devices" and identifier.partition("/")[0] == site
        }

    def states(self, device_id: str) -> dict[str, str]:
        """Return the states of a device's entities by entity id."""
        states = self.home_assistant.states()
        rows = self.ask("config/entity_registry/list")
        ours = [row["entity_id"] for row in rows if row["device_id"] == device_id]
        return {entity: states[entity]["state"] for entity in ours if entity in states}

    def send(self, device: Device, channel: str, **payload: Any) -> None:
        """Send one message of a device."""
        self.publish(device.topic(channel), json.dumps({"serial_number": device.serial, **payload}))

    def enable(self, site: str, enabled: bool) -> None:
        """Enable or disable the entry of a site."""
        entry_id = site_entry(site)["entry_id"]
        self.ask("config_entries/disable", entry_id=entry_id, disabled_by=None if enabled else "user")

    def lose_store(self, site: str) -> None:
        """Make what is stored of a site unusable, as another version of the integration does."""
        self.enable(site, False)
        file = self.home_assistant.folder / ".storage" / f"site_devices.{site_entry(site)['entry_id']}"
        file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), "version": 99}), encoding="utf-8")
        self.enable(site, True)

    def complaints(self) -> list[str]:
        """Return what the integration has to complain of in the log, other than the store that we have spoilt."""
        lines = self.home_assistant.log_text().splitlines()
        ours = r" (WARNING|ERROR|CRITICAL) .*\[custom_components\.site_devices"
        return [line for line in lines if re.search(ours, line) and ".corrupt." not in line]


@contextmanager
def running_home(folder: Path, language: str = "en") -> Iterator[Home]:
    """Run it for the length of a `with` block; the language is that of the names of entities."""
    with running_stack(
        make_devices(SITE, dataloggers=4, gateways=2),
        interval=1.0,
        sites=SITES,
        components=_impatient_components(folder),
        language=language,
    ) as stack:
        home = Home(stack)
        others = Fleet(list(DEVICES.values()), home.publish, interval=1.0, data_every=0)
        twin = Fleet([SECOND_TWIN], home.publish, interval=1.0, data_every=0)
        others.silence(*COME_LATER)
        with others, twin:
            for serial in (*FALL_SILENT, TALKATIVE, FORGOTTEN):
                home.device_id(DEVICES[serial].name, DEVICES[serial].site)
            others.silence(*FALL_SILENT)
            others.bring_back(*COME_LATER)
            home.send(DEVICES[TALKATIVE], "input", **{f"meter {number}": number for number in range(120)})
            home.lose_store(DEVICES[FORGOTTEN].site)
            yield home


def _impatient_components(folder: Path) -> Path:
    """Return a copy of the integration that takes a site for silent after a second: ten minutes are too long for us."""
    copy = folder / "custom_components"
    shutil.copytree(ROOT / "custom_components", copy, ignore=shutil.ignore_patterns("__pycache__"))
    texts = {file: file.read_text(encoding="utf-8") for file in copy.glob("site_devices/**/*.py")}
    ((file, text),) = ((file, text) for file, text in texts.items() if "_HEARD_NOTHING: Final = 600 " in text)
    file.write_text(text.replace("_HEARD_NOTHING: Final = 600 ", "_HEARD_NOTHING: Final = 1 "), encoding="utf-8")
    return copy
