"""Broker, Home Assistant and fleet, started in order and ended in the opposite one."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from simulator.connection import Connection
from simulator.devices import make_devices
from simulator.fleet import Fleet

from . import seed
from .broker import Broker
from .home_assistant import ROOT, HomeAssistant
from .process import StartError, tail

SITE = "sito_001"


@dataclass(frozen=True, slots=True)
class Stack:
    """The three parts, all running; `connection` is the fleet's."""

    broker: Broker
    home_assistant: HomeAssistant
    connection: Connection
    fleet: Fleet


def _require_loaded(home_assistant: HomeAssistant) -> None:
    """Fail at once, and with the reason, rather than wait for devices that can't come."""
    for entry in home_assistant.get("/api/config/config_entries/entry"):
        if entry["domain"] in ("mqtt", "site_devices") and entry["state"] not in ("loaded", "setup_in_progress"):
            log = tail(home_assistant.log, 40)
            raise StartError(f"{entry['domain']} is not loaded, but in {entry['state']}. The end of the log:\n{log}")


def _quiet(text: str) -> None:
    """Say nothing."""


@contextmanager
def running_stack(
    *,
    dataloggers: int = 20,
    gateways: int = 2,
    interval: float = 10.0,
    data_every: int = 3,
    sites: Mapping[str, Mapping[str, Any]] = MappingProxyType({SITE: {}}),
    components: Path = ROOT / "custom_components",
    language: str = "en",
    say: Callable[[str], None] = _quiet,
) -> Iterator[Stack]:
    """Run the stack for the length of a `with` block.

    The fleet is that of `SITE`; `sites` are all that are set up, each with its options. `say` hears of each step, the
    rest is as in the parts.
    """
    devices = make_devices(SITE, dataloggers=dataloggers, gateways=gateways)
    with Broker() as broker:
        say(f"MQTT broker ({broker.name}) runs on {broker.host}:{broker.port}")
        with Connection(broker.host, broker.port, client_id="simulator") as connection:
            fleet = Fleet(devices, connection.publish, interval=interval, data_every=data_every)
            mqtt = seed.mqtt_entry(broker.host, broker.port, protocol=broker.protocol)
            say("Home Assistant starts; the very first time takes a minute")
            entries = [mqtt, *(seed.site_entry(site, **options) for site, options in sites.items())]
            with fleet, HomeAssistant(entries, components=components, language=language) as home_assistant:
                say(f"Home Assistant runs on {home_assistant.url}")
                _require_loaded(home_assistant)
                yield Stack(broker, home_assistant, connection, fleet)
