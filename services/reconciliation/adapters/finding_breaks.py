"""Moves the breaks to what is wrong now: their state is a function of the data, and of what people decided.

What is wanted is worked out anew by every run. So a break closes itself when what was missing comes, opens again when
it goes, and two runs over the same data change nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
import sqlalchemy as sa

from services.reconciliation.adapters.finding_breaks_sql import EXPLAIN_THEMSELVES, QUERIES
from services.reconciliation.domain.break_life import BreakState, Trigger, advance
from services.reconciliation.domain.breaks import BreakType, money_at_risk_minor

_NEWS: Final = """
SELECT subject, w.type, w.currency, w.ours_minor, w.theirs_minor, w.processor, w.account, w.payment_id, w.since,
       w.expected_by, b.break_id, b.state, b.type AS old_type, b.currency AS old_currency,
       b.ours_minor AS old_ours_minor, b.theirs_minor AS old_theirs_minor, b.at_risk_minor AS old_at_risk_minor,
       (w.type, w.currency, w.ours_minor, w.theirs_minor)
           IS DISTINCT FROM (b.type, b.currency, b.ours_minor, b.theirs_minor) AS differs
  FROM wanted_breaks AS w FULL JOIN breaks AS b USING (subject)
 WHERE CASE WHEN b.break_id IS NULL THEN true
            WHEN w.type IS NULL THEN b.state <> 'SELF_CLOSED'
            WHEN b.state = 'SELF_CLOSED' THEN true
            WHEN b.state = 'DEFERRED' AND b.due_on < (%(as_of)s AT TIME ZONE 'UTC')::date THEN true
            ELSE (w.type, w.currency, w.ours_minor, w.theirs_minor)
                 IS DISTINCT FROM (b.type, b.currency, b.ours_minor, b.theirs_minor) END
 ORDER BY subject
"""
_ROW: Final = """jsonb_to_recordset(%(rows)s::jsonb) AS r(
    break_id text, subject text, trigger text, from_state text, to_state text, type text, currency text,
    ours_minor bigint, theirs_minor bigint, at_risk_minor bigint, processor text, account text, payment_id text,
    since timestamptz, expected_by timestamptz)"""
_OPEN: Final = f"""
INSERT INTO breaks (break_id, subject, type, state, currency, ours_minor, theirs_minor, at_risk_minor, processor,
                    account, payment_id, since, expected_by, opened_at, changed_at)
SELECT break_id, subject, type, to_state, currency, ours_minor, theirs_minor, at_risk_minor, processor, account,
       payment_id, since, expected_by, %(now)s, %(now)s FROM {_ROW} WHERE from_state IS NULL
"""
# What people had decided, they had decided of something else.
_MOVE: Final = f"""
UPDATE breaks AS b
   SET state = r.to_state, type = r.type, currency = r.currency, ours_minor = r.ours_minor,
       theirs_minor = r.theirs_minor, at_risk_minor = r.at_risk_minor, changed_at = %(now)s,
       expected_by = coalesce(r.expected_by, b.expected_by),
       due_on = CASE WHEN r.to_state = 'OPEN' THEN NULL ELSE b.due_on END,
       resolution = CASE WHEN r.to_state = 'OPEN' THEN NULL ELSE b.resolution END,
       proposed_by = CASE WHEN r.to_state = 'OPEN' THEN NULL ELSE b.proposed_by END,
       approved_by = CASE WHEN r.to_state = 'OPEN' THEN NULL ELSE b.approved_by END
  FROM {_ROW} WHERE r.from_state IS NOT NULL AND b.break_id = r.break_id
"""
_REMEMBER: Final = f"""
INSERT INTO break_history (break_id, trigger, from_state, to_state, type, currency, ours_minor, theirs_minor,
                           at_risk_minor, run_id, at)
SELECT break_id, trigger, from_state, to_state, type, currency, ours_minor, theirs_minor, at_risk_minor, %(run_id)s,
       %(now)s FROM {_ROW} ORDER BY subject
"""
_BY_TYPE: Final = """
SELECT type, count(*), sum(at_risk_minor)::bigint FROM wanted_breaks JOIN breaks USING (subject, type)
 WHERE state <> 'RESOLVED' GROUP BY type ORDER BY type
"""
ID_LETTERS: Final = 26


class BreakFinder:
    """Finds and moves breaks in the transaction of a run."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def find(self, run_id: str, as_of: datetime) -> dict[str, int]:
        """Look for everything that is wrong as of then; how many breaks each trigger moved."""
        values = {"as_of": as_of, "explain_themselves": list(EXPLAIN_THEMSELVES)}
        for query in QUERIES:
            self._connection.exec_driver_sql(query, values)
        news = self._connection.exec_driver_sql(_NEWS, {"as_of": as_of}).mappings()
        moves = [_moved(row) for row in news]
        if moves:
            self._write(moves, run_id)
        counts: dict[str, int] = {}
        for move in moves:
            counts[move["trigger"].value] = counts.get(move["trigger"].value, 0) + 1
        return counts

    def standing(self) -> dict[str, int]:
        """How many breaks of each type stand after :meth:`find`."""
        return {kind: int(count) for kind, count, _ in self._connection.exec_driver_sql(_BY_TYPE)}

    def _write(self, moves: Sequence[Mapping[str, Any]], run_id: str) -> None:
        rows = orjson.dumps(moves).decode()
        self._connection.exec_driver_sql(_OPEN, {"rows": rows, "now": self._now})
        self._connection.exec_driver_sql(_MOVE, {"rows": rows, "now": self._now})
        self._connection.exec_driver_sql(_REMEMBER, {"rows": rows, "now": self._now, "run_id": run_id})


def break_id_of(subject: str) -> str:
    """The same subject has the same break for ever, in every run and every installation."""
    return "brk_" + hashlib.sha256(subject.encode()).hexdigest()[:ID_LETTERS]


def _moved(row: sa.RowMapping) -> dict[str, Any]:
    if row["break_id"] is None:
        return _said(row) | {
            "break_id": break_id_of(row["subject"]),
            "trigger": Trigger.FOUND,
            "from_state": None,
            "to_state": BreakState.OPEN,
        }
    state = BreakState(row["state"])
    trigger = _trigger(row, state)
    said = _said(row) if row["type"] is not None else _said_before(row)
    return said | {
        "break_id": row["break_id"],
        "trigger": trigger,
        "from_state": state,
        "to_state": advance(row["break_id"], state, trigger),
    }


def _trigger(row: sa.RowMapping, state: BreakState) -> Trigger:
    if row["type"] is None:
        return Trigger.GONE
    if state is BreakState.SELF_CLOSED:
        return Trigger.FOUND
    return Trigger.CHANGED if row["differs"] else Trigger.DUE


def _said(row: sa.RowMapping) -> dict[str, Any]:
    names = (
        "subject", "type", "currency", "ours_minor", "theirs_minor", "processor", "account", "payment_id", "since",
        "expected_by",
    )  # fmt: skip
    at_risk = money_at_risk_minor(
        BreakType(row["type"]), ours_minor=row["ours_minor"], theirs_minor=row["theirs_minor"]
    )
    return {name: row[name] for name in names} | {"at_risk_minor": at_risk}


def _said_before(row: sa.RowMapping) -> dict[str, Any]:
    names = ("type", "currency", "ours_minor", "theirs_minor", "at_risk_minor")
    return {"subject": row["subject"]} | {name: row[f"old_{name}"] for name in names}
