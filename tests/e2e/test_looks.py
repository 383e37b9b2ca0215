"""Every page and dialog in both languages, by day and by night, on a desk and on a phone: nothing cut or untranslated."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from harness.stack import SITE

from .home import Home
from .texts import translations
from .user import OpenWindow, User

REPAIRS = {
    "conflict": {"site_plain": "twins"},
    "data_limit": {"site_plain": "meters"},
    "device_limit": {"site_plain": "crowd", "max_devices": "2"},
    "replaced": {"site_plain": "spares", "old_plain": "OLD-1", "new_plain": "NEW-1"},
    "silent_site": {"site_plain": "mute"},
    "store_lost": {"site_plain": "attic"},
}
"""What is in the title of each repair."""


@pytest.fixture(params=["en", "it"])
def reader(request: pytest.FixtureRequest, open_window: OpenWindow) -> Generator[User]:
    """Sit somebody down who reads one language, at a Home Assistant that speaks it."""
    home = request.getfixturevalue("home" if request.param == "en" else "italian_home")
    with open_window(home, language=request.param) as user:
        yield user


def test_every_page_and_dialog(reader: User) -> None:
    text = translations(reader.language)
    reader.open_integration()
    look_by_day_and_night(reader)
    for name in ("monstro/1", "Gateway 1", SITE):
        reader.open_device(name)
        look_by_day_and_night(reader)
    reader.open_options(SITE)
    reader.sees(text["options.step.init.title"])
    look_by_day_and_night(reader)
    reader.open("/demo-fleet")
    reader.sees(SITE)
    look_by_day_and_night(reader)
    for repair, names in REPAIRS.items():
        reader.open_repair(text[f"issues.{repair}.title"].format(**names))
        look_by_day_and_night(reader)
        if repair == "device_limit":
            reader.choose(text["issues.device_limit.fix_flow.step.init.menu_options.raise"])
            reader.sees(text["issues.device_limit.fix_flow.step.raise.data.max_devices"])
            look_by_day_and_night(reader)
    assert not reader.problems


def test_the_dialogs_of_adding_a_site_that_is_not_heard(reader: User) -> None:
    text = translations(reader.language)
    reader.open_integration()
    reader.add_site()
    reader.sees(text["config.progress.listen"].format(seconds=15))
    look_by_day_and_night(reader)
    reader.sees(text["config.step.silence.title"])
    look_by_day_and_night(reader)
    reader.choose(text["config.step.silence.menu_options.manual"])
    reader.sees(text["config.step.manual.data_description.site_code"])
    look_by_day_and_night(reader)
    assert not reader.problems


def test_what_is_wrong_is_seen(user: User, home: Home) -> None:
    user.open_device(SITE)
    texts = user.look()
    assert "Devices known" in texts
    assert not user.problems

    user.language = "it"
    user.look()
    assert [problem for problem in user.problems if problem.startswith("not it") and "Devices known" in problem]
    user.language = "en"
    user.problems.clear()

    for style, text in (
        ("width: 20px; overflow: hidden", "This is too long"),
        ("position: absolute; left: 99%; white-space: nowrap", "This is too far to the right"),
        ("", "component.site_devices.entity.sensor"),
        ("", "more than {max_devices}"),
    ):
        user.page.evaluate(
            "([style, text]) => document.body.append(Object.assign(document.createElement('p'), {style, textContent: text}))",
            [style, text],
        )
        user.look()
        assert len(user.problems) == 1
        assert text in user.problems.pop()
        user.page.evaluate("document.body.lastChild.remove()")

    user.page.evaluate("console.error('something is wrong')")
    user.page.evaluate("fetch('/api/nothing_of_that_kind')")
    user.page.wait_for_timeout(500)
    assert len(user.problems) == 2
    user.problems.clear()


def look_by_day_and_night(user: User) -> None:
    """Look at a page twice, and leave it as it was: each language sees a desk and a phone, and one of both by night."""
    for size, dark in (("desk", user.language == "it"), ("phone", user.language == "en")):
        user.sit_at(size, dark=dark)
        user.look()
    user.sit_at("desk")
