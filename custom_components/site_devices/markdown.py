"""Markdown: text from the wire, where Home Assistant renders Markdown."""

import re

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def escape(text: str) -> str:
    """Return text that Markdown shows as it is (CommonMark 2.4: a backslash takes any punctuation's meaning away)."""
    return _PUNCTUATION.sub(r"\\\1", text)
