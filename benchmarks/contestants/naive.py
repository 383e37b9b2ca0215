"""Naive: what the two designs without a fleet share: a dict of entities by serial, filled by the first heartbeats."""

from __future__ import annotations

from abc import abstractmethod
import logging

from homeassistant.components import mqtt
from homeassistant.components.binary_sensor import BinarySensorDeviceClass, BinarySensorEntity
from homeassistant.components.mqtt.models import ReceiveMessage
from homeassistant.core import callback
from homeassistant.helpers.entity_component import EntityComponent
from homeassistant.util.json import json_loads_object

from benchmarks.home import Home
from benchmarks.traffic import SITE
from simulator.devices import Device

from .base import Contestant


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
