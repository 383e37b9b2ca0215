"""What the user can set for a site, and what holds as long as nothing is set."""

from __future__ import annotations

from typing import Any

from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.site_devices.const import DOMAIN
from custom_components.site_devices.site.options import SiteOptions


def test_the_defaults_hold_without_any_options() -> None:
    assert SiteOptions.of(MockConfigEntry(domain=DOMAIN)) == SiteOptions(
        offline_after=30, new_devices="add", max_devices=1000, data_entities=True, data_interval=0
    )


def test_an_entry_stores_options_by_name() -> None:
    stored: dict[str, Any] = {
        "offline_after": 60, "new_devices": "ignore", "max_devices": 5, "data_entities": False, "data_interval": 10,
    }  # fmt: skip
    options = SiteOptions.of(MockConfigEntry(domain=DOMAIN, options=stored))
    assert options == SiteOptions(**stored)
    assert options != SiteOptions()


def test_an_option_that_a_later_version_stored_is_left_alone() -> None:
    entry = MockConfigEntry(domain=DOMAIN, options={"offline_after": 60, "colour": "blue"})
    assert SiteOptions.of(entry) == SiteOptions(offline_after=60)
