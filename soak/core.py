"""Home Assistant's core with its own MQTT client on a real broker, in this process.

`running_core` is for whoever wants to look inside. As a program (`python -m soak.core`) it is a process of its own, to
be measured from fresh: it watches a site, or as the yardstick only subscribes to its messages, says "ready", and tells
what became of it when its standard input is closed.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
import ctypes
import gc
import json
import logging
from pathlib import Path
import sys
from tempfile import TemporaryDirectory
from typing import Any

from homeassistant import loader
from homeassistant.components import mqtt
from homeassistant.components.mqtt.config_flow import FlowHandler
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    frame,
    issue_registry as ir,
    restore_state as rs,
)
from homeassistant.helpers.json import json_bytes
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_test_home_assistant

import custom_components.site_devices  # noqa: F401  # the test package has a `custom_components` of its own
from custom_components.site_devices.const import CONF_SITE_CODE, DOMAIN
from demo.process import exit_on_signals

from .memory import megabytes

QUIET = 100  # messages in a second, below which no backlog can be left: honest devices go on sending
OURS = "custom_components.site_devices"
# what Home Assistant says of every custom integration, and of what it lacks in a bare environment
_EXPECTED = ("homeassistant.loader", "aiohttp_fast_zlib", "asyncio")


@asynccontextmanager
async def running_core(
    port: int, *, protocol: str = "5", login: tuple[str, str] | None = None
) -> AsyncIterator[HomeAssistant]:
    """Run a Home Assistant that is connected to the broker on a port, with a folder of its own for as long as it runs."""
    with TemporaryDirectory(prefix="site_devices-core-", ignore_cleanup_errors=True) as folder:
        Path(folder, "configuration.yaml").touch()  # noqa: ASYNC240  # nothing else runs yet
        async with async_test_home_assistant(config_dir=folder) as hass:
            frame.async_setup(hass)  # else a deprecated call of ours would raise rather than be logged
            hass.data.pop(loader.DATA_CUSTOM_COMPONENTS)
            # MQTT's dependencies, for its own pages only: they would want a port that another Home Assistant may have
            hass.config.components |= {"file_upload", "http"}
            entry = mqtt_entry(port, protocol, login)
            entry.add_to_hass(hass)
            if not await hass.config_entries.async_setup(entry.entry_id):
                raise RuntimeError("MQTT could not be set up")
            try:
                yield hass
            finally:
                if entry.state is ConfigEntryState.LOADED:
                    await hass.config_entries.async_unload(entry.entry_id)
                    async with asyncio.timeout(10):
                        while mqtt.is_connected(hass):  # else it would try to unsubscribe, and log that it can't
                            await asyncio.sleep(0.01)
                await hass.async_stop(force=True)


def mqtt_entry(port: int, protocol: str = "5", login: tuple[str, str] | None = None) -> MockConfigEntry:
    """Return an entry of Home Assistant's MQTT integration."""
    data = {"broker": "127.0.0.1", "port": port, "protocol": protocol, "discovery": False}
    if login:
        data["username"], data["password"] = login
    return MockConfigEntry(
        domain="mqtt",
        version=FlowHandler.VERSION,
        minor_version=FlowHandler.MINOR_VERSION,
        data=data,
        options={"birth_message": {}},
    )


async def add_site(hass: HomeAssistant, code: str, options: dict[str, Any] | None = None) -> MockConfigEntry:
    """Add a site and set it up."""
    entry = MockConfigEntry(
        domain=DOMAIN, title=code, unique_id=code, data={CONF_SITE_CODE: code}, options=options or {}
    )
    entry.add_to_hass(hass)
    if not await hass.config_entries.async_setup(entry.entry_id):
        raise RuntimeError(f"{code} could not be set up: {entry.state}")
    await hass.async_block_till_done()
    return entry


class Lines(logging.Handler):
    """Counts what is logged from info on, and keeps the first few lines of what is worse."""

    def __init__(self) -> None:
        """Have counted nothing."""
        super().__init__(logging.INFO)
        self.ours = 0
        self.others: Counter[str] = Counter()
        self.bad: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Count a line."""
        if record.name.startswith(OURS):
            self.ours += 1
        else:
            self.others[record.name] += 1
        if record.levelno >= logging.WARNING and record.name not in _EXPECTED and len(self.bad) < 20:
            self.bad.append(f"{record.levelname} {record.name}: {record.getMessage()[:500]}")
            if record.exc_info:
                self.bad.append(logging.Formatter().formatException(record.exc_info))


class Flips:
    """The states that connectivity sensors have had, by entity."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Watch from now on."""
        self.states: dict[str, list[str]] = {}
        hass.bus.async_listen("state_changed", self._changed)

    @callback
    def _changed(self, event: Event[EventStateChangedData]) -> None:
        new, old = event.data["new_state"], event.data["old_state"]
        if new and event.data["entity_id"].endswith("_connectivity") and (old is None or old.state != new.state):
            self.states.setdefault(event.data["entity_id"], []).append(new.state)


def memory(field: str = "VmRSS") -> float:
    """Return this process's memory in MB, after all that can be given back was given back."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return megabytes("self", field)


async def _quiet(received: Callable[[], int]) -> None:
    """Wait until the backlog has been read."""
    before = -QUIET
    while received() - before >= QUIET:
        before = received()
        await asyncio.sleep(1)


async def _standard_input_closed() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


async def _subscribe_only(hass: HomeAssistant, code: str) -> Callable[[], int]:
    """Subscribe as a site does, and do nothing with what comes."""
    received = 0

    @callback
    def count(_message: mqtt.ReceiveMessage) -> None:
        nonlocal received
        received += 1

    for topic in (f"{code}/datalogger/+/+/+", f"{code}/gateway/+/+"):
        await mqtt.async_subscribe(hass, topic, count, 0, encoding=None)
    return lambda: received


async def _watch(options: argparse.Namespace, lines: Lines) -> dict[str, Any]:
    async with running_core(options.port) as hass:
        problems: list[str] = []
        hass.loop.set_exception_handler(lambda _, context: problems.append(str(context)))
        flips = Flips(hass)
        entry: ConfigEntry | None = None
        if options.noop:
            received = await _subscribe_only(hass, options.site)
        else:
            entry = await add_site(hass, options.site, json.loads(options.options))
            site = entry.runtime_data
            received = lambda: site.watch.messages  # noqa: E731
        closed = asyncio.create_task(_standard_input_closed())
        while received() < options.after and not closed.done():
            await asyncio.sleep(0.1)
        before = memory()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await closed
        await _quiet(received)
        await hass.async_block_till_done()
        figures: dict[str, Any] = {
            "received": received(),
            "before": before,
            "after": memory(),
            "peak": memory("VmHWM"),
            "states": len(hass.states.async_all()),
            "devices": len(list(dr.async_get(hass).devices)),
            "entities": len(er.async_get(hass).entities),
        }
        entities = er.async_get(hass).entities
        figures["flips"] = {
            entities[entity_id].unique_id: list(states)
            for entity_id, states in flips.states.items()
            if entity_id in entities
        }
        if entry:
            figures |= await _look_inside(hass, entry)
        json_bytes([state.as_dict() for state in hass.states.async_all()])  # or Home Assistant could not save them
        await rs.async_get(hass).async_dump_states()
    return figures | {"lines": lines.ours, "others": dict(lines.others), "bad": lines.bad, "problems": problems}


async def _look_inside(hass: HomeAssistant, entry: ConfigEntry) -> dict[str, Any]:
    """Tell what a site knows, and what it saves of that."""
    site = entry.runtime_data
    found = {
        "ignored": dict(site.log.ignored),
        "records": [*site.fleet.records],
        "online": [record.key for record in site.fleet.records.values() if record.online],
        "data_points": sum(len(record.data) for record in site.fleet.records.values()),
        "issues": [issue.translation_key for issue in ir.async_get(hass).issues.values() if issue.domain == DOMAIN],
    }
    await hass.config_entries.async_reload(entry.entry_id)  # what the broker has retained comes now
    site = entry.runtime_data
    await _quiet(lambda: site.watch.messages)
    await hass.async_block_till_done()
    found |= {"after_reload": [*site.fleet.records], "after_reload_ignored": dict(site.log.ignored)}
    return found


def main() -> None:
    """Watch, and print the figures as JSON."""
    parser = argparse.ArgumentParser("soak.core", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--site", required=True)
    parser.add_argument("--options", default="{}", help="the site's options, as JSON")
    parser.add_argument("--after", type=int, default=0, help="so many messages it is ready")
    parser.add_argument("--noop", action="store_true", help="only subscribe")
    options = parser.parse_args()
    exit_on_signals()
    lines = Lines()
    logging.basicConfig(level=logging.INFO, handlers=[lines])
    json.dump(asyncio.run(_watch(options, lines)), sys.stdout)


if __name__ == "__main__":
    main()
