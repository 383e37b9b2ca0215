"""Repairs: dialogs of fixable issues. In: an issue, the user's choice. Out: calls to `Site`, or changed options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homeassistant.components.repairs import RepairsFlow
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.selector import NumberSelector, NumberSelectorConfig, NumberSelectorMode
import voluptuous as vol

from .site.options import IGNORE, MAX_DEVICES
from .site.site import SiteDevicesConfigEntry

if TYPE_CHECKING:
    from homeassistant.components.repairs import RepairsFlowResult


async def async_create_fix_flow(
    _hass: HomeAssistant, issue_id: str, data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """Return the dialog of a fixable issue."""
    assert data
    flow = ReplacedFlow if "old" in data else DeviceLimitFlow
    return flow(data)


class _SiteFlow(RepairsFlow):
    """A dialog about one site, which may not be loaded any longer."""

    def __init__(self, data: dict[str, Any]) -> None:
        """`data` is that of the issue."""
        self._data = data

    def _entry(self) -> SiteDevicesConfigEntry | None:
        entry = self.hass.config_entries.async_get_entry(self._data["entry_id"])
        return entry if entry and entry.state is ConfigEntryState.LOADED else None

    def _placeholders(self) -> dict[str, str] | None:
        issue = ir.async_get(self.hass).async_get_issue(self.handler, self.issue_id)
        return issue.translation_placeholders if issue else None


class ReplacedFlow(_SiteFlow):
    """Continue an old device with the new hardware in its place."""

    async def async_step_init(self, _user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Show the choices. For a fixable issue Home Assistant has no button to ignore it."""
        return self.async_show_menu(
            step_id="init", menu_options=["replace", "keep"], description_placeholders=self._placeholders()
        )

    async def async_step_replace(self, _user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Replace the device, if the issue still applies."""
        if (entry := self._entry()) is None:
            return self.async_abort(reason="not_loaded")
        records = entry.runtime_data.fleet.records
        old, new = records.get(self._data["old"]), records.get(self._data["new"])
        if old is None or new is None or old.online or not new.online or old.place != new.place:
            return self.async_abort(reason="changed")
        entry.runtime_data.async_replace(old, new)
        return self.async_create_entry(data={})

    async def async_step_keep(self, _user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Keep both devices and ignore the issue."""
        if self._placeholders() is None:  # it was deleted meanwhile, with its cause
            return self.async_abort(reason="changed")
        ir.async_ignore_issue(self.hass, self.handler, self.issue_id, True)
        return self.async_abort(reason="kept")


class DeviceLimitFlow(_SiteFlow):
    """Allow more devices, or no new ones at all."""

    async def async_step_init(self, _user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Show the choices."""
        if (entry := self._entry()) is None:
            return self.async_abort(reason="not_loaded")
        choices = ["raise", "ignore"] if _most(entry) > len(entry.runtime_data.fleet.records) else ["ignore"]
        return self.async_show_menu(step_id="init", menu_options=choices, description_placeholders=self._placeholders())

    async def async_step_raise(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Set a new maximum, no higher than what fits."""
        if (entry := self._entry()) is None:
            return self.async_abort(reason="not_loaded")
        if user_input is not None:
            return self._set(entry, max_devices=int(user_input["max_devices"]))
        known, most = len(entry.runtime_data.fleet.records), _most(entry)
        if most <= known:  # the room was used since the dialog was opened
            return await self.async_step_init()
        number = NumberSelector(NumberSelectorConfig(min=known + 1, max=most, mode=NumberSelectorMode.BOX))
        schema = vol.Schema({vol.Required("max_devices", default=min(2 * known or 1, most)): number})
        return self.async_show_form(step_id="raise", data_schema=schema, description_placeholders=self._placeholders())

    async def async_step_ignore(self, _user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Accept no new devices."""
        if (entry := self._entry()) is None:
            return self.async_abort(reason="not_loaded")
        return self._set(entry, new_devices=IGNORE)

    def _set(self, entry: SiteDevicesConfigEntry, **options: Any) -> RepairsFlowResult:
        self.hass.config_entries.async_update_entry(entry, options={**entry.options, **options})
        return self.async_create_entry(data={})


def _most(entry: SiteDevicesConfigEntry) -> int:
    """Return how many devices the site can have now."""
    budget = entry.runtime_data.data.budget
    budget.async_count()
    return min(budget.fitting, MAX_DEVICES[1])
