"""Days as they were worked out: which run did it, and what the day's money had come to by band and currency."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

import orjson
import sqlalchemy as sa

from services.reconciliation.adapters.day_pictures import day_pictures
from services.reconciliation.domain.pictures import Band

_KEEP: Final = """
INSERT INTO daily_runs (day, run_id, worked_out_at) SELECT day, %(run_id)s, %(now)s FROM unnest(%(days)s::date[]) AS day
"""
_COLUMNS: Final = ", ".join(f"{band.value}_minor" for band in Band)
_FIGURES: Final = f"""
INSERT INTO day_figures (day, currency, {_COLUMNS})
SELECT day, currency, {_COLUMNS} FROM jsonb_populate_recordset(NULL::day_figures, %(rows)s::jsonb)
"""
_LIST: Final = f"""
SELECT d.day, d.run_id, d.worked_out_at, f.currency, {_COLUMNS}
  FROM daily_runs AS d LEFT JOIN day_figures AS f USING (day)
 WHERE d.day BETWEEN %(first_day)s AND %(last_day)s ORDER BY d.day, f.currency
"""


class StoredDays:
    """Days of one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def last(self) -> date | None:
        """The last day that was worked out."""
        found: date | None = self._connection.exec_driver_sql("SELECT max(day) FROM daily_runs").scalar_one()
        return found

    def anything_known(self) -> bool:
        """Whether there is an item or a file."""
        statement = "SELECT EXISTS (SELECT FROM our_items) OR EXISTS (SELECT FROM report_files)"
        return bool(self._connection.exec_driver_sql(statement).scalar_one())

    def keep(self, days: Sequence[date], run_id: str) -> None:
        """Keep the days, which follow each other, with the figures of now."""
        values = {"days": list(days), "run_id": run_id, "now": self._now}
        self._connection.exec_driver_sql(_KEEP, values)
        rows = [
            {"day": picture.day, "currency": picture.currency}
            | {f"{band.value}_minor": picture.minor.get(band, 0) for band in Band}
            for picture in day_pictures(self._connection, days[0], days[-1])
        ]
        if rows:
            self._connection.exec_driver_sql(_FIGURES, {"rows": orjson.dumps(rows).decode()})


def list_days(connection: sa.Connection, first_day: date, last_day: date) -> list[dict[str, Any]]:
    """Days in order, a row per currency; a day without money has one without."""
    values = {"first_day": first_day, "last_day": last_day}
    return [dict(row) for row in connection.exec_driver_sql(_LIST, values).mappings()]
