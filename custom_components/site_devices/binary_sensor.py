"""Binary sensors of devices, their booleans and sites. In: `arrivals`, values, records, counts. Out: entities."""

from __future__ import annotations

from typing import Any, Final

from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.restore_state import ExtraStoredData, RestoredExtraData, RestoreEntity

from .core.readings import Kind, Leaf
from .entity import DataEntity, DeviceEntity, SiteEntity
from .site.arrivals import Arrival
from .site.ids import CONNECTIVITY_KEY
from .site.site import SiteDevicesConfigEntry

PARALLEL_UPDATES: Final = 0  # nothing is polled

CONNECTIVITY: Final = BinarySensorEntityDescription(
    key=CONNECTIVITY_KEY, device_class=BinarySensorDeviceClass.CONNECTIVITY
)

PROBLEM: Final = BinarySensorEntityDescription(key="problem", device_class=BinarySensorDeviceClass.PROBLEM)


async def async_setup_entry(
    _hass: HomeAssistant, entry: SiteDevicesConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the site's sensors, and from now on those of each device and of each boolean data point."""
    site = entry.runtime_data
    async_add_entities([SiteConnectivitySensor(site, CONNECTIVITY.key), ProblemSensor(site, PROBLEM.key)])

    @callback
    def add(arrivals: list[Arrival]) -> None:
        entities: list[BinarySensorEntity] = []
        for record, leaf in arrivals:
            if leaf is None:
                entities.append(ConnectivitySensor(site, record, CONNECTIVITY.key))
            elif record.data[leaf].kind is Kind.BOOLEAN:
                entities.append(DataBinarySensor(site, record, leaf))
        async_add_entities(entities)

    site.arrivals.async_on_arrival(add)


class ConnectivitySensor(DeviceEntity, BinarySensorEntity):
    """On while the device is online, off while it is offline, unknown before its first live heartbeat."""

    entity_description = CONNECTIVITY

    @property
    def is_on(self) -> bool | None:
        """Return whether the device is online."""
        return self.record.online


class SiteConnectivitySensor(SiteEntity, BinarySensorEntity):
    """On while any device is online, off when none is, unknown without any device."""

    entity_description = CONNECTIVITY

    @property
    def is_on(self) -> bool | None:
        """Return whether any device is online."""
        counts = self.site.counts.current
        return counts.online > 0 if counts.known else None


class ProblemSensor(SiteEntity, BinarySensorEntity):
    """On while any device is offline."""

    entity_description = PROBLEM

    @property
    def is_on(self) -> bool:
        """Return whether any device is offline."""
        return self.site.counts.current.offline > 0


class DataBinarySensor(DataEntity, BinarySensorEntity, RestoreEntity):
    """A boolean that a device reports."""

    _attr_is_on: bool | None = None

    def take(self, leaf: Leaf) -> bool:
        """Set a boolean; anything else is unknown."""
        value = leaf.value if leaf.kind is Kind.BOOLEAN else None
        changed = value is not self._attr_is_on
        self._attr_is_on = value  # type: ignore[assignment]  # a boolean leaf has a boolean value
        return changed

    @property
    def extra_restore_state_data(self) -> ExtraStoredData:
        """Store the value: the state itself is unavailable while the device is offline."""
        return RestoredExtraData({"is_on": self._attr_is_on})

    async def _restore(self) -> None:
        if (stored := await self.async_get_last_extra_data()) is None:
            return
        last: Any = stored.as_dict().get("is_on")
        if type(last) is bool:
            self._attr_is_on = last
