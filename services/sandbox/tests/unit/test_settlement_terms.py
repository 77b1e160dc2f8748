"""The calendar, the rates and the tariff: known figures."""

from datetime import date

import pytest

from services.sandbox.domain.bank import account_number
from services.sandbox.domain.business_days import business_days_after, is_business_day
from services.sandbox.domain.exchange import converted, rate_text
from services.sandbox.domain.terms import TERMS


@pytest.mark.parametrize(
    ("day", "open_"),
    [
        ("2026-04-02", True),
        ("2026-04-03", False),  # Good Friday
        ("2026-04-06", False),  # Easter Monday
        ("2026-05-01", False),
        ("2026-05-14", True),  # Ascension Day: TARGET works
        ("2026-12-25", False),
        ("2026-12-26", False),
        ("2027-01-01", False),
        ("2026-11-28", False),  # Saturday
        ("2026-11-30", True),
    ],
)
def test_banks_book_on_targets_days(day, open_):
    assert is_business_day(date.fromisoformat(day)) is open_


@pytest.mark.parametrize(
    ("day", "count", "after"),
    [
        ("2026-11-27", 1, "2026-11-30"),
        ("2026-11-28", 0, "2026-11-30"),
        ("2026-11-28", 1, "2026-12-01"),
        ("2026-04-02", 2, "2026-04-08"),
        ("2026-12-24", 1, "2026-12-28"),
    ],
)
def test_business_days_are_counted_from_the_next_one(day, count, after):
    assert business_days_after(date.fromisoformat(day), count) == date.fromisoformat(after)


@pytest.mark.parametrize(
    ("amount_minor", "currency", "net_currency", "rate", "net_minor"),
    [
        (10_000, "USD", "EUR", "0.92437", 9_244),
        (-10_000, "USD", "EUR", "0.92437", -9_244),
        (1_000, "JPY", "EUR", "0.00612300", 612),
        (1_000, "EUR", "JPY", "163.5", 1_635),
        (1_500, "KWD", "EUR", "3.0015", 450),
        (1, "EUR", "EUR", "0.5", 1),
    ],
)
def test_an_amount_is_converted_to_the_last_minor_unit(amount_minor, currency, net_currency, rate, net_minor):
    assert converted(amount_minor, currency, net_currency, rate) == net_minor


def test_a_days_rate_is_the_same_whenever_it_is_asked_for():
    day = date(2026, 11, 27)
    assert rate_text("USD", "EUR", day) == rate_text("USD", "EUR", day)
    assert rate_text("USD", "EUR", day) != rate_text("USD", "EUR", date(2026, 11, 28))


@pytest.mark.parametrize(
    ("processor", "charged_minor", "currency", "fee_minor"),
    [
        ("alpha", 10_000, "EUR", 175),
        ("alpha", 10_000, "USD", 320),
        ("alpha", 10_000, "JPY", 360),
        ("alpha", 10_000, "KWD", 590),  # three decimals: 2.9 % and 0.300
        ("beta", 10_000, "EUR", 130),
        ("beta", 10_000, "JPY", 250),  # 0.10 of a yen is none
    ],
)
def test_a_charge_costs_what_the_tariff_says(processor, charged_minor, currency, fee_minor):
    assert TERMS[processor].fee_minor(charged_minor, currency) == fee_minor


def test_account_numbers_have_right_check_digits():
    for currency in ("EUR", "USD", "JPY"):
        number = account_number(currency)
        moved = number[4:] + number[:4]
        assert int("".join(str(int(sign, 36)) for sign in moved)) % 97 == 1
        assert len(number) == 22
