"""Config flow: add a site. In: heartbeats of any site, and the user's choice. Out: a config entry."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from homeassistant.components import mqtt
from homeassistant.config_entries import ConfigEntry, ConfigFlow, ConfigFlowResult
from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.helpers.selector import SelectOptionDict, SelectSelector, SelectSelectorConfig, TextSelector
import voluptuous as vol

from .compat import update_progress
from .const import CONF_SITE_CODE, DOMAIN
from .core.markdown import escape
from .core.protocol import Heartbeat, is_site_code, parse
from .options_flow import SiteDevicesOptionsFlow
from .site.feed import async_subscribe
from .site.subscription import mqtt_is_loaded

LISTEN_SECONDS: Final = 15  # enough to hear every device that sends four heartbeats a minute
_PROGRESS_STEPS: Final = 30
_TOPICS: Final = ("+/datalogger/+/+/heartbeat", "+/gateway/+/heartbeat")
_SITES_SHOWN: Final = 20


class SiteDevicesConfigFlow(ConfigFlow, domain=DOMAIN):
    """Add a site."""

    VERSION = 1
    MINOR_VERSION = 1

    def __init__(self) -> None:
        """Start without any site."""
        self._heard: dict[str, set[str]] = {}  # site code: keys of its devices
        self._listening: asyncio.Task[None] | None = None
        self._ends: list[CALLBACK_TYPE] = []

    @staticmethod
    @callback
    def async_get_options_flow(_config_entry: ConfigEntry) -> SiteDevicesOptionsFlow:
        """Return the dialog of a site's options."""
        return SiteDevicesOptionsFlow()

    async def async_step_user(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Start with listening."""
        return await self.async_step_listen()

    async def async_step_listen(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Listen for heartbeats of any site."""
        if self._listening is None:
            if reason := self._abort_reason():
                return self.async_abort(reason=reason)
            await self._subscribe()
            self._listening = self.hass.async_create_background_task(self._listen(), f"{DOMAIN} listens")
        if not self._listening.done():
            return self.async_show_progress(
                step_id="listen",
                progress_action="listen",
                description_placeholders={"seconds": str(LISTEN_SECONDS)},
                progress_task=self._listening,
            )
        self._listening = None
        return self.async_show_progress_done(next_step_id="heard" if self._sites() else "silence")

    async def async_step_heard(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Show the sites that were heard."""
        rows = [f"| {escape(site)} | {count} |" for site, count in self._sites().items()]
        return self.async_show_menu(
            step_id="heard",
            menu_options=["pick", "listen", "manual"],
            description_placeholders={"sites": "\n".join(rows)},
        )

    async def async_step_silence(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Explain that no new site was heard, and what to check."""
        if reason := self._abort_reason():
            return self.async_abort(reason=reason)
        return self.async_show_menu(
            step_id="silence",
            menu_options=["listen", "manual"],
            description_placeholders={"topics": f"`{'`, `'.join(_TOPICS)}`"},
        )

    async def async_step_pick(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Let the user pick one of the sites."""
        if user_input is not None:
            return await self._create(user_input[CONF_SITE_CODE])
        if not self._sites():  # another dialog has just added them
            return await self.async_step_silence()
        sites = [SelectOptionDict(value=site, label=f"{site} ({count})") for site, count in self._sites().items()]
        site_code = vol.Required(CONF_SITE_CODE, default=sites[0]["value"])
        selector = SelectSelector(SelectSelectorConfig(options=sites))
        return self.async_show_form(step_id="pick", data_schema=vol.Schema({site_code: selector}))

    async def async_step_manual(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Let the user type a site code."""
        errors = {}
        if user_input is not None:
            site = user_input[CONF_SITE_CODE]
            if not is_site_code(site):
                errors[CONF_SITE_CODE] = "invalid_site_code"
            elif site in self._configured():
                errors[CONF_SITE_CODE] = "already_configured"
            else:
                return await self._create(site)
        schema = vol.Schema({vol.Required(CONF_SITE_CODE): TextSelector()})
        return self.async_show_form(
            step_id="manual", data_schema=self.add_suggested_values_to_schema(schema, user_input), errors=errors
        )

    @callback
    def async_remove(self) -> None:
        """Stop listening when the dialog is closed."""
        if self._listening:
            self._listening.cancel()

    async def _create(self, site: str) -> ConfigFlowResult:
        # if another dialog adds the same site, its entry exists already, even if it is not set up yet
        await self.async_set_unique_id(site, raise_on_progress=False)
        self._abort_if_unique_id_configured()
        return self.async_create_entry(title=site, data={CONF_SITE_CODE: site})

    def _abort_reason(self) -> str | None:
        """Return why listening is impossible now, if so."""
        if not self.hass.config_entries.async_entries(mqtt.DOMAIN, include_ignore=False):
            return "mqtt_missing"
        if not mqtt_is_loaded(self.hass):
            return "mqtt_not_loaded"
        return None if mqtt.is_connected(self.hass) else "mqtt_not_connected"

    async def _subscribe(self) -> None:
        for topic in _TOPICS:
            self._ends.append(await async_subscribe(self.hass, topic, self._message_received))

    async def _listen(self) -> None:
        try:
            for step in range(_PROGRESS_STEPS):
                update_progress(self, step / _PROGRESS_STEPS)
                await asyncio.sleep(LISTEN_SECONDS / _PROGRESS_STEPS)
        finally:
            while self._ends:
                self._ends.pop()()

    @callback
    def _message_received(self, topic: str, payload: bytes, retained: bool) -> None:
        message = parse(topic, payload, retained)
        site = topic.partition("/")[0]
        if isinstance(message, Heartbeat) and is_site_code(site):
            self._heard.setdefault(site, set()).add(message.key)

    def _configured(self) -> set[str]:
        return {entry.data[CONF_SITE_CODE] for entry in self._async_current_entries()}

    def _sites(self) -> dict[str, int]:
        """Return the sites that can be added with their number of devices, the largest first."""
        counts = {site: len(keys) for site, keys in self._heard.items() if site not in self._configured()}
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_SITES_SHOWN])
