"""Options flow: a site's options. In: stored options, registries. Out: options, which `Site` applies in place."""

from __future__ import annotations

from typing import Any

from homeassistant.config_entries import ConfigFlowResult, OptionsFlow
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
)
import voluptuous as vol

from .const import CONF_SITE_CODE
from .site.budget import count_enabled, data_fitting, devices_fitting
from .site.ids import site_identifier
from .site.options import ADD, DATA_INTERVAL, IGNORE, MAX_DEVICES, OFFLINE_AFTER, SiteOptions


class SiteDevicesOptionsFlow(OptionsFlow):
    """The options of one site."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Show all options, and how full the site is."""
        if user_input is not None:
            return self.async_create_entry(data=user_input)
        options = SiteOptions.of(self.config_entry)
        schema = {
            vol.Required("offline_after", default=options.offline_after): _whole_number(OFFLINE_AFTER, "s"),
            vol.Required("new_devices", default=options.new_devices): SelectSelector(
                SelectSelectorConfig(options=[ADD, IGNORE], translation_key="new_devices")
            ),
            vol.Required("max_devices", default=options.max_devices): _whole_number(MAX_DEVICES),
            vol.Required("data_entities", default=options.data_entities): BooleanSelector(),
            vol.Required("data_interval", default=options.data_interval): _whole_number(DATA_INTERVAL, "s"),
        }
        return self.async_show_form(
            step_id="init", data_schema=vol.Schema(schema), description_placeholders=self._how_full(options.max_devices)
        )

    def _how_full(self, max_devices: int) -> dict[str, str]:
        """Return what exists and what still fits, from the registries, since the site may not be loaded."""
        entry = self.config_entry
        pages = dr.async_entries_for_config_entry(dr.async_get(self.hass), entry.entry_id)
        site = site_identifier(entry.data[CONF_SITE_CODE])
        devices = sum(site not in page.identifiers for page in pages)
        enabled = count_enabled(er.async_get(self.hass), entry.entry_id)
        return {
            "devices": str(devices),
            "more_devices": str(max(0, min(max_devices - devices, devices_fitting(enabled)))),
            "entities": str(enabled),
            "more_entities": str(max(0, data_fitting(enabled, devices, max_devices))),
        }


def _whole_number(bounds: tuple[int, int], unit: str | None = None) -> vol.All[Any]:
    config = NumberSelectorConfig(min=bounds[0], max=bounds[1], mode=NumberSelectorMode.BOX)
    if unit:
        config["unit_of_measurement"] = unit
    return vol.All(NumberSelector(config), vol.Coerce(int))
