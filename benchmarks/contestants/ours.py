"""Ours: this integration, with everything switched on as it is shipped."""

from __future__ import annotations

from homeassistant.config_entries import ConfigEntry
from paho.mqtt.client import MQTTMessage

from benchmarks.home import Home
from benchmarks.traffic import LEAVES, SITE, inputs
from custom_components.site_devices.const import CONF_SITE_CODE, DOMAIN
from custom_components.site_devices.site.options import SiteOptions
from harness.core import add_entry
from simulator.devices import Device

from .base import Contestant


class Ours(Contestant):
    """One config entry for the whole fleet."""

    shows_silence = "off"

    def __init__(self, home: Home, fleet: list[Device]) -> None:
        """Have no entry."""
        super().__init__(home, fleet)
        self.entry: ConfigEntry | None = None

    async def start(self) -> None:
        """Set the entry up; its only option that is not the default is the place for so many devices."""
        options = {"max_devices": max(len(self.fleet), SiteOptions().max_devices)}
        self.entry = await add_entry(self.hass, DOMAIN, {CONF_SITE_CODE: SITE}, title=SITE, options=options)

    @property
    def known(self) -> bool:
        """Tell whether each device has its connectivity."""
        devices = self.home.counts.get("on", 0) + self.home.counts.get("off", 0)
        return devices >= len(self.fleet)


class OursWithData(Ours):
    """The same, with devices that have reported ten values each."""

    def introduction(self) -> list[MQTTMessage]:
        """Return a heartbeat and an input message for each device."""
        return super().introduction() + inputs(self.fleet, 0)

    @property
    def known(self) -> bool:
        """Tell whether each value has its entity."""
        return len(self.home.states) >= len(self.fleet) * (1 + LEAVES)
