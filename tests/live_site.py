"""A site as most tests need one: set up on a mocked broker, with its clock at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from . import (
    SITE,
    advance,
    connectivity,
    entity_state,
    heartbeat,
    lose_connection,
    page,
    publish,
    regain_connection,
    setup_site,
)


@dataclass
class LiveSite:
    """The site, and what may happen to it."""

    hass: HomeAssistant
    freezer: FrozenDateTimeFactory
    entry: MockConfigEntry

    @property
    def running(self) -> Any:
        """The site behind the entry, anew after each load."""
        return self.entry.runtime_data

    @property
    def fleet(self) -> Any:
        return self.running.fleet

    async def heartbeat(self, address: str = "datalogger/monstro/1", serial: str = "TEST123", **said: Any) -> None:
        await heartbeat(self.hass, address, serial, **said)

    async def beat(self, *numbers: int) -> None:
        """Let the dataloggers with these numbers say that they live."""
        for number in numbers:
            await self.heartbeat(f"datalogger/monstro/{number}", f"T{number}")

    async def report(
        self, address: str = "datalogger/monstro/1", serial: str = "TEST123", channel: str = "input", **data: Any
    ) -> None:
        await publish(self.hass, f"{SITE}/{address}/{channel}", {"serial_number": serial, **data})

    async def advance(self, *seconds: float) -> None:
        """Let time pass, in as many steps as there are numbers."""
        for step in seconds:
            await advance(self.hass, self.freezer, step)

    async def load(self) -> None:
        assert await self.hass.config_entries.async_setup(self.entry.entry_id)
        await self.hass.async_block_till_done()

    async def unload(self) -> None:
        assert await self.hass.config_entries.async_unload(self.entry.entry_id)

    async def reload(self) -> None:
        assert await self.hass.config_entries.async_reload(self.entry.entry_id)
        await self.hass.async_block_till_done()

    async def set_options(self, **options: Any) -> None:
        self.hass.config_entries.async_update_entry(self.entry, options=options)
        await self.hass.async_block_till_done()

    async def connect(self, *, up: bool) -> None:
        """Lose the connection to the broker, or get it back."""
        (regain_connection if up else lose_connection)(self.hass)
        await self.hass.async_block_till_done()

    async def monitor(self, position: str) -> None:
        """Turn monitoring on or off."""
        switch = {"entity_id": f"switch.{SITE}_monitoring"}
        await self.hass.services.async_call("switch", f"turn_{position}", switch, blocking=True)
        await self.hass.async_block_till_done()

    async def mute(self, serial: str = "TEST123", *, muted: bool = True) -> None:
        """Disable the page of a device, or enable it again."""
        disabled_by = dr.DeviceEntryDisabler.USER if muted else None
        dr.async_get(self.hass).async_update_device(self.page(serial).id, disabled_by=disabled_by)
        await self.hass.async_block_till_done()

    def page(self, serial: str | None = "TEST123") -> dr.DeviceEntry:
        return page(self.hass, self.entry, serial)

    def entities(self) -> list[er.RegistryEntry]:
        return er.async_entries_for_config_entry(er.async_get(self.hass), self.entry.entry_id)

    def state(self, entity_id: str) -> str | None:
        state = self.hass.states.get(entity_id)
        return state.state if state else None

    def connectivity(self, device: str = "datalogger/TEST123") -> str | None:
        return connectivity(self.hass, device)

    def entity(self, unique_id: str, platform: str = "binary_sensor") -> State | None:
        return entity_state(self.hass, unique_id, platform)


@pytest.fixture
def begin() -> str | None:
    """When the clock is to stand still: now, if no test gives another time (`@pytest.mark.parametrize("begin", …)`)."""
    return None


@pytest.fixture
async def site(
    broker: MqttMockHAClient, hass: HomeAssistant, freezer: FrozenDateTimeFactory, begin: str | None
) -> LiveSite:
    """A site without devices."""
    if begin:
        freezer.move_to(begin)
    return LiveSite(hass, freezer, await setup_site(hass))
