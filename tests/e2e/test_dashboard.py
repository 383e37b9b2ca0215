"""The dashboard to paste, as the demo shows it."""

from __future__ import annotations

from harness.stack import SITE

from .home import Home
from .user import User


def test_who_falls_silent_is_listed_until_it_is_back(user: User, home: Home) -> None:
    user.open("/demo-fleet")
    user.is_listed(SITE)
    user.is_listed("piccolo/2", times=0)
    home.fleet.silence("PIC-00002")
    user.is_listed("piccolo/2")
    user.sees("piccolo/2 of sito_001 is offline.")
    user.look()
    home.fleet.bring_back("PIC-00002")
    user.is_listed("piccolo/2", times=0)


def test_a_row_leads_to_the_page_of_its_device(user: User) -> None:
    user.open("/demo-fleet")
    user.follow(SITE)
    user.reads("Devices known", "6")
