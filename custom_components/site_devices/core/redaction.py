"""Redaction: replace serial numbers by `#1`, `#2` …, so that devices can still be told apart.

In, from `diagnostics`: the records of a site, and texts from the wire. Out: the texts without serials.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from .device import DeviceRecord
from .readings import ENCODED

_LONG: Final = 4  # characters; a shorter serial occurs in many texts by chance, so only whole words are replaced
_ENCODED_ENDS: Final = tuple(code.casefold() for code in ENCODED.values())  # a word begins after these, too


class Redaction:
    """The numbers of a site's serials, in order of discovery, so that new devices do not change them.

    Long serials are replaced everywhere. Short ones only as whole words, and only in texts that may name a device: a
    `7` in an address may be a serial, in a version it is not.
    """

    def __init__(self, records: Iterable[DeviceRecord]) -> None:
        """Number the serials."""
        self.records = sorted(records, key=lambda record: (record.created, record.key))
        serials = dict.fromkeys(record.serial for record in self.records)
        self._numbers = {serial: f"#{number}" for number, serial in enumerate(serials, 1)}
        self._long: dict[str, str] = {}
        self._short: dict[str, str] = {}
        self._names: dict[str, str] = {}  # short ones that are not just a number or a letter
        for serial, number in self._numbers.items():
            for text in (_fold(serial), _fold(serial.translate(ENCODED))):
                if len(serial) >= _LONG:
                    self._long.setdefault(text, number)  # if two differ only in case, the first counts
                    continue
                self._short.setdefault(text, number)
                if len(serial) > 1 and any(map(str.isalpha, serial)):
                    self._names.setdefault(text, number)
        self._lengths = sorted({*map(len, self._long), *map(len, self._short)}, reverse=True)

    def serial(self, record: DeviceRecord) -> str:
        """Return the replacement for a device's serial."""
        return self._numbers[record.serial]

    def text(self, text: str) -> str:
        """Redact a text that may name a device, such as a name or an address."""
        return self._redact(text, self._short)

    def key(self, key: str) -> str:
        """Redact the path in the key of a data point; the prefix is ours."""
        channel, slash, path = key.partition("/")
        return channel + slash + self.text(path)

    def info(self, text: str) -> str:
        """Redact a manufacturer, model or version, except serials that are just a number or a letter."""
        return self._redact(text, self._names)

    def unit(self, text: str) -> str:
        """Redact a unit, except short serials: an `A` is an ampere."""
        return self._redact(text, {})

    def _redact(self, text: str, words: Mapping[str, str]) -> str:
        folded = _fold(text)
        done: list[str] = []
        at = 0
        while at < len(text):
            for length in self._lengths:
                part = folded[at : at + length]
                number = self._long.get(part)
                if number is None and part in words and _is_word(folded, at, at + length):
                    number = words[part]
                if number:
                    at += length
                    # a digit that follows must not look like part of the number
                    done.append(f"{number} " if text[at : at + 1].isdecimal() else number)
                    break
            else:
                done.append(text[at])
                at += 1
        return "".join(done)


def _is_word(folded: str, start: int, end: int) -> bool:
    """Return whether neither a letter nor a digit is next to a part of a text."""
    begins = start == 0 or not folded[start - 1].isalnum() or folded.endswith(_ENCODED_ENDS, 0, start)
    return begins and not folded[end : end + 1].isalnum()


def _fold(text: str) -> str:
    """Return a text in lower case and of the same length."""
    folded = text.casefold()
    if len(folded) == len(text):
        return folded
    return "".join(low if len(low := char.casefold()) == 1 else char for char in text)
