"""What comes of a part: its figures, and what is wrong with them."""

from __future__ import annotations

from typing import Any, NamedTuple


class Outcome(NamedTuple):
    """All is well when `wrong` is empty."""

    figures: dict[str, Any]
    wrong: list[str]


class MissingError(Exception):
    """A part needs what is not installed; the text tells what."""
