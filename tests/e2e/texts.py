"""What is wrong with the texts on a page: keys without a text, another language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import json
import re
from typing import Any

from harness.process import ROOT

TRANSLATIONS = ROOT / "custom_components/site_devices/translations"
_KEY = re.compile(
    r"component\.|site_devices\.|state_attributes|\bui\.[a-z]|\{\w+\}|translation[ _]error", re.IGNORECASE
)
_BREAK = re.compile(r"\{\w+\}|\n+|\|")  # where the page puts a text into several elements
_WORDS_TO_SEARCH = 3  # with fewer, a text may stand in another one by chance


def translations(language: str) -> dict[str, str]:
    """Return our texts by their path."""
    return dict(_leaves(json.loads((TRANSLATIONS / f"{language}.json").read_text(encoding="utf-8"))))


def raw_keys(texts: Sequence[str]) -> list[str]:
    """Return the texts that are, or contain, the key of a text or a placeholder."""
    return [text for text in texts if _KEY.search(text)]


def foreign(texts: Sequence[str], language: str) -> list[str]:
    """Return those of our texts that are there in the other language."""
    mine, other = translations(language), translations("en" if language == "it" else "it")
    pieces = {piece for path, text in other.items() if text != mine[path] for piece in _pieces(text)}
    pieces -= {piece for text in mine.values() for piece in _pieces(text)}
    long = [piece for piece in pieces if len(piece.split()) >= _WORDS_TO_SEARCH]
    return [text for text in texts if text in pieces or any(piece in text for piece in long)]


def _pieces(text: str) -> list[str]:
    return [piece.strip() for piece in _BREAK.split(text) if re.search(r"\w\w", piece)]


def _leaves(tree: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, str):
            yield f"{path}{key}", value
        else:
            yield from _leaves(value, f"{path}{key}.")
