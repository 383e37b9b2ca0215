"""Poll: the plan with a database: a row for each device, written by each heartbeat, and a sweep for those too old."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
import sqlite3
from typing import Final

from homeassistant.core import callback
from homeassistant.helpers.event import async_track_time_interval

from benchmarks.home import Home
from simulator.devices import Device

from .base import OFFLINE_AFTER
from .naive import Naive, NaiveSensor

_SWEEPS_EVERY: Final = timedelta(seconds=15)
_UPSERT: Final = (
    "INSERT INTO devices VALUES (?, ?) ON CONFLICT (serial) DO UPDATE SET last_heartbeat = excluded.last_heartbeat"
)


class Poll(Naive):
    """SQLite as fast as it is safe: a write-ahead log, without waiting for the disk at each heartbeat."""

    def __init__(self, home: Home, fleet: list[Device]) -> None:
        """Make the table."""
        super().__init__(home, fleet)
        file = Path(self.hass.config.path("devices.db"))
        self._database = sqlite3.connect(file, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute("CREATE TABLE devices (serial TEXT PRIMARY KEY, last_heartbeat REAL) WITHOUT ROWID")
        self._database.execute("CREATE INDEX by_age ON devices (last_heartbeat)")

    async def start(self) -> None:
        """Subscribe, and look every 15 s."""
        await super().start()
        async_track_time_interval(self.hass, self._sweep, _SWEEPS_EVERY)

    @callback
    def heard(self, sensor: NaiveSensor) -> None:
        """Write the device's row."""
        self._database.execute(_UPSERT, (sensor.serial, self.hass.loop.time()))

    @callback
    def _sweep(self, _now: datetime) -> None:
        oldest = self.hass.loop.time() - OFFLINE_AFTER
        for (serial,) in self._database.execute("SELECT serial FROM devices WHERE last_heartbeat < ?", (oldest,)):
            self.sensors[serial].async_set(False)
