"""Markdown: text from the wire, where Home Assistant or a notification may render it."""

import re

# Whatever makes markup, a link or a template of a text; `monstro/1` and `dev_7.2` stay as they are to read everywhere.
_MARKUP = re.compile(r"[\\`*<>\[\]{}|~!#&@$^]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.", re.IGNORECASE)


def escape(text: str) -> str:
    """Return text that Markdown shows as it is (CommonMark 2.4: a backslash takes a punctuation mark's meaning away)."""
    return _MARKUP.sub(r"\\\g<0>", text)
