"""Owns the calendar of the sandbox's bank and processors: weekends and the closing days of the euro's TARGET system."""

from datetime import date, timedelta
from functools import lru_cache
from typing import Final

from dateutil.easter import easter

_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 5
FIXED_CLOSING_DAYS: Final = ((1, 1), (5, 1), (12, 25), (12, 26))
"""Month and day."""
EASTER_CLOSING_DAYS: Final = (timedelta(days=-2), timedelta(days=1))
"""Good Friday and Easter Monday, from Easter Sunday."""


@lru_cache(maxsize=64)
def _closing_days(year: int) -> frozenset[date]:
    sunday: date = easter(year)
    fixed = {date(year, month, day) for month, day in FIXED_CLOSING_DAYS}
    return frozenset(fixed | {sunday + offset for offset in EASTER_CLOSING_DAYS})


def is_business_day(day: date) -> bool:
    """Whether banks book on that day."""
    return day.weekday() < _SATURDAY and day not in _closing_days(day.year)


def business_days_after(day: date, count: int) -> date:
    """The business day that many business days after ``day``; none of them: the day itself or the next one."""
    found = day
    while not is_business_day(found):
        found += _DAY
    for _ in range(count):
        found += _DAY
        while not is_business_day(found):
            found += _DAY
    return found
