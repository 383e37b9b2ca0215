"""Ids: what Home Assistant's registries know our devices and entities by. They must never change nor collide."""

from ..const import DOMAIN
from ..core.device import DeviceRecord


def encode(text: str) -> str:
    """Return text from the wire as one level of an id."""
    return text.replace("%", "%25").replace("/", "%2F")


def decode(level: str) -> str:
    """Return the text that became such a level."""
    return level.replace("%2F", "/").replace("%25", "%")


def device_path(site_code: str, key: str) -> str:
    """Return `{site}/{category}/{serial}` for the key of a device."""
    category, _, serial = key.partition("/")
    return f"{site_code}/{category}/{encode(serial)}"


def device_identifier(site_code: str, record: DeviceRecord) -> tuple[str, str]:
    """Return what the device registry knows a device by."""
    return (DOMAIN, device_path(site_code, record.key))


def site_identifier(site_code: str) -> tuple[str, str]:
    """Return what the device registry knows the site's own device by."""
    return (DOMAIN, site_code)


def entity_unique_id(site_code: str, record: DeviceRecord, key: str) -> str:
    """Return what the entity registry knows a device's entity by."""
    return f"{device_path(site_code, record.key)}/{key}"
