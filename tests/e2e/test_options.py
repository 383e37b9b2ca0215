"""The options of a site, changed in their dialog, take effect at once."""

from __future__ import annotations

from .user import User


def test_a_shorter_deadline_shows_who_is_silent(user: User) -> None:
    user.open_device("monstro/1", "cellar")
    user.reads("Connectivity", "Connected")
    user.open_options("cellar")
    assert user.written("Offline after") == "600"
    user.look()
    user.write("Offline after", "5")
    user.press("Submit")
    user.sees("Options successfully saved.")
    user.press("Finish")
    user.open_device("monstro/1", "cellar")
    user.reads("Connectivity", "Disconnected")
    user.open_options("cellar")
    assert user.written("Offline after") == "5"


def test_what_is_out_of_bounds_is_not_taken(user: User) -> None:
    user.open_options("cellar")
    user.expects_refusal()
    user.write("Largest number of devices", "9901")
    user.press("Submit")
    user.sees("is too large")
    user.look()
    user.open_options("cellar")
    assert user.written("Largest number of devices") == "1000"
