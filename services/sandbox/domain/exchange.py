"""Owns the sandbox's exchange rates: one per pair of currencies and day, stated to the last digit, and exact sums."""

import hashlib
from collections.abc import Mapping
from datetime import date
from typing import Final

from shared.kernel.errors import InvariantViolation
from shared.kernel.money import currency_scale

PARTS_PER_EURO: Final[Mapping[str, int]] = {
    "EUR": 100_000_000,
    "USD": 92_430_000,
    "GBP": 117_050_000,
    "CHF": 105_310_000,
    "SEK": 8_870_000,
    "PLN": 23_260_000,
    "JPY": 612_300,
    "KWD": 300_150_000,
}
"""What one unit of the currency is worth, in hundred-millionths of a euro, before the day's drift."""
RATE_DECIMALS: Final = 8
DRIFT_STEPS: Final = 100
"""A day's rate lies up to this many ten-thousandths on either side."""
_TEN_THOUSAND: Final = 10_000


def rate_text(currency: str, net_currency: str, day: date) -> str:
    """Net currency per unit of ``currency`` on that day, in major units, with all of its decimals."""
    try:
        worth, price = PARTS_PER_EURO[currency], PARTS_PER_EURO[net_currency]
    except KeyError as error:
        raise InvariantViolation("exchange_rate", f"no rate is known for {error}") from None
    drawn = hashlib.sha256(f"{currency}{net_currency}|{day.isoformat()}".encode()).digest()
    drift = int.from_bytes(drawn[:4]) % (2 * DRIFT_STEPS + 1) - DRIFT_STEPS
    digits = worth * 10**RATE_DECIMALS * (_TEN_THOUSAND + drift) // (price * _TEN_THOUSAND)
    text = str(digits).rjust(RATE_DECIMALS + 1, "0")
    return f"{text[:-RATE_DECIMALS]}.{text[-RATE_DECIMALS:]}"


def converted(amount_minor: int, currency: str, net_currency: str, rate: str) -> int:
    """The amount in the net currency's minor units, rounded half away from zero."""
    whole, _, decimals = rate.partition(".")
    above = abs(amount_minor) * int(whole + decimals) * 10 ** currency_scale(net_currency)
    rounded = divided_half_up(above, 10 ** (len(decimals) + currency_scale(currency)))
    return rounded if amount_minor >= 0 else -rounded


def divided_half_up(above: int, below: int) -> int:
    """A quotient of whole numbers that are not negative, rounded half up."""
    return (2 * above + below) // (2 * below)
