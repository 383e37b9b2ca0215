"""Markdown: escape text from the wire for `site.issues`, `site.digest` and the flows, which render it as Markdown."""

import re
from typing import Final
import unicodedata

# Whatever can begin markup, a link or a template; `monstro/1` and `dev_7.2` stay readable everywhere.
_MARKUP = re.compile(r"[\\`*<>\[\]{}|~!#&@$^]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.", re.IGNORECASE)
_RIGHT_TO_LEFT: Final = frozenset(("R", "AL", "AN"))  # letters, Arabic ones, Arabic digits
_ISOLATED: Final = "\u2068{}\u2069"  # keeps the direction of the text inside and outside apart


def escape(text: str) -> str:
    """Return text that Markdown shows literally (backslash escapes, CommonMark 2.4)."""
    escaped = _MARKUP.sub(r"\\\g<0>", text)
    return escaped if _RIGHT_TO_LEFT.isdisjoint(map(unicodedata.bidirectional, text)) else _ISOLATED.format(escaped)
