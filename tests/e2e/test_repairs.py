"""What the repairs page tells, and what comes of it when its dialogs are clicked through."""

from __future__ import annotations

import re

from harness.waiting import until

from .home import Home
from .user import User


def test_more_devices_can_be_let_in(user: User, home: Home) -> None:
    assert len(home.device_ids("crowd")) == 1 + 2
    user.open_repair("crowd has more devices than 2")
    user.sees("there are already 2, the largest number that its options allow")
    user.look()
    user.choose("Allow more devices")
    assert user.written("Largest number of devices") == "4"
    user.look()
    user.write("Largest number of devices", "3")
    user.press("Submit")
    user.sees("The issue is repaired!")
    user.press("Finish")
    until(lambda: len(home.device_ids("crowd")) == 1 + 3)
    user.sees_no("crowd has more devices than")


def test_new_devices_can_be_ignored(user: User, home: Home) -> None:
    user.open_repair("fair has more devices than 2")
    user.choose("Take no new devices")
    user.sees("The issue is repaired!")
    user.press("Finish")
    user.sees_no("fair has more devices than 2")
    user.open_options("fair")
    assert user.has_chosen("Ignore them")
    assert len(home.device_ids("fair")) == 1 + 2


def test_new_hardware_can_go_on_as_the_old_device(user: User, home: Home) -> None:
    old = home.device_id("monstro/1 (OLD-1)", "spares")
    entities = home.states(old).keys()
    user.open_repair("Has NEW-1 replaced OLD-1 on spares?")
    user.sees("NEW-1 can go on as the old device")
    user.look()
    user.choose("Yes, the new device goes on as the old one")
    user.sees("The issue is repaired!")
    user.press("Finish")
    user.sees_no("Has NEW-1 replaced OLD-1")
    assert home.device_id("monstro/1", "spares") == old
    assert home.states(old).keys() == entities
    assert len(home.device_ids("spares")) == 1 + 3
    user.open_device("monstro/1", "spares")
    user.sees("Serial number: NEW-1")
    user.reads("Connectivity", "Connected")


def test_new_hardware_can_stay_a_device_of_its_own(user: User, home: Home) -> None:
    user.open_repair("Has NEW-2 replaced OLD-2 on spares?")
    user.choose("No, both are to stay")
    user.sees("Both devices stay, and you are not asked again.")
    user.look()
    user.press("Close")
    user.sees_no("Has NEW-2 replaced OLD-2")
    user.open_device("monstro/2 (OLD-2)", "spares")
    user.reads("Connectivity", "Disconnected")
    user.open_device("monstro/2", "spares")
    user.sees("Serial number: NEW-2")
    user.reads("Connectivity", "Connected")


def test_a_site_whose_store_was_lost_is_told_of_and_goes_on(user: User, home: Home) -> None:
    user.open_repair("Stored devices of attic not usable")
    user.sees(re.compile(r"kept in /\S+/\.storage under a name that ends in \.corrupt\.20\S+, and the devices"))
    user.look()
    user.press("Ignore")
    user.sees_no("Stored devices of attic not usable")
    user.open_device("monstro/1", "attic")
    user.sees("Serial number: ATTIC-1")
    user.reads("Connectivity", "Connected")


def test_a_serial_number_at_two_addresses_is_told_of(user: User) -> None:
    user.open_repair("twins has duplicate serial numbers")
    user.sees("TWIN-1 (monstro/1, monstro/2)")


def test_a_device_that_reports_too_much_is_told_of(user: User) -> None:
    user.open_repair("Some data of meters has no entity")
    user.sees("monstro/1 (METER-1)")


def test_a_site_that_is_never_heard_is_told_of_until_it_is(user: User, home: Home) -> None:
    user.open_repair("Nothing was heard of mute")
    user.sees("its access rules let Home Assistant read the topics of mute")
    user.look()
    user.open("/config/repairs")
    home.publish("mute/gateway/1/heartbeat", '{"serial_number": "MUTE-1"}')
    user.sees_no("Nothing was heard of mute")
