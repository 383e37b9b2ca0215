"""One broker, and a Home Assistant for each group of sites; their recorders write to PostgreSQL.

Whole Home Assistants, as in the demo. Each must know its own sites and nothing of the other's, and what the databases say
of the past must be what happened.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
import time
from typing import Any

from harness import seed
from harness.broker import Broker
from harness.home_assistant import HomeAssistant
from harness.process import ROOT
from harness.waiting import seconds_until
from simulator.connection import Connection
from simulator.devices import make_devices
from simulator.fleet import Fleet

from .outcome import MissingError, Outcome, megabytes
from .postgres import Postgres

GROUPS = {"first": ("sito_001", "sito_002"), "second": ("sito_003",)}
DEVICES = {"sito_001": 250, "sito_002": 250, "sito_003": 500}
INTERVAL = 10.0
SILENT = 25  # of each site
OFFLINE_WITHIN = 45.0  # seconds: the deadline of 30, and the time of a busy machine
ONLINE_WITHIN = 180.0
DRIVER = ROOT / ".venv/soak"  # where scripts/soak puts PostgreSQL's driver


def groups() -> Outcome:
    """Run a thousand devices in two groups; judge states and history."""
    if not (DRIVER / "psycopg2").is_dir():
        raise MissingError("PostgreSQL's driver (psycopg2) is not installed below .venv/soak")
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres(*GROUPS))
        broker = stack.enter_context(Broker())
        connection = stack.enter_context(Connection(broker.host, broker.port))
        fleets = {
            site: stack.enter_context(
                Fleet(
                    make_devices(site, dataloggers=count - 10, gateways=10),
                    connection.publish,
                    interval=INTERVAL,
                    data_every=30,
                )
            )
            for site, count in DEVICES.items()
        }
        mqtt = seed.mqtt_entry(broker.host, broker.port, protocol=broker.protocol)
        servers = {}
        for group, sites in GROUPS.items():
            data = mqtt["data"] | {"client_id": f"home-assistant-{group}"}  # the same one would throw the other out
            server = HomeAssistant([mqtt | {"data": data}, *map(seed.site_entry, sites)])
            _record_to(server.folder, postgres.url(group))
            servers[group] = stack.enter_context(server)
        return _watch(servers, fleets, postgres)


def _record_to(folder: Path, url: str) -> None:
    with (folder / "configuration.yaml").open("a", encoding="utf-8") as file:
        file.write(f"recorder:\n  db_url: {url}\n  commit_interval: 1\n")
    for part in DRIVER.iterdir():
        (folder / "stubs" / part.name).symlink_to(part)


def _watch(servers: dict[str, HomeAssistant], fleets: dict[str, Fleet], postgres: Postgres) -> Outcome:
    wrong: list[str] = []
    figures: dict[str, Any] = {}
    entities: dict[str, dict[str, str]] = {}  # by site: connectivity by serial
    for group, server in servers.items():
        for site in GROUPS[group]:
            took = seconds_until(partial(_all_on, server, site), within=ONLINE_WITHIN, poll=1)
            figures[f"{site}: all on after (s)"] = round(took)
            entities[site] = {serial: id_ for (_, serial), id_ in server.online(site).items()}
        foreign = [site for site in DEVICES if site not in GROUPS[group] and server.entity_ids(site, "connectivity")]
        if foreign:
            wrong.append(f"{group} knows {foreign}")
    time.sleep(INTERVAL)
    begun = datetime.now(UTC)
    silent = {
        site: [device.serial for device in make_devices(site, dataloggers=SILENT, gateways=0)] for site in DEVICES
    }
    for site, serials in silent.items():
        fleets[site].silence(*serials)
    time.sleep(OFFLINE_WITHIN)
    for site, serials in silent.items():
        fleets[site].bring_back(*serials)
    time.sleep(INTERVAL)
    for group, server in servers.items():
        for site in GROUPS[group]:
            wrong += _past(server, site, begun, entities[site], silent[site])
        recorded = postgres.ask(group, "select count(*) from states")
        figures[f"{group}: states in PostgreSQL"] = recorded
        if int(recorded) < sum(DEVICES[site] for site in GROUPS[group]):
            wrong.append(f"{group} has recorded too little")
        figures[f"{group}: memory (MB)"] = round(megabytes(server.pid))
        wrong += [line for line in server.log_text().splitlines() if " ERROR " in line]
    return Outcome(figures, wrong[:20])


def _all_on(server: HomeAssistant, site: str) -> bool:
    return len(server.online(site)) >= DEVICES[site]


def _past(server: HomeAssistant, site: str, since: datetime, entities: dict[str, str], silent: list[str]) -> list[str]:
    """Compare what the recorder tells of a site's devices with what happened to them."""
    asked = {"start_time": since.isoformat(), "entity_ids": [*entities.values()], "no_attributes": True}
    history = server.ask("history/history_during_period", **asked)
    wrong = []
    for serial, entity_id in entities.items():
        states = [row["s"] for row in history.get(entity_id, [])]
        if states != (["on", "off", "on"] if serial in silent else ["on"]):
            wrong.append(f"{site} {serial} was {states}")
    return wrong
