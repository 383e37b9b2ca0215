"""Readings: split a data payload into leaves, each with a key, a kind, a value and perhaps a unit.

In: the JSON object of an input, output or heartbeat. Out: `{key: Leaf}`; nothing raises, and every value that gets out
can be a state of Home Assistant. Knows no Home Assistant.

A key is `in/`, `out/` or `hb/` and the path: `{"phase": {"l1": 230}}` on input is `in/phase.l1`. In the names `%`, `/`
and `.` are percent-encoded, so that no two leaves share a key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from itertools import islice
from typing import Any, Final, NamedTuple

from .protocol import Channel, printable

MAX_LEAVES: Final = 1_000  # per message: ten times what a device may have; bounds the work for a huge payload
_MAX_DEPTH: Final = 4
_MAX_NAME: Final = 64  # characters
_MAX_STATE: Final = 255  # characters, Home Assistant's limit
_MAX_NUMBER: Final = 2**63 - 1  # a larger state makes Home Assistant's save of all states fail
_PREFIXES: Final = {Channel.HEARTBEAT: "hb/", Channel.INPUT: "in/", Channel.OUTPUT: "out/"}
ENCODED: Final = str.maketrans({"%": "%25", "/": "%2F", ".": "%2E"})
_SKIPPED: Final = frozenset(("serial_number", "timestamp"))
_SKIPPED_IN_HEARTBEAT: Final = _SKIPPED | {"name", "manufacturer", "model", "sw_version", "firmware", "hw_version"}


class Kind(StrEnum):
    """The kind of a leaf; the first one seen decides what its entity is."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"


class Leaf(NamedTuple):
    """One value of a payload. `kind` is None for null, an array or an object."""

    kind: Kind | None
    value: float | bool | str | None  # None: there is none that can be a state
    unit: str | None = None  # 1 to 64 printable characters, in the device's spelling


_NOTHING: Final = Leaf(None, None)


class DataPoint(NamedTuple):
    """A leaf that has, or had, an entity."""

    kind: Kind
    unit: str | None = None  # the last one reported
    removed: bool = False  # the user removed the entity


def leaves(channel: Channel, data: Mapping[str, Any]) -> dict[str, Leaf]:
    """Return the first `MAX_LEAVES` leaves of a payload by key; of a heartbeat, without the device's description."""
    skipped = _SKIPPED_IN_HEARTBEAT if channel is Channel.HEARTBEAT else _SKIPPED
    return dict(islice(_walk(_PREFIXES[channel], data, skipped, 1), MAX_LEAVES))


def makes_entity(key: str, leaf: Leaf) -> bool:
    """Return whether a new leaf gets an entity: it needs a value, in a heartbeat a number."""
    return leaf.kind is Kind.NUMBER or (leaf.kind is not None and not is_diagnostic(key))


def is_diagnostic(key: str) -> bool:
    """Return whether a leaf is from a heartbeat, and so about the device itself."""
    return key.startswith(_PREFIXES[Channel.HEARTBEAT])


def is_output(key: str) -> bool:
    """Return whether a leaf is from the output channel."""
    return key.startswith(_PREFIXES[Channel.OUTPUT])


def words(key: str) -> str:
    """Return the path of a leaf as words: `phase l1` for `in/phase.l1`."""
    path = key.partition("/")[2]
    text = path.replace(".", " ").replace("_", " ")
    if text.isspace():  # only underscores: still better than no name
        text = path
    for char, code in (("/", "%2F"), (".", "%2E"), ("%", "%25")):
        text = text.replace(code, char)
    return " ".join(text.split())


def leaf_of(value: object) -> Leaf:
    """Return a leaf for a single value."""
    if type(value) is float or type(value) is int:
        return Leaf(Kind.NUMBER, value if -_MAX_NUMBER <= value <= _MAX_NUMBER else None)
    if type(value) is bool:
        return Leaf(Kind.BOOLEAN, value)
    if type(value) is str:
        return Leaf(Kind.TEXT, _text(value))
    return _NOTHING


def _walk(prefix: str, data: Mapping[str, Any], skipped: frozenset[str], depth: int) -> Iterator[tuple[str, Leaf]]:
    for name, value in data.items():
        if name in skipped or not 0 < len(name) <= _MAX_NAME or not name.isprintable() or not name.strip():
            continue
        key = prefix + name.translate(ENCODED)
        if type(value) is not dict:
            yield key, leaf_of(value)
        elif "value" in value and len(value) == 1 + ("unit" in value) and type(value["value"]) is not dict:
            kind, single, _ = leaf_of(value["value"])
            yield key, Leaf(kind, single, printable(value.get("unit")))
        else:
            yield key, _NOTHING
            if depth < _MAX_DEPTH:
                yield from _walk(f"{key}.", value, frozenset(), depth + 1)


def _text(value: str) -> str:
    """Return text that Home Assistant can save: without lone surrogates and control characters."""
    text = value[:_MAX_STATE]
    return text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)
