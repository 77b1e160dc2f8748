"""A field is read exactly or refused with a code; nothing is guessed."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from services.reconciliation.domain import report_values
from services.reconciliation.domain.report_values import FieldError, Figures

pytestmark = pytest.mark.unit
BERLIN = report_values.zone("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("1234.50", "EUR", 123_450),
        ("1234.5", "EUR", 123_450),
        ("-0.05", "EUR", -5),
        ("-0.00", "EUR", 0),
        ("7", "EUR", 700),
        ("1235", "JPY", 1_235),
        ("1.234", "KWD", 1_234),
        ("90071992547409.91", "EUR", 2**53 - 1),
    ],
)
def test_an_amount_is_exactly_what_it_says(text, currency, minor):
    assert Figures().signed(text, currency, "gross") == minor


@pytest.mark.parametrize(
    ("text", "currency", "code"),
    [
        ("1.005", "EUR", "excess_decimals"),
        ("1.000", "EUR", "excess_decimals"),
        ("1.0", "JPY", "excess_decimals"),
        ("1.2345", "KWD", "excess_decimals"),
        ("1,234.50", "EUR", "amount_malformed"),
        ("1 234", "EUR", "amount_malformed"),
        ("1.234,50", "EUR", "amount_malformed"),
        ("1e3", "EUR", "amount_malformed"),
        ("+1.00", "EUR", "amount_malformed"),
        ("--1.00", "EUR", "amount_malformed"),
        ("1_000", "EUR", "amount_malformed"),
        ("01.00", "EUR", "amount_malformed"),
        (".50", "EUR", "amount_malformed"),
        ("1.", "EUR", "amount_malformed"),
        ("", "EUR", "amount_malformed"),
        (" 1.00", "EUR", "amount_malformed"),
        ("\u0661.00", "EUR", "amount_malformed"),
        ("NaN", "EUR", "amount_malformed"),
        ("90071992547409.92", "EUR", "amount_too_large"),
    ],
)
def test_an_amount_that_could_mean_something_else_is_refused(text, currency, code):
    with pytest.raises(FieldError) as refused:
        Figures().signed(text, currency, "gross")
    assert (refused.value.code, refused.value.field) == (code, "gross")


@pytest.mark.parametrize(
    ("text", "minor"), [("1.234,50", 123_450), ("1234,5", 123_450), ("1.234.567,00", 123_456_700)]
)
def test_separators_that_were_declared_are_read(text, minor):
    assert Figures(",", ".").signed(text, "EUR", "gross") == minor


@pytest.mark.parametrize("text", ["1.23,50", "12.34", "1234.567,00", ".234,00", "1,234.50", "1.234.50"])
def test_a_group_of_another_length_than_three_is_refused(text):
    with pytest.raises(FieldError):
        Figures(",", ".").signed(text, "EUR", "gross")


def test_an_amount_beside_its_direction_carries_no_sign():
    with pytest.raises(FieldError):
        Figures().unsigned("-1.00", "EUR", "gross")


@pytest.mark.parametrize("text", ["EURO", "EU", "", "XXX", "EUX", "\u0130SK", "E R"])
def test_a_currency_that_is_none_is_refused(text):
    with pytest.raises(FieldError, match="currency_unknown"):
        report_values.currency(text, "currency")


def test_a_currency_may_be_written_small():
    assert report_values.currency("usd", "currency") == "USD"


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-27 14:05:06", "2026-11-27 13:05:06"),
        ("2026-07-01T14:05:06.25", "2026-07-01 12:05:06.250000"),
        ("2026-07-01 14:05:06Z", "2026-07-01 14:05:06"),
        ("2026-07-01 14:05:06+05:30", "2026-07-01 08:35:06"),
        ("2026-07-01", "2026-06-30 22:00:00"),
        # The hours around both changes of the clocks, of which each is shown once.
        ("2026-03-29 01:59:59", "2026-03-29 00:59:59"),
        ("2026-03-29 03:00:00", "2026-03-29 01:00:00"),
        ("2026-10-25 01:59:59", "2026-10-24 23:59:59"),
        ("2026-10-25 03:00:00", "2026-10-25 02:00:00"),
    ],
)
def test_a_local_time_is_one_instant(text, utc):
    assert report_values.moment(text, BERLIN, "created") == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("2026-10-25 02:30:00", "time_ambiguous"),
        ("2026-10-25 02:00:00", "time_ambiguous"),
        ("2026-03-29 02:30:00", "time_nonexistent"),
        ("2026-03-29 02:00:00", "time_nonexistent"),
        ("2026-02-29 02:30:00", "time_malformed"),
        ("2026-11-27 24:00:00", "time_malformed"),
        ("27.11.2026 14:05:06", "time_malformed"),
        ("2026-11-27 14:05", "time_malformed"),
        ("20261127", "time_malformed"),
        ("2026-W48-5", "time_malformed"),
        ("", "time_malformed"),
    ],
)
def test_a_time_that_is_no_instant_is_refused(text, code):
    with pytest.raises(FieldError, match=code):
        report_values.moment(text, BERLIN, "created")


@pytest.mark.parametrize(("name", "utc_hour"), [("CEST", 0), ("CET", 1)])
def test_an_abbreviation_tells_the_two_readings_of_a_repeated_hour_apart(name, utc_hour):
    wall = datetime.fromisoformat("2026-10-25 02:30:00")
    assert report_values.in_utc(wall, BERLIN, "created", name) == datetime(
        2026, 10, 25, utc_hour, 30, tzinfo=UTC
    )


def test_an_abbreviation_that_does_not_hold_then_is_refused():
    with pytest.raises(FieldError, match="time_zone_contradicted"):
        report_values.in_utc(datetime.fromisoformat("2026-07-01 12:00:00"), BERLIN, "created", "CET")


def test_a_time_without_any_zone_is_refused():
    with pytest.raises(FieldError, match="time_zone_missing"):
        report_values.moment("2026-11-27 14:05:06", None, "created")


def test_a_day_is_a_day_and_nothing_else():
    assert report_values.day("2026-11-27", "booked") == date(2026, 11, 27)
    for text in ("2026-11-31", "20261127", "2026-11-27T00:00:00", ""):
        with pytest.raises(FieldError):
            report_values.day(text, "booked")


@pytest.mark.parametrize("text", ["", "a b", "caf\u00e9", "x" * 256, "a\x00"])
def test_an_id_is_visible_ascii(text):
    with pytest.raises(FieldError):
        report_values.visible(text, "id")
