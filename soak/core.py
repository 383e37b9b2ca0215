"""A core that watches a site among hostile publishers, in a process of its own so that its memory can be measured.

`python -m soak.core PORT SITE OPTIONS AFTER`, as a `Worker`: it answers once when it has received AFTER messages, and when
it is asked, with what became of it. OPTIONS are the site's, as JSON; with `null` it is the yardstick, which only
subscribes to the same messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
import ctypes
import gc
import json
import logging
import sys
from typing import Any

from homeassistant.components import mqtt
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
    restore_state as rs,
)
from homeassistant.helpers.json import json_bytes

from custom_components.site_devices.const import DOMAIN
from harness.core import add_site, running_core
from harness.history import History
from harness.process import exit_on_signals
from harness.waiting import async_until

from .outcome import megabytes

QUIET = 100  # messages in a second, below which no backlog can be left: honest devices go on sending
OURS = "custom_components.site_devices"
# what Home Assistant says of every custom integration, and of what it lacks in a bare environment
_EXPECTED = ("homeassistant.loader", "aiohttp_fast_zlib", "asyncio")


class Lines(logging.Handler):
    """Counts what we log from info on, and keeps the first lines of whatever is worse."""

    def __init__(self) -> None:
        """Count from zero."""
        super().__init__(logging.INFO)
        self.ours = 0
        self.bad: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Count a line."""
        self.ours += record.name.startswith(OURS)
        if record.levelno >= logging.WARNING and record.name not in _EXPECTED and len(self.bad) < 20:
            self.bad.append(f"{record.levelname} {record.name}: {record.getMessage()[:500]}")
            if record.exc_info:
                self.bad.append(logging.Formatter().formatException(record.exc_info))


def _memory(field: str = "VmRSS") -> float:
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


async def _asked() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.readline()


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


async def _watch(port: str, code: str, options: str, after: str) -> None:
    lines = Lines()
    logging.basicConfig(level=logging.INFO, handlers=[lines])
    async with running_core(int(port)) as hass:
        problems: list[str] = []
        hass.loop.set_exception_handler(lambda _, context: problems.append(str(context)))
        history = History(hass, "_connectivity")
        entry: ConfigEntry | None = None
        if (site_options := json.loads(options)) is None:
            received = await _subscribe_only(hass, code)
        else:
            entry = await add_site(hass, code, site_options)
            site = entry.runtime_data
            received = lambda: site.watch.messages  # noqa: E731
        await async_until(lambda: received() >= int(after))
        _answer({"before": _memory()})
        await _asked()
        await _quiet(received)
        await hass.async_block_till_done()
        entities = er.async_get(hass).entities
        figures: dict[str, Any] = {
            "received": received(),
            "after": _memory(),
            "peak": _memory("VmHWM"),
            "states": len(hass.states.async_all()),
            "devices": len(list(dr.async_get(hass).devices)),
            "entities": len(entities),
            "flips": {row.unique_id: states for row in entities.values() if (states := history.of(row.entity_id))},
        }
        if entry:
            figures |= await _look_inside(hass, entry)
        json_bytes([state.as_dict() for state in hass.states.async_all()])  # or Home Assistant could not save them
        await rs.async_get(hass).async_dump_states()
    _answer(figures | {"lines": lines.ours, "bad": lines.bad, "problems": problems})


async def _look_inside(hass: HomeAssistant, entry: ConfigEntry) -> dict[str, Any]:
    """Tell what a site knows, and what it saves of that."""
    site = entry.runtime_data
    found = {
        "ignored": dict(site.log.ignored),
        "records": [*site.fleet.records],
        "online": [record.key for record in site.fleet.records.values() if record.online],
        "issues": [issue.translation_key for issue in ir.async_get(hass).issues.values() if issue.domain == DOMAIN],
    }
    await hass.config_entries.async_reload(entry.entry_id)  # what the broker has retained comes now
    site = entry.runtime_data
    await _quiet(lambda: site.watch.messages)
    await hass.async_block_till_done()
    return found | {"after_reload": [*site.fleet.records], "after_reload_ignored": dict(site.log.ignored)}


def _answer(figures: dict[str, Any]) -> None:
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    exit_on_signals()
    asyncio.run(_watch(*sys.argv[1:]))
