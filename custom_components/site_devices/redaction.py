"""Redaction: serial numbers become `#1`, `#2` …, so that what is shown to others still tells devices apart.

In: the records of a site, texts from the wire. Out: the texts. Knows no Home Assistant.
"""

from __future__ import annotations

from collections.abc import Iterable
import re
from typing import Final

from .fleet import DeviceRecord
from .readings import ENCODED

_LONG: Final = 4  # characters; a shorter serial is found in nearly every text without being meant


class Redaction:
    """The numbers of a site's serials: the one discovered first has `#1`, so that numbers stay when devices come."""

    def __init__(self, records: Iterable[DeviceRecord]) -> None:
        """Number the serials."""
        self.records = sorted(records, key=lambda record: (record.created, record.key))
        serials = dict.fromkeys(record.serial for record in self.records)
        self._numbers = {serial: f"#{number}" for number, serial in enumerate(serials, 1)}
        self._long = {
            _fold(text): number
            for serial, number in reversed(self._numbers.items())  # of two that differ in case only, the first counts
            if len(serial) >= _LONG
            for text in (serial, serial.translate(ENCODED))
        }
        self._lengths = sorted({len(text) for text in self._long}, reverse=True)

    def serial(self, record: DeviceRecord) -> str:
        """Return what stands for a device's serial."""
        return self._numbers[record.serial]

    def text(self, text: str, record: DeviceRecord | None = None) -> str:
        """Return a text without the serials in it: long ones anywhere, that of its own device as a whole word too."""
        if record and len(record.serial) < _LONG:
            word = rf"(?<![^\W_]){re.escape(record.serial)}(?![^\W_])"
            text = re.sub(word, self.serial(record), text, flags=re.IGNORECASE)
        if not self._lengths or len(text) < self._lengths[-1]:
            return text
        folded = _fold(text)
        done: list[str] = []
        at = 0
        while at < len(text):
            if found := self._longest_at(folded, at):
                number, length = found
                at += length
                # what follows must not look like a part of the number
                done.append(f"{number} " if text[at : at + 1].isdecimal() else number)
            else:
                done.append(text[at])
                at += 1
        return "".join(done)

    def _longest_at(self, folded: str, at: int) -> tuple[str, int] | None:
        for length in self._lengths:
            if number := self._long.get(folded[at : at + length]):
                return number, length
        return None


def _fold(text: str) -> str:
    """Return a text in which upper and lower case are the same, letter by letter."""
    folded = text.casefold()
    if len(folded) == len(text):
        return folded
    return "".join(low if len(low := char.casefold()) == 1 else char for char in text)
