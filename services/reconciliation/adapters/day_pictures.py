"""Money per day and currency by band: what each item and each lone line came to, as the last run left it.

An item counts with its own amount on the day on which it happened, a line that matches nothing with its gross. Money
that no run has looked at yet counts as timing.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import sqlalchemy as sa

from services.reconciliation.domain.pictures import BAND_OF_BREAK, Band, DayPicture


def band_sql(type_column: str, state_column: str, *, without_break: str) -> str:
    """The band as SQL says it, from the same table; ``without_break`` is SQL for money that has no break."""
    cases = [
        f"WHEN {state_column} IN ({', '.join(repr(state.value) for state in states)})"
        + (f" AND {type_column} = '{kind.value}'" if kind else "")
        + f" THEN '{band.value}'"
        for kind, states, band in BAND_OF_BREAK
    ]
    return f"CASE {' '.join(cases)} ELSE {without_break} END"


_MATCHED_OR_WAITING: Final = f"CASE WHEN match_id IS NULL THEN '{Band.TIMING}' ELSE '{Band.MATCHED}' END"
_MONEY: Final = """
SELECT (i.occurred_at AT TIME ZONE 'UTC')::date AS day, i.currency, abs(i.amount_minor) AS minor, c.match_id,
       false AS lone, CASE WHEN c.match_id IS NULL THEN 'item:' || i.item_key ELSE 'line:' || c.match_id END AS subject
  FROM matchable_items AS i LEFT JOIN claims AS c USING (item_key)
 WHERE i.occurred_at >= %(first_day)s::date::timestamp AT TIME ZONE 'UTC'
   AND i.occurred_at < (%(last_day)s::date + 1)::timestamp AT TIME ZONE 'UTC'
UNION ALL
SELECT (l.occurred_at AT TIME ZONE 'UTC')::date, l.currency, abs(l.gross_minor), NULL, true,
       'line:' || l.source || ':' || l.line_id
  FROM matchable_lines AS l LEFT JOIN claims AS c USING (source, line_id)
 WHERE c.match_id IS NULL AND l.occurred_at >= %(first_day)s::date::timestamp AT TIME ZONE 'UTC'
   AND l.occurred_at < (%(last_day)s::date + 1)::timestamp AT TIME ZONE 'UTC'
"""
#: Each amount of these days with its band; ``lone``: it is a line's that matches nothing.
BANDED: Final = f"""
SELECT m.day, m.currency, m.minor, m.lone,
       {band_sql("b.type", "b.state", without_break=_MATCHED_OR_WAITING)} AS band
  FROM ({_MONEY}) AS m LEFT JOIN breaks AS b ON b.subject = m.subject AND b.state <> 'SELF_CLOSED'
"""
_PICTURES: Final = f"""
SELECT day, currency, band, sum(minor)::bigint AS minor FROM ({BANDED}) AS banded
 GROUP BY day, currency, band ORDER BY day, currency, band
"""


def day_pictures(connection: sa.Connection, first_day: date, last_day: date) -> list[DayPicture]:
    """Every day in UTC and currency with money, in order."""
    found: dict[tuple[date, str], dict[Band, int]] = {}
    values = {"first_day": first_day, "last_day": last_day}
    for day, currency, band, minor in connection.exec_driver_sql(_PICTURES, values):
        found.setdefault((day, currency), {})[Band(band)] = int(minor)
    return [DayPicture(day=day, currency=currency, minor=minor) for (day, currency), minor in found.items()]
