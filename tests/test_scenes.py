"""A thousand scenes, each from its number: nobody dead stays online, nobody alive is called offline, no alert is lost."""

from __future__ import annotations

import pytest

from .scenes import World

SCENES = 1000
AT_ONCE = 50


@pytest.mark.parametrize("first", range(0, SCENES, AT_ONCE))
def test_the_dead_are_off_the_living_on_and_everybody_is_told_what_is_true(
    first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "custom_components.site_devices.site.digest._DEVICES_LISTED", 50
    )  # so that events name everybody
    wrong = {seed: found for seed in range(first, first + AT_ONCE) if (found := World(seed).run())}
    assert wrong == {}
