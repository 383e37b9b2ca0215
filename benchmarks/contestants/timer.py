"""Timer a device: the naive design, in which each heartbeat cancels its device's timer and starts another."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.helpers.event import async_call_later

from benchmarks.home import Home
from simulator.devices import Device

from .base import OFFLINE_AFTER
from .naive import Naive, NaiveSensor


class TimerADevice(Naive):
    """`async_call_later` for each device."""

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
