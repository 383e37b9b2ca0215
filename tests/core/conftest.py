"""Fixtures of the pure rooms."""

from __future__ import annotations

import pytest

from .yard import Yard


@pytest.fixture
def yard() -> Yard:
    """A site with a deadline of 30 s that can be heard."""
    return Yard()
