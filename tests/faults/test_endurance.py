"""Half a day of a small fleet, in seconds; a whole one of a thousand devices is in the soak."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from soak.jumping import endurance
from tests.harness import newest_only

from . import needs_broker

pytestmark = [*needs_broker, newest_only]


@pytest.mark.timeout(180)
def test_half_a_day_is_accounted_for_to_the_last_message(record_property: Callable[[str, object], None]) -> None:
    outcome = endurance(hours=12, devices=50)
    for what, figure in outcome.figures.items():
        record_property(what, figure)
    assert not outcome.wrong
