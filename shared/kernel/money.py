"""Money: integer minor units with a currency; two currencies never add."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from iso4217 import Currency

from shared.kernel.errors import InvariantViolation, Rejected

# Codes without a minor unit (gold, test, no currency at all) cannot be charged and are left out.
_SCALES: Final[dict[str, int]] = {
    currency.code: currency.exponent for currency in Currency if currency.exponent is not None
}
_MAJOR: Final = re.compile(r"(0|[1-9][0-9]{0,17})(?:\.([0-9]{1,6}))?", re.ASCII)


def currency_scale(code: str) -> int:
    """Return how many decimals the currency's minor unit has: 2 for EUR, 0 for JPY, 3 for KWD."""
    try:
        return _SCALES[code]
    except KeyError:
        raise Rejected(
            "currency_unknown",
            f"{code!r} is not an ISO 4217 currency",
            status=400,
            param="currency",
            stored=False,
        ) from None


def all_currencies() -> list[str]:
    """Return every currency that can be charged, in alphabetical order."""
    return sorted(_SCALES)


def is_currency(code: str) -> bool:
    """Whether it is a currency that can be counted. What was stored may be none any more: a list of them changes."""
    return code in _SCALES


def normalise_currency(text: str) -> str:
    """Return the upper-case code, or raise ``Rejected('currency_unknown')``."""
    # isascii first: upper() maps letters such as the long s into ASCII.
    code = text.upper() if text.isascii() else text
    currency_scale(code)
    return code


def minor_units(text: str, currency: str) -> int:
    """Return the minor units that a decimal text in major units states exactly, or raise ``ValueError``.

    ``19.99`` EUR is 1999. More decimals than the currency has are refused even where they are zeros: whoever
    writes them means another currency or another unit, and an amount is never guessed.
    """
    stated = _MAJOR.fullmatch(text)
    scale = _SCALES.get(currency)
    if stated is None or scale is None:
        raise ValueError("not a decimal amount of a currency")
    whole, decimals = stated[1], stated[2] or ""
    if len(decimals) > scale:
        raise ValueError("more decimals than the currency has")
    return int(whole + decimals.ljust(scale, "0"))


def major_units(amount_minor: int, currency: str) -> str:
    """Return the amount as a decimal text with all of the currency's decimals: 1999 EUR is ``19.99``."""
    scale = currency_scale(currency)
    if amount_minor < 0:
        raise InvariantViolation("major_units_positive", f"{amount_minor} has no text without a sign")
    digits = str(amount_minor).rjust(scale + 1, "0")
    return f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits


def signed_major_units(amount_minor: int, currency: str) -> str:
    """The same for a balance, which may be negative: -5 EUR is ``-0.05``."""
    return ("-" if amount_minor < 0 else "") + major_units(abs(amount_minor), currency)


def shown_units(amount_minor: int, currency: str) -> str:
    """The same for people, of whatever is stored: in a currency that nobody can count, the minor units, and that."""
    if not is_currency(currency):
        return f"{amount_minor} (minor units)"
    return signed_major_units(amount_minor, currency)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount that knows its currency. Negative ones are legal here; commands refuse them at the door."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        """Refuse floats and booleans (which Python would add happily) and unknown currencies."""
        if type(self.amount_minor) is not int:
            raise InvariantViolation("money_is_integer", f"{self.amount_minor!r} is not an integer")
        if self.currency not in _SCALES:
            raise InvariantViolation("money_currency", f"{self.currency!r} is not a currency")

    def __add__(self, other: Money) -> Money:
        """Add an amount of the same currency."""
        return Money(self.amount_minor + self._same(other).amount_minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        """Subtract an amount of the same currency."""
        return Money(self.amount_minor - self._same(other).amount_minor, self.currency)

    def __neg__(self) -> Money:
        """Return the opposite amount."""
        return Money(-self.amount_minor, self.currency)

    def _same(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise InvariantViolation("money_one_currency", f"{self.currency} and {other.currency} do not mix")
        return other
