"""When a processor has to report what happened: business days of its own calendar, in its own time zone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

SATURDAY: Final = 5
#: No calendar closes for longer; a set of holidays that does is a mistake that must not loop.
CLOSED_DAYS_MAX: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """A processor's days of business, and after how many of them it reports."""

    time_zone: str = "UTC"
    settles_after_days: int = 2
    """Business days after the day on which it happened; a line that comes later is late."""
    lost_after_days: int = 5
    """Business days after that: what has not come by then is not late, it is missing."""
    holidays: frozenset[date] = field(default_factory=frozenset)

    def is_open(self, day: date) -> bool:
        """Whether the processor works on that day."""
        return day.weekday() < SATURDAY and day not in self.holidays

    def add_days(self, day: date, days: int) -> date:
        """The day that many business days later; from a closed day on it is counted from the next open one."""
        day = self._open_from(day)
        for _ in range(days):
            day = self._open_from(day + timedelta(days=1))
        return day

    def expected_by(self, occurred_at: datetime) -> datetime:
        """The moment from which on a line of it is late: the end of its last day, by the processor's clock."""
        return self._end_of(self.add_days(self._day_of(occurred_at), self.settles_after_days))

    def lost_by(self, occurred_at: datetime) -> datetime:
        """The moment from which on it is not late but missing."""
        days = self.settles_after_days + self.lost_after_days
        return self._end_of(self.add_days(self._day_of(occurred_at), days))

    def _day_of(self, moment: datetime) -> date:
        return moment.astimezone(ZoneInfo(self.time_zone)).date()

    def _end_of(self, day: date) -> datetime:
        # Midnight of the next day by the wall, whatever daylight saving does in between.
        midnight = datetime.combine(day + timedelta(days=1), time.min, ZoneInfo(self.time_zone))
        return midnight.astimezone(UTC)

    def _open_from(self, day: date) -> date:
        for offset in range(CLOSED_DAYS_MAX):
            candidate = day + timedelta(days=offset)
            if self.is_open(candidate):
                return candidate
        raise ValueError(f"no open day within {CLOSED_DAYS_MAX} days of {day}")


class DueTimes:
    """What a calendar says of each day, worked out once; for as many moments as a batch has."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._zone = ZoneInfo(calendar.time_zone)
        self._of_day: dict[date, tuple[datetime, datetime]] = {}

    def of(self, occurred_at: datetime) -> tuple[datetime, datetime]:
        """When a line of it is late, and when it is missing: all that happens on one day is due at the same moments."""
        day = occurred_at.astimezone(self._zone).date()
        due = self._of_day.get(day)
        if due is None:
            due = self._of_day[day] = (
                self._calendar.expected_by(occurred_at), self._calendar.lost_by(occurred_at),
            )  # fmt: skip
        return due
