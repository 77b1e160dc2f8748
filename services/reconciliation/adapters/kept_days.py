"""What days came to: of a closed month as they were kept at its close, of all others as they are now.

A month closed before days were kept has none; its days are read as they are, and its exports have no such tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

import sqlalchemy as sa

from services.reconciliation.adapters.day_pictures import day_pictures
from services.reconciliation.adapters.explained_days import LEFT, explained_days
from services.reconciliation.domain.pictures import Band, DayPicture

# Kept are the days from the end of the month that was closed before; the first of all has what lies before it, too.
_KEPT: Final = """
SELECT coalesce((former AT TIME ZONE 'UTC')::date, '0001-01-01'), (ends_at AT TIME ZONE 'UTC')::date
  FROM (SELECT ends_at, keeps_days, lag(ends_at) OVER (ORDER BY ends_at) AS former FROM closed_periods) AS closed
 WHERE keeps_days ORDER BY ends_at
"""
_BANDS: Final = ", ".join(f"{band.value}_minor" for band in Band)
_PICTURES: Final = f"""
SELECT day, currency, {_BANDS} FROM period_days WHERE day BETWEEN %(first_day)s AND %(last_day)s ORDER BY day, currency
"""
_EXPLAINED: Final = f"""
SELECT day, currency, payouts, {", ".join(LEFT)}, named_by, unnamed_minor, unnamed_minor = 0 AS explained
  FROM period_explained WHERE day BETWEEN %(first_day)s AND %(last_day)s ORDER BY day, currency
"""


def pictures_as_closed(connection: sa.Connection, first_day: date, last_day: date) -> list[DayPicture]:
    """Money by band of each day and currency, in order."""
    values = {"first_day": first_day, "last_day": last_day}
    found = [
        DayPicture(
            day=day,
            currency=currency,
            minor={band: minor for band, minor in zip(Band, minors, strict=True) if minor},
        )
        for day, currency, *minors in connection.exec_driver_sql(_PICTURES, values)
    ]
    for first, last in _open_days(connection, first_day, last_day):
        found += day_pictures(connection, first, last)
    return sorted(found, key=lambda one: (one.day, one.currency))


def explained_as_closed(connection: sa.Connection, first_day: date, last_day: date) -> list[dict[str, Any]]:
    """Payouts of each day and currency explained to zero, in order."""
    values = {"first_day": first_day, "last_day": last_day}
    found = [dict(row) for row in connection.exec_driver_sql(_EXPLAINED, values).mappings()]
    for first, last in _open_days(connection, first_day, last_day):
        found += explained_days(connection, first, last)
    return sorted(found, key=lambda row: (row["day"], row["currency"]))


def _open_days(connection: sa.Connection, first_day: date, last_day: date) -> Sequence[tuple[date, date]]:
    """What of these days no closed month keeps."""
    spans = []
    start = first_day
    for kept_from, kept_to in connection.exec_driver_sql(_KEPT):
        if start < kept_from:
            spans.append((start, min(last_day, kept_from - timedelta(days=1))))
        start = max(start, kept_to)
    spans.append((start, last_day))
    return [(first, last) for first, last in spans if first <= last]
