"""Markdown: text from the wire, where Home Assistant or a notification may render it."""

import re
from typing import Final
import unicodedata

# Whatever makes markup, a link or a template of a text; `monstro/1` and `dev_7.2` stay as they are to read everywhere.
_MARKUP = re.compile(r"[\\`*<>\[\]{}|~!#&@$^]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.", re.IGNORECASE)
_RIGHT_TO_LEFT: Final = frozenset(("R", "AL", "AN"))  # letters, Arabic ones, Arabic digits
_ISOLATED: Final = "\u2068{}\u2069"  # nothing in between moves what is around it, and the other way round


def escape(text: str) -> str:
    """Return text that Markdown shows as it is (CommonMark 2.4: a backslash takes a punctuation mark's meaning away)."""
    escaped = _MARKUP.sub(r"\\\g<0>", text)
    return escaped if _RIGHT_TO_LEFT.isdisjoint(map(unicodedata.bidirectional, text)) else _ISOLATED.format(escaped)
