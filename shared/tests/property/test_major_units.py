"""Decimal texts in major units and integers in minor units say the same amounts, exactly, or nothing at all."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.money import all_currencies, currency_scale, major_units, minor_units

CURRENCIES = st.sampled_from(all_currencies())


@given(st.integers(0, 2**53), CURRENCIES)
def test_there_and_back_is_the_same_amount(amount_minor, currency):
    text = major_units(amount_minor, currency)
    assert minor_units(text, currency) == amount_minor
    assert Decimal(text).scaleb(currency_scale(currency)) == amount_minor


@given(st.text(max_size=12) | st.from_regex(r"[0-9]{1,4}[.,]?[0-9]{0,5}", fullmatch=True), CURRENCIES)
def test_a_text_is_read_exactly_or_not_at_all(text, currency):
    try:
        amount_minor = minor_units(text, currency)
    except ValueError:
        return
    assert Decimal(text).scaleb(currency_scale(currency)) == amount_minor


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("1.999", "EUR"), ("19.990", "EUR"), ("1.0", "JPY"), ("1.0000", "KWD"), ("", "EUR"), (".5", "EUR"),
        ("5.", "EUR"), ("01", "EUR"), ("+1", "EUR"), ("-1", "EUR"), ("1e2", "EUR"), ("1_0", "EUR"), ("1 ", "EUR"),
        ("\u0661", "EUR"), ("1,00", "EUR"), ("NaN", "EUR"), ("1.00", "XXX"), ("1.00", "eur"), ("9" * 19, "EUR"),
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_refused(text, currency):
    with pytest.raises(ValueError, match="decimal"):
        minor_units(text, currency)


def test_the_scale_is_the_currencys():
    assert [minor_units("12", code) for code in ("JPY", "EUR", "KWD")] == [12, 1200, 12_000]
    assert [major_units(5, code) for code in ("JPY", "EUR", "KWD")] == ["5", "0.05", "0.005"]
