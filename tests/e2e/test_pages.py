"""The pages of the integration, its devices and its sites."""

from __future__ import annotations

import re

from harness.stack import SITE

from .home import Home
from .user import User


def test_the_integration_page_lists_the_site_and_its_devices(user: User) -> None:
    user.open_integration()
    for name in (SITE, "monstro/1", "piccolo/2", "Gateway 1"):
        user.sees(name)


def test_a_datalogger_goes_off_and_comes_back_while_somebody_looks(user: User, home: Home) -> None:
    user.open_device("monstro/1")
    user.reads("Connectivity", "Connected")
    user.sees("Serial number: MON-00001")
    home.fleet.silence("MON-00001")
    user.reads("Connectivity", "Disconnected")
    user.reads("temperature", "Unavailable")
    user.look()
    home.fleet.bring_back("MON-00001")
    user.reads("Connectivity", "Connected")
    user.reads("temperature", re.compile(r"\d\s°C"))


def test_a_gateway_has_its_page(user: User) -> None:
    user.open_device("Gateway 1")
    user.reads("Connectivity", "Connected")
    user.sees("Bridge 4G")
    user.sees(SITE)


def test_a_site_has_its_page(user: User) -> None:
    user.open_device(SITE)
    user.reads("Connectivity", "Connected")
    user.reads("Devices known", "6")
    user.reads("Problem", "OK")
    user.sees("Gateway 2")
