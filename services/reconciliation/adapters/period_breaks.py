"""The breaks of a closed month as they stood at its close, whatever became of them since."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import sqlalchemy as sa

from services.reconciliation.adapters.break_queue import RANK
from services.reconciliation.domain.break_life import BreakState

_CLOSED: Final = """
SELECT period, run_id, closed_at, keeps_days FROM closed_periods
 WHERE starts_at <= %(day)s::date::timestamp AT TIME ZONE 'UTC'
   AND ends_at > %(day)s::date::timestamp AT TIME ZONE 'UTC'
"""
# What both sides said is in the history: its last row before the close. When it began never changes.
_ROWS: Final = f"""
SELECT b.break_id, b.subject, b.type, b.state, b.currency, b.at_risk_minor, said.ours_minor, said.theirs_minor, n.since,
       floor(extract(epoch FROM c.closed_at - n.since) / 86400)::int AS age_days
  FROM period_breaks AS b JOIN closed_periods AS c USING (period) JOIN breaks AS n USING (break_id)
 CROSS JOIN LATERAL (
       SELECT ours_minor, theirs_minor FROM break_history AS h
        WHERE h.break_id = b.break_id AND h.at <= c.closed_at ORDER BY nth DESC LIMIT 1) AS said
 WHERE b.period = %(period)s ORDER BY {RANK} DESC, b.break_id LIMIT %(limit)s
"""
_BY_TYPE: Final = """
SELECT b.type, b.currency, count(*) AS breaks, sum(b.at_risk_minor)::bigint AS at_risk_minor, min(n.since) AS oldest
  FROM period_breaks AS b JOIN breaks AS n USING (break_id)
 WHERE b.period = %(period)s GROUP BY b.type, b.currency ORDER BY b.type, b.currency
"""


def closed_month_of(connection: sa.Connection, day: date) -> Mapping[str, Any] | None:
    """The closed month of a day with the moment of its close; None while it is open."""
    row = connection.exec_driver_sql(_CLOSED, {"day": day}).mappings().first()
    return None if row is None else dict(row)


def breaks_at_close(connection: sa.Connection, period: str, *, limit: int) -> list[dict[str, Any]]:
    """Those that stood, the most money at risk first, as old as they were then."""
    rows = connection.exec_driver_sql(_ROWS, {"period": period, "limit": limit}).mappings()
    return [dict(row) | {"state": BreakState(row["state"])} for row in rows]


def breaks_by_type_at_close(connection: sa.Connection, period: str) -> list[dict[str, Any]]:
    """How many of each type and currency, and what was at risk."""
    return [dict(row) for row in connection.exec_driver_sql(_BY_TYPE, {"period": period}).mappings()]
