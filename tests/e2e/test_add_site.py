"""Adding a site: listen to the broker, choose what was heard, or type a code."""

from __future__ import annotations

from harness.stack import SITE
from simulator.devices import make_devices
from simulator.fleet import Fleet

from .home import Home
from .user import User


def test_a_site_that_is_heard_can_be_chosen(user: User, home: Home) -> None:
    devices = make_devices("sito_002", dataloggers=2, gateways=1)
    with Fleet(devices, home.publish, interval=1.0):
        user.open_integration()
        user.add_site()
        user.sees("Listening for the heartbeats of your sites for 15 seconds …")
        user.look()
        user.sees("Sites on the broker")
        user.sees("sito_002")
        user.look()
        user.choose("Choose one of these sites")
        user.sees("sito_002 (3)")
        user.look()
        user.press("Submit")
        user.press("Skip and finish")
        user.sees_no("Skip and finish")
        user.open_device("monstro/1", "sito_002")
        user.reads("Connectivity", "Connected")


def test_a_code_that_can_not_be_one_is_refused_with_a_reason(user: User) -> None:
    user.open_integration()
    user.add_site()
    user.choose("Type a site code")
    user.write("Site code", "a/b")
    user.press("Submit")
    user.sees("This can't be a site code.")
    user.look()
    user.write("Site code", SITE)
    user.press("Submit")
    user.sees("This site has already been added.")
    user.look()
