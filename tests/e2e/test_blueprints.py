"""A blueprint is imported from where it lies on the web, and its automation does what it says."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import quote

import pytest

from harness.process import ROOT

from .home import Home
from .user import User


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and does not talk."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def blueprints() -> Generator[str]:
    """Serve the blueprints on loopback."""
    handler = partial(Quiet, directory=ROOT / "blueprints/automation/site_devices")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def import_blueprint(user: User, address: str, name: str) -> None:
    """Import a blueprint and begin an automation with it."""
    user.open(f"/_my_redirect/blueprint_import?blueprint_url={quote(address)}")
    user.press("Preview")
    user.sees(f"Site devices: {name}")
    user.look()
    user.press("Import blueprint")
    user.choose(f"Site devices: {name}")


def test_an_outage_is_told_of_once_and_so_is_its_end(user: User, home: Home, blueprints: str) -> None:
    import_blueprint(user, f"{blueprints}/outage.yaml", "outage and all-clear")
    user.pick_entities("sito_001 Events", "sito_001 Problem")
    user.look()
    user.press("Save")
    user.sees("Traces")

    home.fleet.silence("MON-00002", "PIC-00002")
    user.press("Notifications")
    user.sees("2 devices of sito_001 are offline")
    user.sees("monstro/2")
    user.look()
    home.fleet.bring_back("MON-00002", "PIC-00002")
    user.sees("sito_001: all clear")


def test_one_device_that_matters_is_told_of(user: User, home: Home, blueprints: str) -> None:
    import_blueprint(user, f"{blueprints}/device_offline.yaml", "a device is offline")
    user.pick_entities("Gateway 2 Connectivity")
    user.write("mm", "0")
    user.look()
    user.press("Save")
    user.sees("Traces")

    home.fleet.silence("GW-00002")
    user.press("Notifications")
    user.sees("Gateway 2 is offline")
    user.sees("Gateway 2 has been offline since")
    user.look()
    home.fleet.bring_back("GW-00002")


def test_the_summary_of_a_day_can_be_had_at_once(user: User, blueprints: str) -> None:
    import_blueprint(user, f"{blueprints}/daily_summary.yaml", "daily summary")
    user.pick_entities("sito_001 Events")
    user.look()
    user.press("Save")
    user.sees("Traces")
    user.press("Menu")
    user.choose("Run actions")
    user.press("Notifications")
    user.sees("sito_001: 6 of 6 devices online")
    user.look()
