"""Naive: two designs without a fleet, whose entities are made by first heartbeats: a timer a device, and a database."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime, timedelta
from functools import partial
import logging
from pathlib import Path
import sqlite3
from typing import Final

from homeassistant.components import mqtt
from homeassistant.components.binary_sensor import BinarySensorDeviceClass, BinarySensorEntity
from homeassistant.components.mqtt.models import ReceiveMessage
from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.helpers.entity_component import EntityComponent
from homeassistant.helpers.event import async_call_later, async_track_time_interval
from homeassistant.util.json import json_loads_object

from benchmarks.home import Home
from benchmarks.traffic import SITE
from simulator.devices import Device

from .base import OFFLINE_AFTER, Contestant

_SWEEPS_EVERY: Final = timedelta(seconds=15)
_UPSERT: Final = (
    "INSERT INTO devices VALUES (?, ?) ON CONFLICT (serial) DO UPDATE SET last_heartbeat = excluded.last_heartbeat"
)


class NaiveSensor(BinarySensorEntity):
    """Whether a device is online."""

    _attr_device_class = BinarySensorDeviceClass.CONNECTIVITY
    _attr_should_poll = False
    _attr_is_on = True

    def __init__(self, serial: str) -> None:
        """Be on: a heartbeat has come."""
        self.serial = serial
        self._attr_name = serial

    @callback
    def async_set(self, is_on: bool) -> None:
        """Write a state that is new."""
        if is_on is not self._attr_is_on:
            self._attr_is_on = is_on
            self.async_write_ha_state()


class Naive(Contestant):
    """One subscription, whose callback reads the JSON and looks the serial up."""

    shows_silence = "off"

    def __init__(self, home: Home, fleet: list[Device]) -> None:
        """Know no device."""
        super().__init__(home, fleet)
        self.sensors: dict[str, NaiveSensor] = {}
        self._component = EntityComponent[NaiveSensor](logging.getLogger(__name__), "binary_sensor", self.hass)

    async def start(self) -> None:
        """Subscribe."""
        await mqtt.async_subscribe(self.hass, f"{SITE}/#", self._received, encoding=None)

    @property
    def known(self) -> bool:
        """Tell whether each device has its entity."""
        return len(self.home.states) >= len(self.fleet)

    @abstractmethod
    def heard(self, sensor: NaiveSensor) -> None:
        """Take a heartbeat in."""

    @callback
    def _received(self, message: ReceiveMessage) -> None:
        serial = json_loads_object(message.payload)["serial_number"]
        assert isinstance(serial, str)
        if (sensor := self.sensors.get(serial)) is None:
            sensor = self.sensors[serial] = NaiveSensor(serial)
            self.hass.async_create_task(self._component.async_add_entities([sensor]))
        else:
            sensor.async_set(True)
        self.heard(sensor)


class TimerADevice(Naive):
    """A timer a device: each heartbeat cancels its device's `async_call_later` and starts another."""

    def __init__(self, home: Home, fleet: list[Device]) -> None:
        """Have no timer."""
        super().__init__(home, fleet)
        self._timers: dict[str, CALLBACK_TYPE] = {}

    @callback
    def heard(self, sensor: NaiveSensor) -> None:
        """Start the device's timer anew."""
        if cancel := self._timers.get(sensor.serial):
            cancel()
        self._timers[sensor.serial] = async_call_later(self.hass, OFFLINE_AFTER, partial(self._silent, sensor))

    @callback
    def _silent(self, sensor: NaiveSensor, _now: datetime) -> None:
        del self._timers[sensor.serial]
        sensor.async_set(False)


class Poll(Naive):
    """A row for each device, written by each heartbeat, and a sweep for those too old.

    SQLite as fast as it is safe: a write-ahead log, without waiting for the disk at each heartbeat.
    """

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
