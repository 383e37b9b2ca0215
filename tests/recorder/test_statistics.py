"""Long-term statistics of what devices report, compiled by Home Assistant's own recorder."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.recorder import get_instance
from homeassistant.components.recorder.statistics import statistics_during_period, validate_statistics
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
    do_adhoc_statistics,
)

from tests import SITE, heartbeat, publish, setup_site

pytestmark = pytest.mark.usefixtures("broker")


def next_hour() -> datetime:
    """Return a time to begin at: the five minutes before its own start count as compiled for a new recorder."""
    return dt_util.utcnow().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


async def report(hass: HomeAssistant, **data: Any) -> None:
    await publish(hass, f"{SITE}/datalogger/monstro/1/input", {"serial_number": "TEST123", **data})


async def compiled(hass: HomeAssistant, start: datetime) -> dict[str, list[dict[str, Any]]]:
    """Return the statistics of the five minutes from a start on, by statistic id."""
    await async_wait_recording_done(hass)
    do_adhoc_statistics(hass, start=start)
    await async_wait_recording_done(hass)
    found: Any = await get_instance(hass).async_add_executor_job(
        statistics_during_period, hass, start, None, None, "5minute", None, {"mean", "min", "max", "sum", "state"}
    )
    return {statistic: rows for statistic, rows in found.items() if "monstro" in statistic}


async def test_numbers_have_statistics_and_text_has_none(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    start = next_hour()
    freezer.move_to(start)
    await setup_site(hass, options={"offline_after": 3600})
    await heartbeat(hass)
    for step in range(5):
        freezer.move_to(start + timedelta(seconds=10 + 50 * step))
        await report(
            hass,
            temperature={"value": 20 + step, "unit": "C"},
            energy={"value": 100 + step / 10, "unit": "kWh"},
            balance={"value": 5 - step, "unit": "kWh"},
            count=step,
            odd={"value": step, "unit": "bananas"},
            mode=f"mode {step}",
            door=bool(step % 2),
            wild=10**30 if step % 2 else step,
        )
    found = await compiled(hass, start)
    assert set(found) == {
        f"sensor.monstro_1_{name}" for name in ("temperature", "energy", "balance", "count", "odd", "wild")
    }
    (temperature,) = found["sensor.monstro_1_temperature"]
    assert (temperature["min"], temperature["max"]) == (20, 24)
    assert 21 < temperature["mean"] < 23
    (energy,) = found["sensor.monstro_1_energy"]
    assert energy["state"] == pytest.approx(100.4)
    assert energy["sum"] == pytest.approx(0.4)
    (balance,) = found["sensor.monstro_1_balance"]
    assert (balance["state"], balance["sum"]) == (1, -4)
    (wild,) = found["sensor.monstro_1_wild"]
    assert (wild["min"], wild["max"]) == (0, 4)
    problems = await get_instance(hass).async_add_executor_job(validate_statistics, hass)
    assert not {statistic for statistic in problems if "monstro" in statistic}


async def test_home_assistant_tells_when_a_unit_changes_that_has_statistics(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    start = next_hour()
    freezer.move_to(start)
    await setup_site(hass, options={"offline_after": 3600})
    await heartbeat(hass)
    await report(hass, x={"value": 1, "unit": "V"})
    freezer.move_to(start + timedelta(seconds=100))
    await report(hass, x={"value": 2, "unit": "V"})
    assert set(await compiled(hass, start)) == {"sensor.monstro_1_x"}
    await report(hass, x={"value": 3, "unit": "°C"})
    await async_wait_recording_done(hass)
    problems = await get_instance(hass).async_add_executor_job(validate_statistics, hass)
    assert [problem.type for problem in problems["sensor.monstro_1_x"]] == ["units_changed"]
