"""The rate of a line whose report states both amounts of an exchange, and no rate."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from shared.kernel.money import currency_scale

RATE_DECIMALS: Final = 18
"""As many as an event carries: the rate gives the net amount back to the minor unit."""
_WHOLE_DIGITS_MAX: Final = 12


def stated_rate(gross_minor: int, currency: str, net_minor: int, net_currency: str) -> str | None:
    """Net currency per unit of the gross one, in major units: their quotient, rounded half up at the 18th decimal.

    None where there is none to state: one of the amounts is zero, they go two ways, or it is beyond all rates.
    """
    if gross_minor * net_minor <= 0:
        return None
    scale = Fraction(10) ** (currency_scale(currency) - currency_scale(net_currency))
    exact = Fraction(net_minor, gross_minor) * scale * 10**RATE_DECIMALS
    digits = (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)
    text = str(digits).rjust(RATE_DECIMALS + 1, "0")
    whole, decimals = text[:-RATE_DECIMALS], text[-RATE_DECIMALS:].rstrip("0")
    if not digits or len(whole) > _WHOLE_DIGITS_MAX:
        return None
    return f"{whole}.{decimals}" if decimals else whole
