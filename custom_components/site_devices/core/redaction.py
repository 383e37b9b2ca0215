"""Redaction: serial numbers become `#1`, `#2` …, so that what is shown to others still tells devices apart.

In: the records of a site, texts from the wire. Out: the texts. Knows no Home Assistant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from .device import DeviceRecord
from .readings import ENCODED

_LONG: Final = 4  # characters; a shorter serial counts as a whole word only, being found in nearly every text
_ENCODED_ENDS: Final = tuple(code.casefold() for code in ENCODED.values())  # after one of these a word begins too


class Redaction:
    """The numbers of a site's serials: the one discovered first has `#1`, so that numbers stay when devices come.

    Long serials are replaced wherever they stand. Short ones only as whole words, and only where a text may mean a
    device: what is a `7` in an address is not one in a version.
    """

    def __init__(self, records: Iterable[DeviceRecord]) -> None:
        """Number the serials."""
        self.records = sorted(records, key=lambda record: (record.created, record.key))
        serials = dict.fromkeys(record.serial for record in self.records)
        self._numbers = {serial: f"#{number}" for number, serial in enumerate(serials, 1)}
        self._long: dict[str, str] = {}
        self._short: dict[str, str] = {}
        self._names: dict[str, str] = {}  # the short ones that are more than a number or a letter
        for serial, number in self._numbers.items():
            for text in (_fold(serial), _fold(serial.translate(ENCODED))):
                if len(serial) >= _LONG:
                    self._long.setdefault(text, number)  # of two that differ in case only, the first counts
                    continue
                self._short.setdefault(text, number)
                if len(serial) > 1 and any(map(str.isalpha, serial)):
                    self._names.setdefault(text, number)
        self._lengths = sorted({*map(len, self._long), *map(len, self._short)}, reverse=True)

    def serial(self, record: DeviceRecord) -> str:
        """Return what stands for a device's serial."""
        return self._numbers[record.serial]

    def text(self, text: str) -> str:
        """Return a text that may name a device, such as a name or an address, without the serials in it."""
        return self._redact(text, self._short)

    def key(self, key: str) -> str:
        """Return the key of a data point without the serials in it; what stands before its path is ours."""
        channel, slash, path = key.partition("/")
        return channel + slash + self.text(path)

    def info(self, text: str) -> str:
        """Return a maker, a model or a version without the serials in it, but for those that are a number or a letter."""
        return self._redact(text, self._names)

    def unit(self, text: str) -> str:
        """Return a unit without the serials in it, but for the short ones: an `A` is an ampere."""
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
                    # what follows must not look like a part of the number
                    done.append(f"{number} " if text[at : at + 1].isdecimal() else number)
                    break
            else:
                done.append(text[at])
                at += 1
        return "".join(done)


def _is_word(folded: str, start: int, end: int) -> bool:
    """Tell whether a part of a text is neither preceded nor followed by a letter or a digit."""
    begins = start == 0 or not folded[start - 1].isalnum() or folded.endswith(_ENCODED_ENDS, 0, start)
    return begins and not folded[end : end + 1].isalnum()


def _fold(text: str) -> str:
    """Return a text in which upper and lower case are the same, letter by letter."""
    folded = text.casefold()
    if len(folded) == len(text):
        return folded
    return "".join(low if len(low := char.casefold()) == 1 else char for char in text)
