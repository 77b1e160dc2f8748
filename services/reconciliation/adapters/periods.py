"""Repository of months: their closes, their figures, and what these are computed from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from services.reconciliation.adapters import (
    finding_breaks_sql,
    hand_matching_sql,
    matching_sql,
    period_figures_sql,
)
from services.reconciliation.adapters.period_tables import digest_parts
from services.reconciliation.app.close_month import WorkedOut
from services.reconciliation.domain.periods import PeriodClose, Unfinished
from shared.kernel.decisions import DecisionState
from shared.kernel.months import Month

_COLUMNS: Final = (
    "close_id", "period", "digest", "reason", "state", "proposed_by", "proposed_at", "decided_by", "decided_at",
    "decision_reason",
)  # fmt: skip
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM period_closes"
_ADD: Final = """
INSERT INTO period_closes (close_id, period, digest, reason, state, proposed_by, proposed_at)
VALUES (%(close_id)s, %(period)s, %(digest)s, %(reason)s, 'PROPOSED', %(proposed_by)s, %(proposed_at)s)
"""
_DECIDE: Final = """
UPDATE period_closes SET state = %(state)s, decided_by = %(decided_by)s, decided_at = %(decided_at)s,
       decision_reason = %(decision_reason)s
 WHERE close_id = %(close_id)s
"""
_CLOSE: Final = """
INSERT INTO closed_periods (period, close_id, digest, starts_at, ends_at, run_id, rules, rules_version, closed_at,
                            keeps_days)
VALUES (%(period)s, %(close_id)s, %(digest)s, %(starts_at)s, %(ends_at)s, %(run_id)s, %(rules)s::jsonb,
        %(rules_version)s, %(closed_at)s, true)
"""
# What was declared and given up, and what therefore has to be kept to compute the month once more.
_RULES: Final = """
WITH by_hand AS (
    SELECT h.hand_match_id, source, line_id FROM claims AS c JOIN hand_match_lines AS h USING (source, line_id)
     WHERE c.rule = 'by_hand' AND h.holds)
SELECT jsonb_build_object(
    'sources', (SELECT coalesce(jsonb_agg(to_jsonb(s) ORDER BY s.source), '[]') FROM sources AS s),
    'tolerances', (SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY t.source, t.currency, t.field), '[]')
                     FROM tolerances AS t),
    'agreed_fees', (SELECT coalesce(jsonb_agg(to_jsonb(a) ORDER BY a.source, a.category, a.currency), '[]')
                      FROM agreed_fees AS a),
    'processor_calendars', (SELECT coalesce(jsonb_agg(to_jsonb(p) ORDER BY p.processor), '[]')
                              FROM processor_calendars AS p),
    -- What the close's run matched by hand, whatever was agreed since. Computed once more nothing is told, so that each
    -- line's reading is its first.
    'hand_matches', (SELECT coalesce(jsonb_agg(to_jsonb(m) ORDER BY m.hand_match_id), '[]') FROM hand_matches AS m
                      WHERE EXISTS (SELECT FROM by_hand AS b WHERE b.hand_match_id = m.hand_match_id)),
    'hand_match_lines', (SELECT coalesce(jsonb_agg(to_jsonb(h) || '{"revision": 1}' ORDER BY h.source, h.line_id), '[]')
                           FROM hand_match_lines AS h JOIN by_hand USING (hand_match_id, source, line_id)),
    'hand_match_items', (SELECT coalesce(jsonb_agg(to_jsonb(h) ORDER BY h.item_key), '[]')
                           FROM hand_match_items AS h
                          WHERE EXISTS (SELECT FROM by_hand AS b WHERE b.hand_match_id = h.hand_match_id)
                            AND h.item_key IN (SELECT item_key FROM claims WHERE rule = 'by_hand')),
    -- Of what we gave up, what types a line that matches nothing.
    'given_up', (SELECT coalesce(jsonb_agg(DISTINCT to_jsonb(g)), '[]')
                   FROM matchable_lines AS l LEFT JOIN claims AS c USING (source, line_id)
                   JOIN given_up AS g ON g.name = l.our_reference AND g.category = l.category
                  WHERE c.match_id IS NULL))::text
"""
_FORMER_END: Final = (
    "SELECT max(ends_at) AT TIME ZONE 'UTC' FROM closed_periods WHERE ends_at <= %(starts_at)s"
)
_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended('reconciliation closing', 0))"
_PATIENCE: Final = (
    "SET LOCAL statement_timeout = '30min'",
    "SET LOCAL lock_timeout = '30min'",
    "SET LOCAL idle_in_transaction_session_timeout = '60s'",
)
_CLOSED: Final = """
SELECT c.period, c.close_id, c.run_id, c.rules_version, encode(c.digest, 'hex') AS digest, c.starts_at, c.ends_at,
       c.closed_at, p.proposed_by, p.decided_by AS approved_by
  FROM closed_periods AS c JOIN period_closes AS p USING (close_id)
"""


def rules_version() -> str:
    """The version of the rules in the code: another one may come to other figures from the same input."""
    said = hashlib.sha256()
    passes = (hand_matching_sql.BY_HAND_STATEMENTS, *matching_sql.STATEMENTS)
    statements = [text for one in passes for text in (one.gather_lines, one.gather_items, one.pair)]
    for text in (*statements, *finding_breaks_sql.QUERIES, period_figures_sql.TRY_OUT):
        said.update(text.encode())
    return said.hexdigest()[:16]


class StoredPeriods:
    """Months of one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def take_turn(self) -> None:
        """Queue behind others who close."""
        for setting in _PATIENCE:
            self._connection.exec_driver_sql(setting)
        self._connection.exec_driver_sql(_TURN)

    def opens_at(self) -> datetime | None:
        """The end of the last closed month."""
        found: datetime | None = self._connection.exec_driver_sql(
            "SELECT max(ends_at) FROM closed_periods"
        ).scalar_one()
        return found

    def standing(self, period: str) -> str | None:
        """The close of this month that is proposed or approved."""
        statement = "SELECT close_id FROM period_closes WHERE period = %(period)s AND state <> 'REJECTED'"
        found = self._connection.exec_driver_sql(statement, {"period": period}).scalar()
        return None if found is None else str(found)

    def get(self, close_id: str) -> PeriodClose | None:
        """One close; it stays so after :meth:`take_turn`."""
        row = self._connection.exec_driver_sql(f"{_SELECT} WHERE close_id = %(id)s", {"id": close_id})
        return next((_close(one) for one in row.mappings()), None)

    def add(self, close: PeriodClose) -> None:
        """Store a proposal."""
        values = {name: getattr(close, name) for name in _COLUMNS}
        self._connection.exec_driver_sql(_ADD, values)

    def try_out(self, month: Month, as_of: datetime) -> WorkedOut:
        """Write the figures as a close would, take their digest, and undo it."""
        with self._connection.begin_nested() as savepoint:
            worked_out = self.write(month, as_of)
            savepoint.rollback()
        return worked_out

    def write(self, month: Month, as_of: datetime) -> WorkedOut:
        """Write the figures alone, without what they are computed from."""
        return self._write(period_figures_sql.TRY_OUT, month, as_of)

    def work_out(self, month: Month, as_of: datetime) -> WorkedOut:
        """Write the figures, and each word about our items that no earlier month kept."""
        return self._write(period_figures_sql.WORK_OUT, month, as_of)

    def close(self, month: Month, close: PeriodClose, run_id: str) -> None:
        """Close it with what was worked out."""
        values = {
            "period": str(month), "close_id": close.close_id, "digest": close.digest, "starts_at": month.starts_at,
            "ends_at": month.ends_at, "run_id": run_id, "closed_at": self._now, "rules_version": rules_version(),
            "rules": self._connection.exec_driver_sql(_RULES).scalar_one(),
        }  # fmt: skip
        self._connection.exec_driver_sql(_CLOSE, values)

    def decide(self, decided: PeriodClose) -> None:
        """Store how it was decided."""
        values = {name: getattr(decided, name) for name in _COLUMNS} | {"state": decided.state.value}
        self._connection.exec_driver_sql(_DECIDE, values)

    def _first_day(self, month: Month) -> date:
        """The first one that no earlier month has."""
        values = {"starts_at": month.starts_at}
        former = self._connection.exec_driver_sql(_FORMER_END, values).scalar_one()
        return date.min if former is None else former.date()

    def _write(self, statement: str, month: Month, as_of: datetime) -> WorkedOut:
        values = {
            "period": str(month),
            "starts_at": month.starts_at,
            "ends_at": month.ends_at,
            "as_of": as_of,
            "first_day": self._first_day(month),
            "last_day": month.ends_at.date() - timedelta(days=1),
        }
        files, touched, parked, in_doubt, unnamed = self._connection.exec_driver_sql(statement, values).one()
        digest = hashlib.sha256(str(month).encode())
        for part in digest_parts(self._connection, str(month)):
            digest.update(hashlib.sha256(part).digest())
        return WorkedOut(
            digest=digest.digest(),
            unfinished=Unfinished(
                files_waiting=files,
                touched=touched,
                parked_keys=parked,
                files_in_doubt=tuple(in_doubt),
                unnamed=tuple(unnamed),
            ),
        )


def closed_periods(connection: sa.Connection) -> list[dict[str, Any]]:
    """Every closed month, in order."""
    return [dict(row) for row in connection.exec_driver_sql(f"{_CLOSED} ORDER BY c.ends_at").mappings()]


def closed_period(connection: sa.Connection, period: str) -> dict[str, Any] | None:
    """One closed month."""
    rows = connection.exec_driver_sql(f"{_CLOSED} WHERE c.period = %(period)s", {"period": period})
    return next((dict(row) for row in rows.mappings()), None)


def list_closes(connection: sa.Connection, limit: int) -> list[PeriodClose]:
    """Closes of months, proposed and decided, newest first."""
    rows = connection.exec_driver_sql(f"{_SELECT} ORDER BY close_id DESC LIMIT %(limit)s", {"limit": limit})
    return [_close(row) for row in rows.mappings()]


def _close(row: Mapping[Any, Any]) -> PeriodClose:
    values = {column: row[column] for column in _COLUMNS}
    return PeriodClose(**{**values, "state": DecisionState(row["state"]), "digest": bytes(row["digest"])})
