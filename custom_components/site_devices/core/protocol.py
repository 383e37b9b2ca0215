"""Protocol: parse a topic and a payload into a typed message, or into the reason to ignore it.

In: what MQTT delivered. Out: `Heartbeat`, `Report` or an `IgnoreReason`; nothing raises. Knows no clock and no Home
Assistant.

The wire: `{site}/datalogger/{type}/{id}/{channel}` and `{site}/gateway/{id}/{channel}`, channel `heartbeat`, `input` or
`output`, payload a JSON object with the device's `serial_number`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
import math
from typing import Any, Final, NamedTuple

import orjson

MAX_PAYLOAD: Final = 500_000  # bytes; 10,000 data points fit, and parsing takes a few milliseconds at most
MAX_TEXT: Final = 64  # characters in a serial, an address level or a descriptive text
_MAX_TOPIC: Final = 4 * MAX_TEXT  # no valid topic is longer; others are kept out of the cache
_TOPIC_CACHE: Final = 32_768  # three channels of each device on the largest site
_EPOCH_MS: Final = 1e11  # an epoch beyond this (the year 5138) is in milliseconds


class Category(StrEnum):
    """What kind of thing a device is."""

    DATALOGGER = "datalogger"
    GATEWAY = "gateway"


class Channel(StrEnum):
    """The last level of a topic."""

    HEARTBEAT = "heartbeat"
    INPUT = "input"
    OUTPUT = "output"


class IgnoreReason(StrEnum):
    """Why a message was not used; the counters in the diagnostics carry these names."""

    TOPIC = "topic"  # wrong number of levels, an unknown channel, or a level that is empty, too long or unprintable
    EMPTY = "empty"  # no payload: how a retained message is cleared
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    NO_SERIAL = "no_serial"  # missing, blank, too long, unprintable, or neither text nor integer
    UNKNOWN_SERIAL = "unknown_serial"  # input or output before the first heartbeat
    RETAINED = "retained"  # a retained heartbeat of a known device, or of a new one when half of the places are taken
    DELETED = "deleted"  # a retained heartbeat of a device that the user deleted
    NEW_DEVICE = "new_device"  # the site accepts no new devices
    FULL = "full"  # the site has `max_devices`


class Info(NamedTuple):
    """A device's description of itself: texts of 1 to 64 printable characters, None where it gives none."""

    name: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    sw_version: str | None = None
    hw_version: str | None = None


@dataclass(slots=True)  # neither frozen nor a tuple: either takes twice as long to create, per message
class Heartbeat:
    """A message on the heartbeat channel."""

    key: str  # `{category}/{serial}`: the device within its site
    address: str  # `{type}/{id}` of a datalogger, `{id}` of a gateway
    retained: bool
    timestamp: str | int | float | None  # as the device wrote it, see `clock_drift`
    info: Info | None  # None when the heartbeat carries none
    data: dict[str, Any]  # the whole payload


@dataclass(slots=True)
class Report:
    """A message on the `input` (measured) or `output` (driven) channel."""

    key: str
    channel: Channel
    retained: bool
    data: dict[str, Any]  # the whole payload


class _Topic(NamedTuple):
    prefix: str
    address: str
    channel: Channel


_INFO_KEYS: Final = frozenset((*Info._fields, "firmware"))


def device_key(category: Category, serial: str) -> str:
    """Return the key of a device within its site; a category has no slash, so no two devices share one."""
    return f"{category}/{serial}"


def is_site_code(code: str) -> bool:
    """Return whether a text can be a site code: one topic level of 1 to 64 printable characters, no wildcards.

    A leading `$` is reserved for the broker (MQTT 5, 4.7.2); blanks at the ends are typing errors.
    """
    return _is_level(code) and code == code.strip() and code[0] != "$"


def parse(topic: str, payload: bytes, retained: bool) -> Heartbeat | Report | IgnoreReason:
    """Return the message, or why it is ignored."""
    parsed = _parse_topic(topic) if len(topic) <= _MAX_TOPIC else None
    if parsed is None:
        return IgnoreReason.TOPIC
    if len(payload) > MAX_PAYLOAD:
        return IgnoreReason.TOO_LARGE
    try:
        data = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return _json_error(payload)
    if type(data) is not dict:
        return IgnoreReason.NOT_AN_OBJECT
    serial = _serial(data.get("serial_number"))
    if serial is None:
        return IgnoreReason.NO_SERIAL
    prefix, address, channel = parsed
    if channel is not Channel.HEARTBEAT:
        return Report(prefix + serial, channel, retained, data)
    info = None if _INFO_KEYS.isdisjoint(data) else _info(data)
    return Heartbeat(prefix + serial, address, retained, _timestamp(data.get("timestamp")), info, data)


def clock_drift(timestamp: object, received: float) -> float | None:
    """Return by how many seconds a device's clock is ahead of `received` (epoch seconds), None if unknown.

    It accepts ISO 8601 (UTC if it has no zone) and the epoch in seconds or milliseconds.
    """
    try:
        if type(timestamp) is str:
            moment = datetime.fromisoformat(timestamp)
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        elif type(timestamp) is int or type(timestamp) is float:
            seconds = timestamp / 1000 if abs(timestamp) >= _EPOCH_MS else float(timestamp)
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return seconds - received if math.isfinite(seconds) else None


def printable(value: object) -> str | None:
    """Return text or a number from the wire as 1 to 64 printable characters, None for anything else."""
    if type(value) is int or type(value) is float:
        value = str(value)
    if type(value) is not str:
        return None
    text = value[: 4 * MAX_TEXT]
    if not text.isprintable():
        text = "".join(filter(str.isprintable, text))
    return text.strip()[:MAX_TEXT].rstrip() or None


@lru_cache(maxsize=_TOPIC_CACHE)
def _parse_topic(topic: str) -> _Topic | None:
    match topic.split("/"):
        case [site, Category.DATALOGGER as category, kind, number, channel]:
            levels = [kind, number]
        case [site, Category.GATEWAY as category, number, channel]:
            levels = [number]
        case _:
            return None
    if channel not in Channel or not is_site_code(site) or not all(map(_is_level, levels)):
        return None
    return _Topic(device_key(Category(category), ""), "/".join(levels), Channel(channel))


def _is_level(text: str) -> bool:
    return 0 < len(text) <= MAX_TEXT and text.isprintable() and not any(char in text for char in "/+#")


def _serial(value: object) -> str | None:
    if type(value) is str:
        serial = value.strip()
    elif type(value) is int and value:  # an unprogrammed device sends 0; a boolean is not a number here
        serial = str(value)
    else:
        return None
    return serial if 0 < len(serial) <= MAX_TEXT and serial.isprintable() else None


def _timestamp(value: object) -> str | int | float | None:
    if type(value) is str:
        return value if len(value) <= MAX_TEXT and value.isprintable() else None
    return value if type(value) is int or type(value) is float else None


def _info(data: dict[str, Any]) -> Info | None:
    info = Info(
        name=printable(data.get("name")),
        manufacturer=printable(data.get("manufacturer")),
        model=printable(data.get("model")),
        sw_version=printable(data.get("sw_version")) or printable(data.get("firmware")),
        hw_version=printable(data.get("hw_version")),
    )
    return info if any(info) else None


def _json_error(payload: bytes) -> IgnoreReason:
    if not payload:
        return IgnoreReason.EMPTY
    try:
        payload.decode()
    except UnicodeDecodeError:
        return IgnoreReason.NOT_UTF8
    return IgnoreReason.NOT_JSON
