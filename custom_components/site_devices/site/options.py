"""Options: what the user can set for a site."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Self

from homeassistant.config_entries import ConfigEntry

ADD: Final = "add"
IGNORE: Final = "ignore"
OFFLINE_AFTER: Final = (5, 86_400)  # seconds, the least and the most
MAX_DEVICES: Final = (1, 9_900)  # Home Assistant takes 10,000 enabled entities a config entry
DATA_INTERVAL: Final = (0, 3_600)  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteOptions:
    """The options of a config entry, by the names under which it stores them."""

    offline_after: int = 30  # seconds without a heartbeat
    new_devices: str = ADD  # or IGNORE
    max_devices: int = 1000
    data_entities: bool = True
    data_interval: int = 0  # seconds; 0: as they come

    @classmethod
    def of(cls, entry: ConfigEntry) -> Self:
        """Return the options of an entry, as they are when nothing was set; those of a later version say nothing here."""
        return cls(**{field.name: entry.options[field.name] for field in fields(cls) if field.name in entry.options})
