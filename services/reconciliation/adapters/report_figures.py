"""What the report page shows of some days: money by band, explained to zero, breaks, files, and the last run.

Where the last of the days is in a closed month, everything is as it was at its close, whatever became of it: days and
breaks as they stood, the files that it was computed from, the close's own run. So the page has the same bytes for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa

from services.reconciliation.adapters.break_queue import Wanted, queue
from services.reconciliation.adapters.breaks import STANDING
from services.reconciliation.adapters.kept_days import explained_as_closed, pictures_as_closed
from services.reconciliation.adapters.period_breaks import (
    breaks_at_close,
    breaks_by_type_at_close,
    closed_month_of,
)
from services.reconciliation.adapters.runs import list_runs, one_run
from services.reconciliation.domain.pictures import DayPicture
from shared.kernel.errors import Rejected

#: A year of days can still be drawn and read.
DAYS_MAX: Final = 366
BREAKS_MAX: Final = 100
FILES_MAX: Final = 200
_BY_TYPE: Final = f"""
SELECT type, currency, count(*) AS breaks, sum(at_risk_minor)::bigint AS at_risk_minor, min(since) AS oldest
  FROM breaks WHERE state IN ({STANDING}) GROUP BY type, currency ORDER BY type, currency
"""
_FILES: Final = f"""
SELECT source, name, state, encode(sha256, 'hex') AS sha256, received_at, line_count, quarantined_count, refused_code
  FROM report_files
 WHERE ((received_at AT TIME ZONE 'UTC')::date BETWEEN %(first_day)s AND %(last_day)s
    OR (period_from < (%(last_day)s::date + 1)::timestamp AT TIME ZONE 'UTC'
        AND period_to >= %(first_day)s::date::timestamp AT TIME ZONE 'UTC'))
   AND (%(period)s::text IS NULL OR file_id IN (SELECT file_id FROM period_files WHERE period <= %(period)s))
 ORDER BY source, nth LIMIT {FILES_MAX}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFigures:
    """Everything on the page; two readings of the same data are equal."""

    first_day: date
    last_day: date
    as_of: datetime
    last_run: Mapping[str, Any] | None
    pictures: Sequence[DayPicture]
    explained: Sequence[Mapping[str, Any]]
    closed: Mapping[str, Any] | None
    """The month whose breaks these are, as it was closed; None: they stand now."""
    breaks_by_type: Sequence[Mapping[str, Any]]
    breaks: Sequence[Mapping[str, Any]]
    files: Sequence[Mapping[str, Any]]


def report_figures(
    connection: sa.Connection, now: datetime, first_day: date, last_day: date
) -> ReportFigures:
    """Read it in one snapshot; days in UTC, both included. Too many days are the caller's mistake."""
    check_days(first_day, last_day)
    closed = closed_month_of(connection, last_day)
    fixed = closed if closed is not None and closed["keeps_days"] else None
    of_files = {"first_day": first_day, "last_day": last_day, "period": fixed["period"] if fixed else None}
    if closed is None:
        by_type = _rows(connection, _BY_TYPE, {})
        breaks = queue(connection, now, Wanted(), limit=BREAKS_MAX).breaks
    else:
        by_type = breaks_by_type_at_close(connection, closed["period"])
        breaks = breaks_at_close(connection, closed["period"], limit=BREAKS_MAX)
    return ReportFigures(
        first_day=first_day,
        last_day=last_day,
        as_of=fixed["closed_at"] if fixed else now,
        last_run=one_run(connection, fixed["run_id"])
        if fixed
        else next(iter(list_runs(connection, 1)), None),
        pictures=pictures_as_closed(connection, first_day, last_day),
        explained=explained_as_closed(connection, first_day, last_day),
        closed=closed,
        breaks_by_type=by_type,
        breaks=breaks,
        files=_rows(connection, _FILES, of_files),
    )


def check_days(first_day: date, last_day: date) -> None:
    """Refuse days that are in the wrong order, or too many."""
    if not 0 <= (last_day - first_day).days < DAYS_MAX:
        raise Rejected(
            "days_invalid",
            f"last_day is not before first_day, and they are at most {DAYS_MAX} days",
            status=400,
            param="last_day",
            stored=False,
        )


def _rows(connection: sa.Connection, query: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.exec_driver_sql(query, dict(values)).mappings()]
