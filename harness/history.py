"""What becomes of the states of a Home Assistant in this process."""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

from custom_components.site_devices.const import DOMAIN


class Change(NamedTuple):
    """A state that was written, and when (the loop's clock)."""

    at: float
    entity_id: str
    state: str | None
    event_type: str | None


class History:
    """The states of entities from now on, or only of those whose id contains a text: some ids end in a number."""

    def __init__(self, hass: HomeAssistant, text: str = "") -> None:
        """Watch from now on."""
        self.changes: list[Change] = []
        self._hass = hass
        self._text = text
        hass.bus.async_listen(EVENT_STATE_CHANGED, self._changed)

    def of(self, entity_id: str | None, since: float = 0.0) -> list[str | None]:
        """Return the states of an entity since then; one that only got other attributes counts once."""
        written = (change.state for change in self.changes if change.entity_id == entity_id and change.at >= since)
        return [state for state, _ in groupby(written)]

    def when(self, entity_id: str | None, state: str) -> float:
        """Return when an entity first took a state."""
        return next(change.at for change in self.changes if (change.entity_id, change.state) == (entity_id, state))

    def last(self, entity_id: str | None, state: str) -> float:
        """Return when an entity last took a state."""
        return max(change.at for change in self.changes if (change.entity_id, change.state) == (entity_id, state))

    @callback
    def _changed(self, event: Event[EventStateChangedData]) -> None:
        state, entity_id = event.data["new_state"], event.data["entity_id"]
        if self._text in entity_id:
            event_type = state.attributes.get("event_type") if state else None
            self.changes.append(Change(self._hass.loop.time(), entity_id, state.state if state else None, event_type))


def connectivity_of(hass: HomeAssistant, site: str, key: str) -> str | None:
    """Return the entity that tells whether a device is online; its key is such as `gateway/GW-00001`."""
    return er.async_get(hass).async_get_entity_id("binary_sensor", DOMAIN, f"{site}/{key}/connectivity")
