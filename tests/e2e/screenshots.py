"""Make the pictures of the documentation, all of them and from nothing: `python -m tests.e2e.screenshots`.

In: a broker, devices and a Home Assistant of its own, which it starts. Out: docs/images/*.png, small enough for a page.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
import sys

from PIL import Image
from playwright.sync_api import Browser

from harness.process import ROOT, exit_on_signals
from harness.stack import SITE, running_stack
from simulator.devices import Device, make_devices
from simulator.fleet import Fleet

from .home import Home
from .user import User, running_browser, window

IMAGES = ROOT / "docs/images"
WIDTH = 1180
COLOURS = 256
REPLACED = "sito_002"
HEARD = "sito_003"
FAILED = "PIC-00003"


def main() -> None:
    """Make them."""
    exit_on_signals()
    IMAGES.mkdir(parents=True, exist_ok=True)
    sites = {SITE: {}, REPLACED: {"offline_after": 5}}
    devices = make_devices(SITE, dataloggers=12, gateways=2)
    with running_stack(devices, interval=2.0, sites=sites) as stack, running_browser() as browser:
        home = Home(stack)
        spares = [
            Device(site=REPLACED, address="datalogger/monstro/4", serial=serial)
            for serial in ("MON-10004", "MON-20371")
        ]
        heard = make_devices(HEARD, dataloggers=9, gateways=1)
        with Fleet(spares, home.publish, interval=1.0) as replaced, Fleet(heard, home.publish, interval=2.0):
            replaced.silence("MON-20371")
            home.device_id("monstro/4", REPLACED)
            replaced.silence("MON-10004")
            replaced.bring_back("MON-20371")
            for name, (height, show) in PICTURES.items():
                _take(browser, home, name, height, show)


def _take(browser: Browser, home: Home, name: str, height: int, show: Callable[[User], None]) -> None:
    with window(browser, home, size=(WIDTH, height), scale=2) as user:
        user.page.add_init_script("localStorage.dockedSidebar = '\"auto\"'")  # a narrow one
        show(user)
        user.look()
        if user.problems:
            sys.exit("\n".join(user.problems))
        file = IMAGES / f"{name}.png"
        with Image.open(BytesIO(user.page.screenshot())) as picture:
            picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file.relative_to(ROOT)}: {file.stat().st_size // 1000} KB", flush=True)


def _add_site(user: User) -> None:
    user.open_integration()
    user.press("Add hub")
    user.sees("Sites on the broker")


def _site_page(user: User) -> None:
    user.home.fleet.silence(FAILED)
    user.open_device(SITE)
    user.reads("Devices offline", "1")
    user.sees("Offline")


def _dashboard(user: User) -> None:
    user.open("/demo-fleet")
    user.sees("piccolo/3")


def _device_page(user: User) -> None:
    user.home.fleet.bring_back(FAILED)
    user.open_device("piccolo/3")
    user.reads("Connectivity", "Connected")
    user.sees("Disconnected")
    user.sees("°C")


def _repair(user: User) -> None:
    user.open_repair(f"Has MON-20371 replaced MON-10004 on {REPLACED}?")


PICTURES: dict[str, tuple[int, Callable[[User], None]]] = {
    "add_site": (640, _add_site),
    "repair": (560, _repair),
    "site_page": (742, _site_page),
    "dashboard": (600, _dashboard),
    "device_page": (752, _device_page),
}
"""How high each is, and how it is reached; the later ones show what the former have done."""

if __name__ == "__main__":
    main()
