"""Deleting a device on its page."""

from __future__ import annotations

from harness.waiting import until

from .home import Home
from .user import User


def test_a_device_that_is_gone_can_be_deleted(user: User, home: Home) -> None:
    user.open_device("monstro/1", "scrapyard")
    user.reads("Connectivity", "Disconnected")
    user.delete_device()
    until(lambda: home.device_ids("scrapyard").keys() == {"scrapyard", "monstro/2"})


def test_a_device_that_is_online_can_not_and_the_page_says_why(user: User, home: Home) -> None:
    user.open_device("monstro/2", "scrapyard")
    user.reads("Connectivity", "Connected")
    user.expects_refusal()
    user.delete_device()
    user.sees("monstro/2 (SCRAP-2) is online and can't be deleted")
    user.look()
    assert "monstro/2" in home.device_ids("scrapyard")
