"""Protocol: whatever is on the wire has one of three outcomes, and what gets out is safe to show and to store."""

from __future__ import annotations

from datetime import UTC, datetime
import json
import math
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.site_devices.core.protocol import (
    MAX_PAYLOAD,
    MAX_TEXT,
    Category,
    Channel,
    Heartbeat,
    IgnoreReason,
    Info,
    Report,
    clock_drift,
    device_key,
    is_site_code,
    parse,
    printable,
)

TOPIC = "sito_001/datalogger/monstro/1/heartbeat"
SERIAL = {"serial_number": "TEST123"}
RTL = "\u202e"  # turns the text around that follows it
SURROGATE = "\ud800"  # half a character: no UTF-8 can carry it, and Home Assistant can't save it
LONGEST = "x" * MAX_TEXT


def said(data: Any, topic: str = TOPIC) -> Heartbeat | Report | IgnoreReason:
    """Return what becomes of a payload."""
    return parse(topic, json.dumps(data).encode(), retained=False)


def heard(**data: Any) -> Heartbeat:
    """Return the heartbeat of a device that says something besides its serial."""
    beat = said(SERIAL | data)
    assert isinstance(beat, Heartbeat)
    return beat


# The wire's own examples


def test_the_example_as_printed() -> None:
    payload = b'{"serial_number": "TEST123", "timestamp": "2025-10-17T10:00:00Z"}'

    assert parse("sito_001/datalogger/monstro/1/heartbeat", payload, retained=False) == Heartbeat(
        key="datalogger/TEST123",
        address="monstro/1",
        retained=False,
        timestamp="2025-10-17T10:00:00Z",
        info=None,
        data={"serial_number": "TEST123", "timestamp": "2025-10-17T10:00:00Z"},
    )


@pytest.mark.parametrize("retained", [False, True])
@pytest.mark.parametrize("channel", [Channel.INPUT, Channel.OUTPUT])
@pytest.mark.parametrize("prefix", ["datalogger/monstro/1", "gateway/1"])
def test_reports(prefix: str, channel: Channel, retained: bool) -> None:
    key = f"{prefix.partition('/')[0]}/TEST123"
    data = SERIAL | {"phase": {"l1": 230}}

    report = parse(f"sito_001/{prefix}/{channel}", json.dumps(data).encode(), retained)

    assert report == Report(key=key, channel=channel, retained=retained, data=data)


@pytest.mark.parametrize("retained", [False, True])
def test_a_heartbeat_tells_whether_it_was_retained(retained: bool) -> None:
    beat = parse("sito_001/gateway/7/heartbeat", b'{"serial_number": "G"}', retained)

    assert beat == Heartbeat("gateway/G", "7", retained, None, None, {"serial_number": "G"})


def test_the_same_serial_in_two_categories_is_two_devices() -> None:
    assert device_key(Category.DATALOGGER, "1") == "datalogger/1"
    assert device_key(Category.GATEWAY, "1") == "gateway/1"


# Topics


@pytest.mark.parametrize(
    ("topic", "address"),
    [
        ("sito_001/datalogger/monstro/1/heartbeat", "monstro/1"),
        ("sito_001/gateway/1/heartbeat", "1"),
        ("s/datalogger/t/i/heartbeat", "t/i"),
        ("datalogger/datalogger/datalogger/datalogger/heartbeat", "datalogger/datalogger"),
        ("gateway/gateway/heartbeat/heartbeat", "heartbeat"),
        ("Sito 001/datalogger/my type/no 1/heartbeat", "my type/no 1"),
        ("città/datalogger/логгер/№1/heartbeat", "логгер/№1"),
        ("sito_001/datalogger/$type/$1/heartbeat", "$type/$1"),
        (f"{LONGEST}/datalogger/{LONGEST}/{LONGEST}/heartbeat", f"{LONGEST}/{LONGEST}"),
        (f"{LONGEST}/gateway/{LONGEST}/heartbeat", LONGEST),
    ],
)
def test_topics_of_heartbeats(topic: str, address: str) -> None:
    beat = said(SERIAL, topic)

    assert isinstance(beat, Heartbeat)
    assert beat.address == address


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "/",
        "////",
        "sito_001",
        "sito_001/datalogger",
        "sito_001/datalogger/monstro",
        "sito_001/datalogger/monstro/1",
        "sito_001/datalogger/1/heartbeat",
        "sito_001/datalogger/monstro/1/2/heartbeat",
        "sito_001/datalogger/monstro/1/heartbeat/",
        "sito_001/datalogger/monstro/1/heartbeat/heartbeat",
        "/sito_001/datalogger/monstro/1/heartbeat",
        "prefix/sito_001/datalogger/monstro/1/heartbeat",
        "datalogger/monstro/1/heartbeat",
        "sito_001/gateway/heartbeat",
        "sito_001/gateway/type/1/heartbeat",
        "gateway/1/heartbeat",
        # an empty level
        "/datalogger/monstro/1/heartbeat",
        "sito_001//monstro/1/heartbeat",
        "sito_001/datalogger//1/heartbeat",
        "sito_001/datalogger/monstro//heartbeat",
        "sito_001/datalogger/monstro/1/",
        "/gateway/1/heartbeat",
        "sito_001/gateway//heartbeat",
        "sito_001/gateway/1/",
        # another channel or category, or another case
        "sito_001/datalogger/monstro/1/status",
        "sito_001/datalogger/monstro/1/heartbeats",
        "sito_001/datalogger/monstro/1/Heartbeat",
        "sito_001/datalogger/monstro/1/HEARTBEAT",
        "sito_001/datalogger/monstro/1/ heartbeat",
        "sito_001/gateway/1/INPUT",
        "sito_001/Datalogger/monstro/1/heartbeat",
        "sito_001/DATALOGGER/monstro/1/heartbeat",
        "sito_001/GATEWAY/1/heartbeat",
        "sito_001/inverter/monstro/1/heartbeat",
        # what no topic may have, no site may be, or nobody could read
        "+/datalogger/monstro/1/heartbeat",
        "$SYS/datalogger/monstro/1/heartbeat",
        "$share/gateway/1/heartbeat",
        " /gateway/1/heartbeat",
        f"{LONGEST}x/gateway/1/heartbeat",
        f"sito{RTL}/gateway/1/heartbeat",
        "sito_001/datalogger/+/1/heartbeat",
        "sito_001/datalogger/monstro/+/heartbeat",
        "sito_001/datalogger/monstro/#/heartbeat",
        "sito_001/datalogger/monstro/1\0/heartbeat",
        "sito_001/datalogger/mon\nstro/1/heartbeat",
        f"sito_001/datalogger/{RTL}monstro/1/heartbeat",
        f"sito_001/gateway/{SURROGATE}/heartbeat",
        f"sito_001/datalogger/{LONGEST}x/1/heartbeat",
        f"sito_001/datalogger/monstro/{LONGEST}x/heartbeat",
        f"sito_001/gateway/{LONGEST}x/heartbeat",
        f"sito_001/gateway/{'x' * 1_000_000}/heartbeat",
    ],
)
def test_other_topics_are_ignored(topic: str) -> None:
    assert said(SERIAL, topic) is IgnoreReason.TOPIC


@pytest.mark.parametrize("code", ["sito_001", "S", "Sito 001", "città", "a$b", "€", LONGEST])
def test_site_codes(code: str) -> None:
    assert is_site_code(code)


@pytest.mark.parametrize(
    "code",
    [
        "",
        " ",
        " a",
        "a ",
        "a/b",
        "/",
        "+",
        "a+",
        "#",
        "a#b",
        "a\0b",
        "$",
        "$SYS",
        "a\nb",
        RTL,
        SURROGATE,
        LONGEST + "x",
    ],
)
def test_what_is_no_site_code(code: str) -> None:
    assert not is_site_code(code)


# Payloads


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", IgnoreReason.EMPTY),
        (b" ", IgnoreReason.NOT_JSON),
        (b"online", IgnoreReason.NOT_JSON),
        (b"{", IgnoreReason.NOT_JSON),
        (b'{"serial_number": "TEST123"', IgnoreReason.NOT_JSON),
        (b'{"serial_number": "TEST123"} x', IgnoreReason.NOT_JSON),
        (b"{'serial_number': 'TEST123'}", IgnoreReason.NOT_JSON),
        (b'{"serial_number": NaN}', IgnoreReason.NOT_JSON),
        (b'{"serial_number": "\\ud800"}', IgnoreReason.NOT_JSON),
        (b'{"serial_number": "TEST123", "x": 1e999}', IgnoreReason.NOT_JSON),
        (b'{"x":' * 100_000 + b"1" + b"}" * 100_000, IgnoreReason.TOO_LARGE),
        (b'{"x":' * 70_000 + b"1" + b"}" * 70_000, IgnoreReason.NOT_JSON),
        (b"[" * 100_000 + b"]" * 100_000, IgnoreReason.NOT_JSON),
        (b"[" * 100_000, IgnoreReason.NOT_JSON),
        (b"\xff\xfe", IgnoreReason.NOT_UTF8),
        (b'{"serial_number": "\xe9"}', IgnoreReason.NOT_UTF8),
        (b'{"serial_number": "\xed\xa0\x80"}', IgnoreReason.NOT_UTF8),
        (bytes(range(256)), IgnoreReason.NOT_UTF8),
        (b"null", IgnoreReason.NOT_AN_OBJECT),
        (b"true", IgnoreReason.NOT_AN_OBJECT),
        (b"1", IgnoreReason.NOT_AN_OBJECT),
        (b'"TEST123"', IgnoreReason.NOT_AN_OBJECT),
        (b"[]", IgnoreReason.NOT_AN_OBJECT),
        (b'[{"serial_number": "TEST123"}]', IgnoreReason.NOT_AN_OBJECT),
        (b"{}", IgnoreReason.NO_SERIAL),
        (b'{"Serial_Number": "TEST123"}', IgnoreReason.NO_SERIAL),
        (b'{"data": {"serial_number": "TEST123"}}', IgnoreReason.NO_SERIAL),
        (b"x" * 1_000_000, IgnoreReason.TOO_LARGE),
        (b'{"serial_number": "TEST123", "x": "' + b"x" * 1_000_000 + b'"}', IgnoreReason.TOO_LARGE),
    ],
    ids=lambda value: value[:24] if isinstance(value, bytes) else None,
)
def test_payloads_that_are_ignored(payload: bytes, reason: IgnoreReason) -> None:
    for channel in Channel:
        assert parse(f"sito_001/gateway/1/{channel}", payload, retained=False) is reason


def test_the_largest_payload() -> None:
    largest = json.dumps(SERIAL).encode().ljust(MAX_PAYLOAD)

    assert isinstance(parse(TOPIC, largest, retained=False), Heartbeat)
    assert parse(TOPIC, largest + b" ", retained=False) is IgnoreReason.TOO_LARGE


def test_a_topic_of_no_interest_is_not_read_at_all() -> None:
    assert parse("sito_001/gateway/1/firmware", b"\xff" * 1_000_000, retained=True) is IgnoreReason.TOPIC


# Serials


@pytest.mark.parametrize(
    ("serial", "key"),
    [
        ("TEST123", "TEST123"),
        ("test123", "test123"),
        ("1", "1"),
        (1, "1"),
        ("01", "01"),
        (-1, "-1"),
        (2**63, str(2**63)),
        (2**64 - 1, str(2**64 - 1)),
        (-(2**63), str(-(2**63))),
        ("  TEST 123\t\r\n", "TEST 123"),
        ("\u00a0\u2003TEST123\u3000", "TEST123"),
        ("a/b%2F", "a/b%2F"),
        ("<b>{{ states }}</b>", "<b>{{ states }}</b>"),
        ("№ 東京 😀", "№ 東京 😀"),
        ("None", "None"),
        (LONGEST, LONGEST),
        (f" {LONGEST} ", LONGEST),
    ],
)
def test_serials_are_taken_as_text(serial: Any, key: str) -> None:
    for channel in Channel:
        message = said({"serial_number": serial}, f"sito_001/gateway/1/{channel}")

        assert not isinstance(message, IgnoreReason)
        assert message.key == f"gateway/{key}"


@pytest.mark.parametrize(
    "serial",
    [
        None,
        "",
        " \t\n",
        0,
        True,
        False,
        1.0,
        1.5,
        2**64,  # more than 64 bits
        -(2**63) - 1,
        [],
        ["TEST123"],
        {"value": "TEST123"},
        LONGEST + "x",
        "x" * 100_000,
        "TEST\n123",
        "TEST\0",
        "TEST\x7f",
        "TEST\u0085123",
        "TEST\u00a0123",
        f"{RTL}321TSET",
        "TEST\u200b",  # takes no room, so that it looks like another serial
        "\ufeffTEST",
        "\ue000",
    ],
)
def test_what_is_no_serial(serial: Any) -> None:
    for channel in Channel:
        reason = said({"serial_number": serial}, f"sito_001/datalogger/monstro/1/{channel}")

        assert reason is IgnoreReason.NO_SERIAL


# What a device says of itself


@pytest.mark.parametrize(
    ("data", "info"),
    [
        ({}, None),
        ({"rssi": -70}, None),
        ({"name": "North roof"}, Info(name="North roof")),
        (
            {"name": "N", "manufacturer": "Ma", "model": "Mo", "sw_version": "1", "hw_version": "2"},
            Info("N", "Ma", "Mo", "1", "2"),
        ),
        ({"firmware": "1.2.3"}, Info(sw_version="1.2.3")),
        ({"sw_version": "2", "firmware": "1"}, Info(sw_version="2")),
        ({"sw_version": "", "firmware": "1"}, Info(sw_version="1")),
        ({"sw_version": 12, "hw_version": 1.5}, Info(sw_version="12", hw_version="1.5")),
        ({"name": "N", "model": None}, Info(name="N")),
        ({"name": "N", "model": ["m"], "manufacturer": {}, "hw_version": True}, Info(name="N")),
        # nothing said is as good as not said
        ({"name": ""}, None),
        ({"name": None, "model": " ", "manufacturer": [], "firmware": RTL, "hw_version": False}, None),
    ],
)
def test_what_a_device_says_of_itself(data: dict[str, Any], info: Info | None) -> None:
    assert heard(**data).info == info


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Monstro", "Monstro"),
        ("  Monstro \n", "Monstro"),
        ("Mon\tstro\0", "Monstro"),
        (f"{RTL}ortsnoM", "ortsnoM"),
        (f"a{SURROGATE}b", "ab"),
        (LONGEST + "y", LONGEST),
        (f"  {LONGEST}y", LONGEST),
        ("x" * 63 + " y", "x" * 63),
        ("\0" * 100 + "late", "late"),
        ("\0" * 1_000_000 + "too late", None),
        ("😀" * 100, "😀" * 64),
        (0, "0"),
        (-5, "-5"),
        (1.5, "1.5"),
        (2**64 - 1, str(2**64 - 1)),
        ("", None),
        (" ", None),
        ("\0", None),
        (None, None),
        (True, None),
        (["a"], None),
        ({"a": 1}, None),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_printable_of_a_value(value: object, text: str | None) -> None:
    assert printable(value) == text


# Timestamps


@pytest.mark.parametrize(
    "timestamp", ["2025-10-17T10:00:00Z", "noon", "x" * 64, "", 1760695200, 0, -1.5, 2**64 - 1, None]
)
def test_a_timestamp_stays_as_the_device_wrote_it(timestamp: Any) -> None:
    assert heard(timestamp=timestamp).timestamp == timestamp


@pytest.mark.parametrize(
    "timestamp", [True, [], ["2025-10-17"], {"a": {"b": "c"}}, "x" * 65, "2025-10-17\n", f"{RTL}0202", "\0"]
)
def test_what_can_be_no_timestamp_is_dropped(timestamp: Any) -> None:
    assert heard(timestamp=timestamp).timestamp is None


NOON = datetime(2025, 10, 17, 12, 0, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("timestamp", "drift"),
    [
        ("2025-10-17T12:00:00Z", 0),
        ("2025-10-17T12:00:00+00:00", 0),
        ("2025-10-17T14:00:00+02:00", 0),
        ("2025-10-17 12:00:00", 0),  # no zone: UTC
        ("20251017T120000Z", 0),
        ("2025-10-17T12:01:00.500Z", 60.5),
        ("2025-10-17T11:59:00Z", -60),
        ("2025-10-17", -12 * 3600),
        ("0001-01-01T00:00:00+14:00", datetime(1, 1, 1, tzinfo=UTC).timestamp() - NOON - 14 * 3600),
        (NOON, 0),
        (int(NOON) + 90, 90),
        (NOON * 1000, 0),
        (int(NOON) * 1000 - 1500, -1.5),
        (99_999_999_999, 99_999_999_999 - NOON),
        (100_000_000_000, 100_000_000 - NOON),
        (0, -NOON),
        (-100_000_000_000, -100_000_000 - NOON),
    ],
)
def test_clock_drift(timestamp: object, drift: float) -> None:
    assert clock_drift(timestamp, NOON) == pytest.approx(drift)


@pytest.mark.parametrize(
    "timestamp",
    [
        None,
        "",
        "noon",
        "2025-13-01T00:00:00Z",
        "2025-10-17T12:00:00 UTC",
        "10000-01-01T00:00:00Z",
        SURROGATE,
        "1760702400",
        True,
        math.nan,
        math.inf,
        -math.inf,
        10**400,
        -(10**400),
        [],
        {},
        b"2025-10-17",
    ],
    ids=lambda value: repr(value)[:24],
)
def test_a_timestamp_that_tells_no_clock_drift(timestamp: object) -> None:
    assert clock_drift(timestamp, NOON) is None


# Anything at all

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)
PRINTABLE = st.characters(exclude_categories=("C", "Z"), exclude_characters="/+#") | st.just(" ")
LEVELS = st.text(PRINTABLE, min_size=1, max_size=MAX_TEXT)
SITES = LEVELS.map(str.strip).filter(lambda code: code and not code.startswith("$"))
SERIALS = st.text(PRINTABLE | st.sampled_from("/+#"), min_size=1, max_size=MAX_TEXT).map(str.strip).filter(bool)
WORDS = st.sampled_from(
    ["", "s", "+", "$", *Category, *Channel, "serial_number", "timestamp", *Info._fields, "firmware", LONGEST, RTL]
)
ANY_TOPIC = ANY_TEXT | st.lists(WORDS | ANY_TEXT, min_size=3, max_size=6).map("/".join)
ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.text(min_size=64, max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
ANY_OBJECT = st.dictionaries(WORDS | ANY_TEXT, ANY_VALUE, max_size=4)
GOOD_SERIAL = st.fixed_dictionaries({"serial_number": SERIALS | st.integers(1, 2**64 - 1)})
TOPICS = st.builds("{}/{}/{}".format, SITES, st.sampled_from(["datalogger/t/1", "gateway/1"]), st.sampled_from(Channel))


def assert_safe(text: str) -> None:
    """Check that a text can be shown, stored and trusted."""
    assert 0 < len(text) <= MAX_TEXT
    assert text.isprintable()
    assert text.encode()


def assert_message(message: Heartbeat | Report | IgnoreReason) -> None:
    """Check all that the other rooms rely on."""
    if isinstance(message, IgnoreReason):
        return
    category, _, serial = message.key.partition("/")
    assert category in Category
    assert_safe(serial)
    assert serial == serial.strip()
    assert type(message.data) is dict
    if isinstance(message, Report):
        assert message.channel in (Channel.INPUT, Channel.OUTPUT)
        return
    levels = message.address.split("/")
    assert len(levels) == (1 if category == Category.GATEWAY else 2)
    for level in levels:
        assert_safe(level)
    if isinstance(message.timestamp, str):
        assert len(message.timestamp) <= MAX_TEXT
        assert message.timestamp.isprintable()
    else:
        assert message.timestamp is None or type(message.timestamp) in (int, float)
    drift = clock_drift(message.timestamp, NOON)
    assert drift is None or math.isfinite(drift)
    if message.info is not None:
        texts = [text for text in message.info if text is not None]
        assert texts
        for text in texts:
            assert_safe(text)
            assert text == text.strip()


@settings(deadline=None, max_examples=150)
@given(topic=ANY_TOPIC, payload=st.binary() | ANY_VALUE.map(lambda value: json.dumps(value).encode()))
def test_nothing_on_the_wire_raises(topic: str, payload: bytes) -> None:
    assert_message(parse(topic, payload, retained=False))


@settings(deadline=None, max_examples=150)
@given(topic=TOPICS, data=ANY_OBJECT, serial=st.just({}) | GOOD_SERIAL, retained=st.booleans())
def test_no_object_on_a_good_topic_raises(
    topic: str, data: dict[str, Any], serial: dict[str, Any], retained: bool
) -> None:
    assert_message(parse(topic, json.dumps(data | serial).encode(), retained))


@settings(deadline=None, max_examples=150)
@given(payload=st.binary(max_size=40), cut=st.integers(0, 200), at=st.integers(0, 200))
def test_a_damaged_payload_does_not_raise(payload: bytes, cut: int, at: int) -> None:
    whole = json.dumps(SERIAL | {"name": "n", "timestamp": "2025-10-17T10:00:00Z"}).encode()

    assert_message(parse(TOPIC, whole[:at] + payload + whole[at + cut :], retained=False))


@settings(deadline=None, max_examples=150)
@given(value=ANY_VALUE)
def test_nothing_unsafe_is_printable(value: object) -> None:
    text = printable(value)

    if text is not None:
        assert_safe(text)
        assert printable(text) == text


@settings(deadline=None, max_examples=150)
@given(timestamp=ANY_VALUE | st.datetimes().map(str), received=st.floats(0, 1e11))
def test_clock_drift_never_raises(timestamp: object, received: float) -> None:
    drift = clock_drift(timestamp, received)

    assert drift is None or math.isfinite(drift)


@settings(deadline=None, max_examples=150)
@given(
    site=SITES,
    levels=st.lists(LEVELS, min_size=1, max_size=2),
    channel=st.sampled_from(Channel),
    serial=SERIALS | st.integers(-(2**63), 2**64 - 1).filter(bool),
    info=st.fixed_dictionaries({}, optional=dict.fromkeys(Info._fields, SERIALS)),
    retained=st.booleans(),
)
def test_valid_messages_arrive_as_they_were_sent(
    site: str, levels: list[str], channel: Channel, serial: str | int, info: dict[str, str], retained: bool
) -> None:
    category = Category.GATEWAY if len(levels) == 1 else Category.DATALOGGER
    topic = "/".join((site, category, *levels, channel))
    data = {"serial_number": serial, **info}

    message = parse(topic, json.dumps(data).encode(), retained)

    assert is_site_code(site)
    key = device_key(category, str(serial))
    if channel is Channel.HEARTBEAT:
        assert message == Heartbeat(key, "/".join(levels), retained, None, Info(**info) if info else None, data)
    else:
        assert message == Report(key, channel, retained, data)
