"""Broker, Home Assistant and fleet, started in order and ended in the opposite one."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from simulator.connection import Connection
from simulator.devices import Device, make_devices
from simulator.fleet import Fleet

from . import seed
from .broker import Broker
from .home_assistant import HomeAssistant
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


@contextmanager
def running_stack(
    devices: Sequence[Device] | None = None,
    *,
    interval: float = 10.0,
    data_every: int = 3,
    silent: Iterable[str] = (),
    login: tuple[str, str] | None = None,
    sites: Mapping[str, Mapping[str, Any]] = MappingProxyType({SITE: {}}),
    say: Callable[[str], object] = lambda _: None,
    **home_assistant: Any,
) -> Iterator[Stack]:
    """Run the stack for the length of a `with` block.

    Args:
        devices: The fleet; if not given, twenty dataloggers and two gateways of `SITE`.
        interval: Seconds between two heartbeats of a device.
        data_every: As in `Fleet`.
        silent: The serials that send nothing yet.
        login: User and password of everybody; without, nobody needs one.
        sites: All that are set up, each with its options.
        say: Hears of each step.
        home_assistant: Further arguments of `HomeAssistant`.
    """
    devices = make_devices(SITE, dataloggers=20, gateways=2) if devices is None else devices
    user, password = login or (None, None)
    with Broker(users=dict([login]) if login else None) as broker:
        say(f"MQTT broker ({broker.name}) runs on {broker.host}:{broker.port}")
        with Connection(
            broker.host, broker.port, username=user, password=password, client_id="simulator"
        ) as connection:
            fleet = Fleet(devices, connection.publish, interval=interval, data_every=data_every)
            fleet.silence(*silent)
            mqtt = seed.mqtt_entry(broker.host, broker.port, protocol=broker.protocol, username=user, password=password)
            say("Home Assistant starts; the very first time takes longer")
            entries = [mqtt, *(seed.site_entry(site, **options) for site, options in sites.items())]
            with fleet, HomeAssistant(entries, **home_assistant) as server:
                say(f"Home Assistant runs on {server.url}")
                _require_loaded(server)
                yield Stack(broker, server, connection, fleet)
