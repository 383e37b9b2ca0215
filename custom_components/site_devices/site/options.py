"""Options: what the user can set for a site. In: a config entry. Out: its options, with defaults."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Self

from homeassistant.config_entries import ConfigEntry

ADD: Final = "add"
IGNORE: Final = "ignore"
OFFLINE_AFTER: Final = (5, 86_400)  # seconds, least and most
MAX_DEVICES: Final = (1, 9_900)  # Home Assistant allows 10,000 enabled entities per config entry
DATA_INTERVAL: Final = (0, 3_600)  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteOptions:
    """The options of a config entry, by their stored names."""

    offline_after: int = 30  # seconds without a heartbeat
    new_devices: str = ADD  # or IGNORE
    max_devices: int = 1000
    data_entities: bool = True
    data_interval: int = 0  # seconds; 0: write at once

    @classmethod
    def of(cls, entry: ConfigEntry) -> Self:
        """Return the options of an entry, with defaults; unknown ones, of a later version, are ignored."""
        return cls(**{field.name: entry.options[field.name] for field in fields(cls) if field.name in entry.options})
