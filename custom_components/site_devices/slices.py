"""Slices: work on a whole fleet that lets the event loop breathe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final

SLICE: Final = 0.005  # seconds for which the event loop is held at once


async def in_slices[T](items: Iterable[T]) -> AsyncIterator[T]:
    """Hand the items out one by one, and give the loop a turn after each slice of time."""
    loop = asyncio.get_running_loop()
    slice_end = loop.time() + SLICE
    for item in items:
        yield item
        if loop.time() >= slice_end:
            await asyncio.sleep(0)
            slice_end = loop.time() + SLICE
