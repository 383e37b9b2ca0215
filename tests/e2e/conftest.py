"""One Home Assistant and one browser for all tests of the pages, and a window for each."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_socket

from tests.harness import needs_home_assistant, needs_mosquitto

from .home import Home, running_home

if TYPE_CHECKING:  # the oldest end has no playwright
    from playwright.sync_api import Browser

    from .user import OpenWindow, User

SECONDS = 300  # for a test, and whatever has to start for it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each of our tests its time, and skip it where it can't run."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            for mark in (pytest.mark.timeout(SECONDS), needs_home_assistant, needs_mosquitto):
                item.add_marker(mark)


@pytest.fixture(scope="package")
def browser() -> Generator[Browser]:
    """Run Chromium."""
    from .user import running_browser  # noqa: PLC0415  # it needs playwright

    pytest_socket.enable_socket()
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="package")
def home(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Generator[Home]:
    """Run a Home Assistant with several sites."""
    with running_home(tmp_path_factory.mktemp("home")) as home:
        yield home
        assert not home.complaints()


@pytest.fixture(scope="package")
def italian_home(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Generator[Home]:
    """Run one that speaks Italian."""
    with running_home(tmp_path_factory.mktemp("casa"), "it") as italian_home:
        yield italian_home
        assert not italian_home.complaints()


@pytest.fixture
def open_window(browser: Browser) -> OpenWindow:
    """Give a way to sit somebody down at the browser."""
    from .user import window  # noqa: PLC0415  # it needs playwright

    return partial(window, browser)


@pytest.fixture
def user(open_window: OpenWindow, home: Home) -> Generator[User]:
    """Sit somebody down to whom nothing may look wrong."""
    with open_window(home) as user:
        yield user
        user.look()
        assert not user.problems


# A browser's event loop runs in this thread all the while, so that no other can: what the test package does with one
# before and after each test is replaced by nothing.


@pytest.fixture
def configure_event_loop() -> None:
    """Configure no loop."""


@pytest.fixture
def enable_event_loop_debug() -> None:
    """Debug no loop."""


@pytest.fixture(autouse=True)
def verify_cleanup() -> None:
    """Let browser and Home Assistant outlast a test, and be reached by it."""
    pytest_socket.enable_socket()
