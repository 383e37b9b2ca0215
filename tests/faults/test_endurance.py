"""Half a day of a small fleet, in seconds; a whole one of a thousand devices is in the soak."""

from __future__ import annotations

from collections.abc import Callable
import sys

import pytest

from soak.endurance import endurance

from . import has_mosquitto

pytestmark = [
    pytest.mark.skipif(sys.version_info < (3, 14), reason="measures the newest Home Assistant only"),
    pytest.mark.skipif(not has_mosquitto, reason="needs Mosquitto"),
    pytest.mark.usefixtures("socket_enabled"),
]


@pytest.mark.timeout(180)
def test_half_a_day_is_accounted_for_to_the_last_message(record_property: Callable[[str, object], None]) -> None:
    outcome = endurance(hours=12, devices=50)
    for what, figure in outcome.figures.items():
        record_property(what, figure)
    assert not outcome.wrong
