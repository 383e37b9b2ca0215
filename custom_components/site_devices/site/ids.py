"""Ids in Home Assistant's registries, which must never change or collide. In: records and keys. Out: ids."""

from typing import Final

from ..const import DOMAIN
from ..core.device import DeviceRecord

CONNECTIVITY_KEY: Final = "connectivity"  # the key of every device's connectivity sensor


def encode(text: str) -> str:
    """Encode text from the wire as one level of an id."""
    return text.replace("%", "%25").replace("/", "%2F")


def decode(level: str) -> str:
    """Decode one level of an id."""
    return level.replace("%2F", "/").replace("%25", "%")


def device_path(site_code: str, key: str) -> str:
    """Return `{site}/{category}/{serial}` for the key of a device."""
    category, _, serial = key.partition("/")
    return f"{site_code}/{category}/{encode(serial)}"


def device_identifier(site_code: str, record: DeviceRecord) -> tuple[str, str]:
    """Return a device's identifier in the device registry."""
    return (DOMAIN, device_path(site_code, record.key))


def site_identifier(site_code: str) -> tuple[str, str]:
    """Return the identifier of the site's own page in the device registry."""
    return (DOMAIN, site_code)


def entity_unique_id(site_code: str, record: DeviceRecord, key: str) -> str:
    """Return the unique id of a device's entity; `key` tells its entities apart."""
    return f"{device_path(site_code, record.key)}/{key}"
