"""How reports write amounts, currencies, times and ids: each read exactly, or refused with a code; never guessed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.kernel.errors import Rejected
from shared.kernel.money import currency_scale, minor_units, normalise_currency

MINOR_MAX: Final = 2**53 - 1
"""The largest amount that an event may carry."""
_PLAIN: Final = re.compile(r"[0-9]+(?:\.([0-9]+))?", re.ASCII)
_VISIBLE: Final = re.compile(r"[!-~]+")
_RATE: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,18})?", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})?",
    re.ASCII,
)


class FieldError(Exception):
    """One field of one line cannot be read; the line goes into quarantine with these three words."""

    def __init__(self, code: str, field: str, expected: str) -> None:
        super().__init__(f"{code}: {field}: expected {expected}")
        self.code, self.field, self.expected = code, field, expected


@lru_cache(maxsize=1024)
def _known_currency(text: str) -> str | None:
    try:
        return normalise_currency(text)
    except Rejected:
        return None


def currency(text: str, field: str) -> str:
    """The ISO 4217 code in upper case."""
    code = _known_currency(text) if len(text) == len("EUR") else None
    if code is None:
        raise FieldError("currency_unknown", field, "an ISO 4217 currency with a minor unit")
    return code


@dataclass(frozen=True, slots=True)
class Figures:
    """How a source writes amounts in major units. A thousands separator is refused unless it was declared."""

    decimal_separator: str = "."
    thousands_separator: str = ""

    def signed(self, text: str, code: str, field: str) -> int:
        """Minor units of an amount that may be negative (``-12.30``)."""
        if text.startswith("-"):
            return -self.unsigned(text[1:], code, field)
        return self.unsigned(text, code, field)

    def unsigned(self, text: str, code: str, field: str) -> int:
        """Minor units of an amount that carries no sign, because something beside it says the direction."""
        plain = text
        if self.thousands_separator and self.thousands_separator in text:
            plain = self._ungrouped(text, field)
        if self.decimal_separator != ".":
            if "." in plain:
                raise FieldError("amount_malformed", field, f"{self.decimal_separator!r} before the decimals")
            plain = plain.replace(self.decimal_separator, ".")
        try:
            minor = minor_units(plain, code)
        except ValueError:
            raise self._refused(plain, code, field) from None
        if minor > MINOR_MAX:
            raise FieldError("amount_too_large", field, f"at most {MINOR_MAX} minor units")
        return minor

    def _ungrouped(self, text: str, field: str) -> str:
        whole, point, decimals = text.partition(self.decimal_separator)
        groups = whole.split(self.thousands_separator)
        if not 1 <= len(groups[0]) <= 3 or any(len(group) != 3 for group in groups[1:]):  # noqa: PLR2004
            raise FieldError("amount_malformed", field, "thousands in groups of three digits")
        return "".join(groups) + point + decimals

    @staticmethod
    def _refused(plain: str, code: str, field: str) -> FieldError:
        stated = _PLAIN.fullmatch(plain)
        scale = currency_scale(code)
        if stated is not None and len(stated[1] or "") > scale:
            return FieldError("excess_decimals", field, f"at most {scale} decimals, as {code} has")
        return FieldError("amount_malformed", field, "a decimal amount in major units, such as 1234.50")


def visible(text: str, field: str, most: int = 255) -> str:
    """An id as somebody else gave it: visible ASCII, not empty."""
    if len(text) > most or not _VISIBLE.fullmatch(text):
        raise FieldError("id_malformed", field, f"1 to {most} visible ASCII characters")
    return text


def visible_or_none(text: str, field: str, most: int = 255) -> str | None:
    """The same for a field that may be empty."""
    return visible(text, field, most) if text else None


def words(text: str, field: str, most: int = 255) -> str:
    """Text as somebody else wrote it, not empty."""
    if not 0 < len(text) <= most:
        raise FieldError("text_length", field, f"1 to {most} characters")
    return text


def words_or_none(text: str, field: str, most: int = 255) -> str | None:
    """The same for a field that may be empty."""
    return words(text, field, most) if text else None


def rate(text: str, field: str) -> str:
    """A rate exactly as written, never a binary fraction."""
    if not _RATE.fullmatch(text):
        raise FieldError("rate_malformed", field, "a decimal number such as 1.0825")
    return text


def day(text: str, field: str) -> date:
    """A day written ``2026-11-27``."""
    try:
        return date.fromisoformat(text if _DATE.fullmatch(text) else "")
    except ValueError:
        raise FieldError("date_malformed", field, "a day such as 2026-11-27") from None


def wall_time(text: str, field: str) -> datetime:
    """A time written ``2026-11-27 14:05:06``; it knows its offset where the text gives one."""
    try:
        return datetime.fromisoformat(text if _TIME.fullmatch(text) else "")
    except ValueError:
        raise FieldError("time_malformed", field, "a time such as 2026-11-27 14:05:06") from None


def moment(text: str, where: ZoneInfo | None, field: str) -> datetime:
    """The instant of a time, or of the beginning of a day, in that zone."""
    if _DATE.fullmatch(text):
        return in_utc(datetime.combine(day(text, field), time()), where, field)
    return in_utc(wall_time(text, field), where, field)


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo | None:
    """The zone of that IANA name, if there is one."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


_UTC_ZONE: Final = zone("UTC")


def in_utc(wall: datetime, where: ZoneInfo | None, field: str, abbreviation: str | None = None) -> datetime:
    """The instant that clocks in that zone show so; at the ends of the calendar it may be none that can be told.

    An hour that a change of the clocks repeats is refused unless the abbreviation beside it (CET or CEST) says which
    of the two is meant; an hour that the change leaves out, or an abbreviation that does not hold then, is refused.
    """
    try:
        return _instant(wall, where, field, abbreviation)
    except OverflowError as beyond:
        raise FieldError("time_malformed", field, "a time that is one in UTC as well") from beyond


def _instant(wall: datetime, where: ZoneInfo | None, field: str, abbreviation: str | None) -> datetime:
    if wall.tzinfo is not None:
        return wall.astimezone(UTC)
    if where is _UTC_ZONE and abbreviation is None:
        return wall.replace(tzinfo=UTC)
    if where is None:
        raise FieldError("time_zone_missing", field, "a time zone, in the file or declared for the source")
    first, second = wall.replace(tzinfo=where, fold=0), wall.replace(tzinfo=where, fold=1)
    earlier, later = first.utcoffset() or timedelta(), second.utcoffset() or timedelta()
    if earlier < later:
        # PEP 495: in an hour that is left out the first reading has the smaller offset, in a repeated one the larger.
        raise FieldError("time_nonexistent", field, "an hour that the change of the clocks did not leave out")
    candidates = [first] if earlier == later else [first, second]
    if abbreviation is not None:
        candidates = [each for each in candidates if each.tzname() == abbreviation]
    if not candidates:
        raise FieldError(
            "time_zone_contradicted", field, f"a time at which {where.key} is called {abbreviation}"
        )
    if len(candidates) > 1:
        raise FieldError(
            "time_ambiguous", field, "an hour that the change of the clocks did not repeat, or its offset"
        )
    return candidates[0].astimezone(UTC)
