"""Readers: who handles which change. In: changes. Out: a call of each reader that handles that kind, always in one order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from ..core.device import Change, ChangeKind
from .pacing import Guard

type Dispatch = Callable[[Sequence[Change]], None]


class Reader(Protocol):
    """A module that handles changes."""

    @property
    def handles(self) -> Collection[ChangeKind]:
        """The kinds that concern it."""

    def async_handle(self, change: Change, /) -> None:
        """Do what follows from a change."""


class Readers:
    """The readers of one site."""

    def __init__(self, *readers: Reader) -> None:
        """The first handles each change first."""
        self.by_kind = {kind: [each.async_handle for each in readers if kind in each.handles] for kind in ChangeKind}
        self._guard = Guard("process a change")

    def async_dispatch(self, changes: Sequence[Change]) -> None:
        """Hand changes to the readers; one that fails does not stop the others."""
        for change in changes:
            for handle in self.by_kind[change.kind]:
                with self._guard:
                    handle(change)
