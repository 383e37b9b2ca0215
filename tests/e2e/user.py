"""Somebody at a browser, who uses Home Assistant and minds whatever is wrong with its pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
import json
from pathlib import Path
import re
import shutil
from typing import Any

import pytest

pytest.importorskip("playwright", reason="the pages are tested on the newest end only")

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, Response, expect, sync_playwright

from harness import seed
from harness.stack import SITE

from .home import PATIENCE, Home
from .texts import foreign, raw_keys

SIZES = {"desk": (1280, 900), "phone": (390, 844)}
CONFIGURE = {"en": "Configure", "it": "Configura"}
ADD = {"en": "Add hub", "it": "Aggiungi hub"}
MINUTE = 60 + PATIENCE  # seconds for what is looked into once a minute
SETTLED = 300  # milliseconds in which what moves has come to rest
TEXTS = (Path(__file__).parent / "texts.js").read_text(encoding="utf-8")
# The pictures of other integrations come from the internet, and here there is none.
_OTHERS_PICTURE = re.compile(
    r"/api/brands/integration/(?!site_devices/)|//brands\.home-assistant\.io/(?!.*/site_devices/)"
)

type OpenWindow = Callable[..., AbstractContextManager[User]]

expect.set_options(timeout=PATIENCE * 1000)


class User:
    """One browser window, logged in; `problems` is what went wrong in it so far."""

    def __init__(self, page: Page, home: Home, language: str) -> None:
        self.page = page
        self.home = home
        self.language = language
        self.problems: list[str] = []
        self._refusals_are_right = False
        page.set_default_timeout(PATIENCE * 1000)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"error in the page: {error}"))
        page.on("response", self._response)
        page.on("requestfailed", self._request_failed)

    def open(self, path: str) -> None:
        """Go to a page by its address, when the last click has had its effect: some lead to another page themselves."""
        self.page.wait_for_timeout(SETTLED)
        self.page.goto(path)

    def open_integration(self) -> None:
        """Go to the integration's page."""
        self.open("/config/integrations/integration/site_devices")
        self.sees(SITE)

    def open_device(self, name: str, site: str = SITE) -> None:
        """Go to the page of a device."""
        self.open(f"/config/devices/device/{self.home.device_id(name, site)}")
        expect(self.page.locator("ha-device-entities-card").first).to_be_visible()

    def open_options(self, site: str) -> None:
        """Open the dialog with the options of a site."""
        self.open_integration()
        row = self.page.locator("ha-config-entry-row").filter(has=self.page.get_by_text(site, exact=True))
        row.get_by_role("button", name=CONFIGURE[self.language]).first.click()
        expect(self._dialog()).to_be_attached()

    def open_repair(self, title: str) -> None:
        """Open the dialog of a repair, as soon as there is one."""
        self.open("/config/repairs")
        self.sees(title, within=MINUTE).click()
        expect(self._dialog()).to_be_attached()

    def add_site(self) -> None:
        """Begin to add a site, on the integration's page."""
        self.press(ADD[self.language])

    def delete_device(self) -> None:
        """Delete the device whose page this is, and be sure."""
        self.page.locator("ha-device-info-card").get_by_role("button", name="Menu").click()
        self.choose("Delete")
        self.press("Delete")

    def sees(self, text: str | re.Pattern[str], *, within: float = PATIENCE) -> Locator:
        """Wait for a text, in whole words, and return where it is first; `within` is in seconds."""
        words = re.compile(rf"(?<!\w){re.escape(text)}(?!\w)") if isinstance(text, str) else text
        found = self.page.get_by_text(words).first
        expect(found).to_be_visible(timeout=within * 1000)
        return found

    def sees_no(self, text: str) -> None:
        """Wait until a text is nowhere."""
        expect(self.page.get_by_text(text)).to_have_count(0)

    def is_listed(self, name: str, *, times: int = 1) -> None:
        """Wait until so many links have a name."""
        expect(self.page.get_by_role("link", name=name, exact=True)).to_have_count(times)

    def reads(self, entity: str, value: str | re.Pattern[str]) -> None:
        """Wait until an entity on a device page, named as it is there, has a value."""
        rows = self.page.locator("ha-device-entities-card hui-generic-entity-row")
        row = rows.filter(has=self.page.get_by_title(entity, exact=True))
        expect(row).to_have_text(value, use_inner_text=True)

    def press(self, button: str) -> None:
        """Press a button, that of the dialog if there is one."""
        self._in_front().get_by_role("button", name=button).first.click()

    def choose(self, text: str) -> None:
        """Click on a text."""
        self.sees(text).click()

    def follow(self, link: str) -> None:
        """Click on a link."""
        self.page.get_by_role("link", name=link, exact=True).click()

    def write(self, field: str, text: str) -> None:
        """Fill a field, that of the dialog if there is one, found by its label."""
        self._field(field).fill(text)

    def written(self, field: str) -> str:
        """Return what is in a field, that of the dialog if there is one."""
        return self._field(field).input_value()

    def has_chosen(self, option: str) -> bool:
        """Return whether this one of several is chosen."""
        return self._dialog().get_by_role("radio", name=option).is_checked()

    def pick_entities(self, *names: str) -> None:
        """Fill the entity pickers on a page, from the first on."""
        for number, name in enumerate(names):
            picker = self.page.locator("ha-entity-picker").nth(number)
            picker.click()
            self.page.get_by_role("searchbox").or_(self.page.get_by_placeholder("Search")).last.fill(name)
            self.page.keyboard.press("Enter")
            expect(picker).not_to_contain_text("Select an entity")

    def expects_refusal(self) -> None:
        """Take no answer of the server for a problem from now on."""
        self._refusals_are_right = True

    def sit_at(self, size: str, *, dark: bool = False) -> None:
        """Change to a screen of another size, by day or by night."""
        width, height = SIZES[size]
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.emulate_media(color_scheme="dark" if dark else "light")
        self.page.wait_for_function(
            "dark => (getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/)[0] < 128) === dark",
            arg=dark,
        )

    def look(self) -> list[str]:
        """Note what is cut, beyond the edge, untranslated or in another language; return all texts there are."""
        self.page.wait_for_timeout(SETTLED)
        found: list[dict[str, Any]] = self.page.evaluate(TEXTS)
        texts = [each["text"] for each in found]
        where = f"{self.page.url} at {self.page.viewport_size}"
        self.problems += [f"cut on {where}: {each['text']}" for each in found if each["cut"] or each["beyond"]]
        self.problems += [f"untranslated on {where}: {text}" for text in raw_keys(texts)]
        self.problems += [f"not {self.language} on {where}: {text}" for text in foreign(texts, self.language)]
        return texts

    def _dialog(self) -> Locator:
        return self.page.locator("ha-dialog[open]").last

    def _in_front(self) -> Locator | Page:
        return self._dialog() if self._dialog().count() else self.page

    def _field(self, label: str) -> Locator:
        place = self._in_front()
        return place.get_by_role("spinbutton", name=label).or_(place.get_by_role("textbox", name=label)).first

    def _console(self, message: ConsoleMessage) -> None:
        # Of a picture that is not there a response tells as well, and which.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.problems.append(f"console: {message.text}")

    def _request_failed(self, request: Request) -> None:
        # Whoever goes on to another page waits no longer for what the last one asked for.
        if request.failure != "net::ERR_ABORTED":
            self.problems.append(f"{request.failure}: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and not self._refusals_are_right and not _OTHERS_PICTURE.search(response.url):
            self.problems.append(f"answer {response.status}: {response.url}")


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Run Chromium for the length of a `with` block, or skip the tests that need it."""
    if (program := shutil.which("chromium") or shutil.which("google-chrome")) is None:
        pytest.skip("needs Chromium: scripts/setup browser")
    with sync_playwright() as playwright:
        # Chromium's own sandbox can't be had by root.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def window(
    browser: Browser,
    home: Home,
    *,
    language: str = "en",
    dark: bool = False,
    size: tuple[int, int] = SIZES["desk"],
    scale: int = 1,
) -> Iterator[User]:
    """Open a window for the length of a `with` block."""
    context = browser.new_context(
        base_url=home.home_assistant.url,
        color_scheme="dark" if dark else "light",
        device_scale_factor=scale,
        locale={"en": "en-GB", "it": "it-IT"}[language],
        reduced_motion="reduce",
        service_workers="block",
        timezone_id="Europe/Rome",
        viewport={"width": size[0], "height": size[1]},
    )
    login = {
        "access_token": seed.access_token(),
        "clientId": f"{home.home_assistant.url}/",
        "expires": 4_102_444_800_000,  # 2100, in milliseconds
        "expires_in": 315_360_000,
        "hassUrl": home.home_assistant.url,
        "refresh_token": "",
        "token_type": "Bearer",
    }
    context.add_init_script(f"localStorage.hassTokens = {json.dumps(json.dumps(login))}")
    try:
        yield User(context.new_page(), home, language)
    finally:
        context.close()
