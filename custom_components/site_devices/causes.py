"""Causes: whether there is reason for an issue, as things are now.

That is looked at once a minute, and when something has changed on which it depends; `issues` raises, or takes back, what
follows. All devices have to be looked at, so it is done once a second at most, be there thousands that are deleted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
import logging
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.debounce import Debouncer

from .data import SiteData
from .fleet import Fleet
from .issues import SiteIssues

_LOGGER = logging.getLogger(__name__)

_EVERY: Final = 1.0  # seconds
_HEARD_NOTHING: Final = 600  # seconds of connection, after which something must be wrong
_UNSTEADY: Final = 6  # losses of the connection within this many seconds; a broker that restarts once or twice is none
_UNSTEADY_WITHIN: Final = 3600
_REFUSED_RECENTLY: Final = 600  # seconds for which a device that found no place counts as one that wants it


class Causes:
    """Looks for the causes of one site's issues."""

    def __init__(
        self, hass: HomeAssistant, fleet: Fleet, data: SiteData, issues: SiteIssues, messages: Callable[[], int]
    ) -> None:
        """Look at nothing yet; `messages` tells how many the site has received so far."""
        self._loop = hass.loop
        self._fleet = fleet
        self._data = data
        self._issues = issues
        self._messages = messages
        self._listening_since: float | None = None
        self._losses: deque[float] = deque(maxlen=_UNSTEADY)  # when the connection was lost, the last few times
        self._refused_at: float | None = None  # when a device last found no place
        self._look = Debouncer(hass, _LOGGER, cooldown=_EVERY, immediate=True, function=self._look_now)

    @callback
    def async_look(self) -> None:
        """Look now, or when a second is over."""
        self._look.async_schedule_call()

    @callback
    def async_listening(self, since: float | None) -> None:
        """Take in since when the site can be heard; None: it can't."""
        self._listening_since = since

    @callback
    def async_connection_lost(self) -> None:
        """Take in that the connection to the broker was lost."""
        self._losses.append(self._loop.time())
        self.async_look()

    @callback
    def async_device_refused(self) -> None:
        """Take in that a device found no place, of which the user hears at once."""
        self._refused_at = self._loop.time()
        self._tell_full(self._refused_at)

    @callback
    def async_device_accepted(self) -> None:
        """Take in that there was a place: whoever still finds none says so again."""
        self._refused_at = None

    @callback
    def async_stop(self) -> None:
        """Look no more."""
        self._look.async_shutdown()

    @callback
    def _look_now(self) -> None:
        now = self._loop.time()
        self._issues.async_set_conflicts([record for record in self._fleet.conflicts() if not record.muted])
        self._issues.async_set_replacements(self._fleet.replacements(now))
        self._issues.async_set_data_limit(self._data.refused())
        self._issues.async_set_no_connectivity(self._data.budget.without_connectivity())
        since = self._listening_since
        self._issues.async_set_silent(not self._messages() and since is not None and now - since >= _HEARD_NOTHING)
        unsteady = len(self._losses) == _UNSTEADY and now - self._losses[0] <= _UNSTEADY_WITHIN
        self._issues.async_set_unsteady(_UNSTEADY if unsteady else None)
        self._tell_full(now)

    def _tell_full(self, now: float) -> None:
        """Tell that devices find no place: because of the option, or because entities have taken up the room."""
        fleet, known = self._fleet, len(self._fleet.records)
        full = (
            self._refused_at is not None
            and now - self._refused_at < _REFUSED_RECENTLY
            and fleet.accept_new
            and known >= fleet.max_devices
        )
        more_fit = self._data.budget.fitting > known
        self._issues.async_set_device_limit(fleet.max_devices if full and more_fit else None)
        self._issues.async_set_entity_limit(full and not more_fit)
