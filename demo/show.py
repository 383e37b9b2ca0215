"""The demo for a person: what to look at, and one device after another that falls silent and comes back."""

from collections.abc import Callable
from itertools import cycle
import time

from harness import seed
from harness.process import StartError
from harness.stack import SITE, Stack

from .check import OFFLINE_AFTER

SILENT_FOR = 60.0  # seconds: 30 until it shows, 30 to look at it
PAUSE = 30.0  # seconds with all devices online


def show(stack: Stack, say: Callable[[str], None]) -> None:
    """Run until it is interrupted, or until a part of the stack has died."""
    url = stack.home_assistant.url
    say(
        f"""ready

  Address   {url}
  Login     {seed.USERNAME}, password {seed.PASSWORD}

  What to look at:
    {url}/config/integrations/integration/site_devices
      the site {SITE} and its {len(stack.fleet.devices)} devices
    {url}/demo-fleet
      how many are online, and what is offline since when
    Any device page: its connectivity, and what it measures

  Every minute and a half a device falls silent; it shows as disconnected {OFFLINE_AFTER:.0f} s later, and comes back after 60 s.
  Ctrl-C ends everything and removes what it made.
"""
    )
    for device in cycle(stack.fleet.devices.values()):
        _pause(PAUSE, stack)
        stack.fleet.silence(device.serial)
        last = stack.fleet.book.last_heartbeat.get(device.serial)
        due = time.localtime(OFFLINE_AFTER + (last.wall if last else time.time()))
        say(f"{device.name} falls silent; disconnected at {time.strftime('%H:%M:%S', due)}")
        _pause(SILENT_FOR, stack)
        stack.fleet.bring_back(device.serial)
        say(f"{device.name} is back")


def _pause(seconds: float, stack: Stack) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.5)
        for process in (stack.broker, stack.home_assistant):
            if not process.is_running:
                raise StartError(f"{process.name} has ended by itself.")
