"""What Home Assistant's log says of a site: enough to follow it, never too much to read."""

from __future__ import annotations

import logging

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
import pytest

from custom_components.site_devices.core.device import Change, ChangeKind, DeviceRecord
from custom_components.site_devices.core.protocol import IgnoreReason
from custom_components.site_devices.site.log import SiteLog

from .. import SITE, advance, heartbeat, publish, setup_site

LOGGER = "custom_components.site_devices.site.log"
INFO, DEBUG = logging.INFO, logging.DEBUG

MONSTRO = DeviceRecord(key="datalogger/TEST123", address="monstro/1", created=0.0)
GATEWAY = DeviceRecord(key="gateway/G7", address="1", created=0.0)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> SiteLog:
    caplog.set_level(DEBUG, LOGGER)
    return SiteLog(SITE)


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    """Return what was logged since the last call."""
    said = [(record.levelno, record.getMessage()) for record in caplog.records if record.name == LOGGER]
    caplog.clear()
    return said


def hear(log: SiteLog, record: DeviceRecord, kind: ChangeKind, times: int = 1) -> None:
    for _ in range(times):
        log.async_handle(Change(record, kind))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (ChangeKind.DISCOVERED, "discovered"),
        (ChangeKind.FIRST_ONLINE, "online"),
        (ChangeKind.ONLINE, "online again"),
        (ChangeKind.OFFLINE, "offline"),
        (ChangeKind.MOVED, "moved here"),
        (ChangeKind.CONFLICT, "alive at two addresses"),
        (ChangeKind.CONFLICT_ENDED, "alive at one address again"),
    ],
)
def test_a_change_is_a_line_at_info_that_names_the_device(
    log: SiteLog, caplog: pytest.LogCaptureFixture, kind: ChangeKind, text: str
) -> None:
    hear(log, MONSTRO, kind)
    hear(log, GATEWAY, kind)
    assert lines(caplog) == [
        (INFO, f"sito_001: monstro/1 (TEST123): {text}"),
        (INFO, f"sito_001: Gateway 1 (G7): {text}"),
    ]


def test_beyond_twenty_lines_a_minute_the_rest_is_summed_up(log: SiteLog, caplog: pytest.LogCaptureFixture) -> None:
    hear(log, MONSTRO, ChangeKind.OFFLINE, times=15)
    hear(log, MONSTRO, ChangeKind.ONLINE, times=300)
    hear(log, GATEWAY, ChangeKind.DISCOVERED, times=2)
    assert len(lines(caplog)) == 20
    log.minute_over()
    assert lines(caplog) == [(INFO, "sito_001: and in the same minute: 295 online again, 2 discovered")]
    log.minute_over()
    assert lines(caplog) == []
    hear(log, MONSTRO, ChangeKind.OFFLINE, times=21)
    assert len(lines(caplog)) == 20


def test_an_ignored_message_is_shown_once_a_minute_for_each_reason(
    log: SiteLog, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        log.message_ignored(IgnoreReason.NOT_JSON, "sito_001/gateway/1/input")
        log.message_ignored(IgnoreReason.EMPTY, "sito_001/gateway/2/input")
    assert lines(caplog) == [
        (DEBUG, "sito_001: ignored a message on 'sito_001/gateway/1/input': not_json"),
        (DEBUG, "sito_001: ignored a message on 'sito_001/gateway/2/input': empty"),
    ]
    log.minute_over()
    caplog.clear()
    log.message_ignored(IgnoreReason.NOT_JSON, "sito_001/gateway/3/input")
    assert lines(caplog) == [(DEBUG, "sito_001: ignored a message on 'sito_001/gateway/3/input': not_json")]


def test_no_topic_breaks_out_of_its_line(log: SiteLog, caplog: pytest.LogCaptureFixture) -> None:
    log.message_ignored(IgnoreReason.TOPIC, "sito_001/gateway/\n\x1b[2J" + 65_000 * "x")
    ((_, line),) = lines(caplog)
    assert line.isprintable()
    assert len(line) < 300


def test_the_counters_are_one_line_a_minute_and_only_when_they_have_changed(
    log: SiteLog, caplog: pytest.LogCaptureFixture
) -> None:
    log.minute_over()
    assert lines(caplog) == []
    for reason in (IgnoreReason.NOT_JSON, IgnoreReason.NOT_JSON, IgnoreReason.FULL):
        log.message_ignored(reason, "sito_001/gateway/1/input")
    caplog.clear()
    log.minute_over()
    assert lines(caplog) == [(DEBUG, "sito_001: ignored so far: not_json 2, full 1")]
    log.minute_over()
    assert lines(caplog) == []
    log.message_ignored(IgnoreReason.FULL, "sito_001/gateway/1/input")
    caplog.clear()
    log.minute_over()
    assert lines(caplog) == [(DEBUG, "sito_001: ignored so far: not_json 2, full 2")]


@pytest.mark.usefixtures("broker", "quiet")
@pytest.mark.parametrize("unloaded", [False, True], ids=["each minute", "at its end"])
async def test_a_site_sums_up_what_there_were_no_lines_for(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, caplog: pytest.LogCaptureFixture, unloaded: bool
) -> None:
    entry = await setup_site(hass, options={"offline_after": 600})
    caplog.set_level(INFO, LOGGER)
    caplog.clear()
    for number in range(25):
        await heartbeat(hass, f"datalogger/monstro/{number}", f"T{number}")
    assert [line for _, line in lines(caplog)] == [
        f"sito_001: monstro/{number} (T{number}): discovered" for number in range(20)
    ]
    if unloaded:
        assert await hass.config_entries.async_unload(entry.entry_id)
    else:
        await advance(hass, freezer, 61)
    assert lines(caplog) == [(INFO, "sito_001: and in the same minute: 5 discovered")]


@pytest.mark.usefixtures("broker", "quiet")
async def test_a_site_shows_its_counters(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, caplog: pytest.LogCaptureFixture
) -> None:
    await setup_site(hass)
    caplog.set_level(DEBUG, LOGGER)
    await publish(hass, f"{SITE}/gateway/1/input", {"serial_number": "NEVER HEARD"})
    await publish(hass, f"{SITE}/gateway/1/input", b"")
    lines(caplog)
    await advance(hass, freezer, 61)
    assert lines(caplog) == [(DEBUG, "sito_001: ignored so far: unknown_serial 1, empty 1")]
    await advance(hass, freezer, 61)
    assert lines(caplog) == []
