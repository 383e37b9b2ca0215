"""Redaction: no serial gets out, and what is left can still be told apart and read."""

from __future__ import annotations

import pytest

from custom_components.site_devices.core.device import DeviceRecord
from custom_components.site_devices.core.redaction import Redaction


def record(serial: str, created: float = 0.0, category: str = "datalogger") -> DeviceRecord:
    return DeviceRecord(key=f"{category}/{serial}", address="monstro/1", created=created)


def redaction_of(*serials: str) -> Redaction:
    return Redaction([record(serial, created) for created, serial in enumerate(serials)])


def test_the_numbers_are_those_of_the_order_of_discovery() -> None:
    late, early = record("A", created=2.0), record("B", created=1.0)
    redaction = Redaction([late, early])
    assert redaction.records == [early, late]
    assert [redaction.serial(early), redaction.serial(late)] == ["#1", "#2"]
    # so a number stays when devices come
    redaction = Redaction([record("C", created=3.0), late, early])
    assert [redaction.serial(early), redaction.serial(late)] == ["#1", "#2"]


def test_one_serial_has_one_number_whatever_its_category() -> None:
    datalogger, gateway = record("ONE", 1.0), record("ONE", 2.0, category="gateway")
    redaction = Redaction([datalogger, gateway, record("TWO", 3.0)])
    assert redaction.serial(datalogger) == redaction.serial(gateway) == "#1"
    assert redaction.serial(redaction.records[2]) == "#2"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("TEST123", "#1"),
        ("monstro/TEST123", "monstro/#1"),
        ("xTEST123y", "x#1y"),
        ("of TEST123 and TEST456, TEST123", "of #1 and #2, #1"),
        ("test123 Test123", "#1 #1"),
        ("TEST12", "TEST12"),
        ("TEST1235", "#1 5"),  # else it would read as number 15
        ("", ""),
        ("nothing of it", "nothing of it"),
    ],
)
def test_a_serial_is_found_anywhere_in_whatever_case(text: str, redacted: str) -> None:
    assert redaction_of("TEST123", "TEST456").text(text) == redacted


@pytest.mark.parametrize(
    ("serials", "text", "redacted"),
    [
        (["LOGGER", "LOGGER7"], "LOGGER LOGGER7", "#1 #2"),  # the rest of the longer one is not left
        (["logger", "LOGGER"], "logger LOGGER", "#1 #1"),
        (["a7", "A7"], "a7 A7", "#1 #1"),
        # letters that become two in lower case leave all others where they are
        (["TEST123"], "ẞß İX TEST123", "ẞß İX #1"),
        (["Straẞe"], "STRAẞE", "#1"),
        (["a/b.c%"], "in/a%2Fb%2Ec%25.temperature", "in/#1.temperature"),  # as in the key of a data point
        ([], "anything", "anything"),
    ],
)
def test_serials_that_are_alike_or_strange_or_none_at_all(serials: list[str], text: str, redacted: str) -> None:
    assert redaction_of(*serials).text(text) == redacted


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("monstro/7", "monstro/#2"),
        ("7 (7)", "#2 (#2)"),
        ("monstro_7", "monstro_#2"),
        ("Gateway 7", "Gateway #2"),
        ("monstro/77", "monstro/77"),
        ("monstro/1 (A7)", "monstro/1 (#3)"),
        ("next to a7", "next to #3"),
        ("BA7, A7B, A77", "BA7, A7B, A77"),
        ("x/y, x%2Fy", "#4, #4"),
        ("TEST123/7, 7-TEST123", "#1/#2, #2-#1"),
        ("TEST123 and A#", "#1 and #5"),
        ("#1", "#6"),  # a serial, if a strange one
    ],
)
def test_a_short_serial_is_found_as_a_word(text: str, redacted: str) -> None:
    """Whoever says it: a device may be called after its neighbour."""
    assert redaction_of("TEST123", "7", "A7", "x/y", "A#", "#1").text(text) == redacted


@pytest.mark.parametrize(
    ("key", "redacted"),
    [
        ("in/A7.temperature", "in/#2.temperature"),
        ("out/logger%2EA7%2Fon", "out/logger%2E#2%2Fon"),
        ("in/relay.a7", "in/relay.#2"),
        ("hb/in", "hb/#3"),
        ("in/in", "in/#3"),  # what stands before the path is ours
        ("in/TEST123", "in/#1"),
    ],
)
def test_a_serial_in_the_key_of_a_data_point(key: str, redacted: str) -> None:
    assert redaction_of("TEST123", "A7", "in").key(key) == redacted


@pytest.mark.parametrize(
    ("text", "info", "unit"),
    [
        ("1.2", "1.2", "1.2"),  # in a version a number is no serial, even if there is such a one
        ("B", "B", "B"),  # nor is a letter one in a revision
        ("A7 rev. B", "#4 rev. B", "A7 rev. B"),
        ("°C", "°C", "°C"),
        ("ppm", "#6", "ppm"),  # nor anything short in a unit
        ("TEST123", "#7", "#7"),
    ],
)
def test_a_short_serial_is_left_where_it_means_something_else(text: str, info: str, unit: str) -> None:
    redaction = redaction_of("1", "1.2", "B", "A7", "C", "ppm", "TEST123")
    assert (redaction.info(text), redaction.unit(text)) == (info, unit)


def test_two_short_serials_in_a_version_that_differ_in_case_only() -> None:
    assert redaction_of("a7", "A7").info("a7 A7") == "#1 #1"
