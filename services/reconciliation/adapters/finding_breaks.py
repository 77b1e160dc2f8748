"""Moves the breaks to what is wrong now: their state is a function of the data, and of what people decided.

What is wanted is worked out anew by every run, where anything changed or a time has come. So a break closes itself when
what was missing comes, opens again when it goes, and two runs over the same data change nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
import sqlalchemy as sa

from services.reconciliation.adapters.breaks import STANDING
from services.reconciliation.adapters.finding_breaks_sql import (
    EXPLAIN_THEMSELVES,
    OF_ASKED,
    QUERIES,
    SUSPECT,
    TAKE_EVENTS,
    UNFOUNDED,
    narrowed,
    suspects,
)
from services.reconciliation.adapters.planning import FEW, Planning
from services.reconciliation.adapters.taking_answers import AnswerTaker
from services.reconciliation.domain.break_life import BreakState, Trigger, advance
from services.reconciliation.domain.breaks import BreakType, money_at_risk_minor

_NEWS: Final = """
SELECT subject, w.type, w.currency, w.ours_minor, w.theirs_minor, w.processor, w.account, w.payment_id, w.since,
       w.expected_by, b.break_id, b.state, b.type AS old_type, b.currency AS old_currency,
       b.ours_minor AS old_ours_minor, b.theirs_minor AS old_theirs_minor, b.at_risk_minor AS old_at_risk_minor,
       (w.type, w.currency, w.ours_minor, w.theirs_minor)
           IS DISTINCT FROM (b.type, b.currency, b.ours_minor, b.theirs_minor) AS differs,
       subject IN (SELECT 'line:' || source || ':' || line_id FROM agreed_lines
                   UNION ALL SELECT 'item:' || item_key FROM agreed_items) AS by_hand
  FROM {wanted} AS w FULL JOIN {known} AS b USING (subject)
 WHERE CASE WHEN b.break_id IS NULL THEN true
            WHEN %(past)s AND b.state IN ('DEFERRED', 'PROPOSED', 'APPLYING', 'RESOLVED') THEN false
            WHEN w.type IS NULL THEN b.state <> 'SELF_CLOSED'
            WHEN b.state = 'SELF_CLOSED' THEN true
            WHEN b.state = 'DEFERRED' AND b.due_on < (%(as_of)s AT TIME ZONE 'UTC')::date THEN true
            ELSE (w.type, w.currency, w.ours_minor, w.theirs_minor)
                 IS DISTINCT FROM (b.type, b.currency, b.ours_minor, b.theirs_minor) END
 ORDER BY subject
"""
_ALL_NEWS: Final = _NEWS.format(
    wanted="wanted_breaks", known=f"(SELECT * FROM breaks WHERE NOT ({OF_ASKED}))"
)
_NEWS_OF_ASKED: Final = _NEWS.format(
    wanted=f"({UNFOUNDED})", known=f"(SELECT * FROM breaks WHERE {OF_ASKED})"
)
# A break that was put off until now, and about which nothing changed, is as it was.
_NEWS_OF_CHANGED: Final = """
WITH suspects AS MATERIALIZED ({suspects}),
put_off AS MATERIALIZED (
    SELECT * FROM breaks AS d WHERE state = 'DEFERRED' AND due_on < (%(as_of)s AT TIME ZONE 'UTC')::date
       AND NOT EXISTS (SELECT FROM suspects AS s WHERE s.subject = d.subject)),
wanted AS (
    SELECT {columns} FROM wanted_breaks UNION ALL SELECT {columns} FROM put_off),
known AS (
    SELECT * FROM breaks AS k WHERE subject IN (SELECT subject FROM suspects UNION ALL SELECT subject FROM put_off))
{news}"""
_WANTED: Final = (
    "subject, type, currency, ours_minor, theirs_minor, processor, account, payment_id, since, expected_by"
)
# A run may be asked for as of another time: what was taken since then has to be looked for among everything.
_SINCE: Final = """
SELECT CASE WHEN last.as_of >= (SELECT max(least(as_of, started_at)) FROM runs) AND last.as_of <= %(as_of)s
            THEN last.as_of END
  FROM (SELECT as_of FROM runs ORDER BY nth DESC LIMIT 1) AS last
"""
# What people decided, they decided of what was known after that time: a look back leaves it to the next run as of now,
# which looks at everything (_SINCE).
_PAST: Final = "SELECT coalesce(max(least(as_of, started_at)) > %(as_of)s, false) FROM runs"
_TAKE_RULES: Final = "DELETE FROM touched_rules"
_BANK_CHANGED: Final = "SELECT EXISTS (SELECT FROM dirty_bank)"
_COUNT_SUSPECTS: Final = f"""
SELECT (SELECT count(*) FROM (SELECT FROM suspect_lines LIMIT {FEW}) AS lines)
     + (SELECT count(*) FROM (SELECT FROM suspect_items LIMIT {FEW}) AS items)
     + (SELECT count(*) FROM (SELECT FROM suspect_events LIMIT {FEW}) AS events)
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
# What people had decided, they had decided of something else. Whose money it is may be known only by now: a line that
# was alone when it was found names no payment.
_MOVE: Final = f"""
UPDATE breaks AS b
   SET state = r.to_state, type = r.type, currency = r.currency, ours_minor = r.ours_minor,
       theirs_minor = r.theirs_minor, at_risk_minor = r.at_risk_minor, changed_at = %(now)s,
       payment_id = coalesce(r.payment_id, b.payment_id), processor = coalesce(r.processor, b.processor),
       account = coalesce(r.account, b.account), expected_by = coalesce(r.expected_by, b.expected_by),
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
_BY_TYPE: Final = f"""
SELECT type, count(*) FROM breaks WHERE state IN ({STANDING}) GROUP BY type ORDER BY type
"""
#: So many are moved at a time: what a run holds does not grow with what is wrong.
BATCH_ROWS: Final = 1_000
ID_LETTERS: Final = 26


class BreakFinder:
    """Finds and moves breaks in the transaction of a run."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._planning = Planning(connection)
        self._answers = AnswerTaker(connection, now)

    def find(self, run_id: str, as_of: datetime, *, everything: bool) -> dict[str, int]:
        """Look for what is wrong as of then, wherever anything changed; how many breaks each trigger moved."""
        since = self._connection.exec_driver_sql(_SINCE, {"as_of": as_of}).scalar_one_or_none()
        rules = self._connection.exec_driver_sql(_TAKE_RULES).rowcount
        values = {
            "as_of": as_of,
            "since": since,
            "past": self._connection.exec_driver_sql(_PAST, {"as_of": as_of}).scalar_one(),
            "now": self._now,
            "explain_themselves": list(EXPLAIN_THEMSELVES),
        }
        self._connection.exec_driver_sql(TAKE_EVENTS, values)
        counts = {} if values["past"] else self._answers.take(run_id)
        looks_at_all = everything or bool(rules) or since is None
        self._move(self._look_at_all(values) if looks_at_all else self._look_at(values), run_id, counts)
        if not values["past"] and (looks_at_all or counts or self._answers.heard):
            # One may follow from another: what was adjusted may be such an adjustment, or such a return.
            while self._move(self._stream(_NEWS_OF_ASKED, values), run_id, counts):
                pass
        return counts

    def standing(self) -> dict[str, int]:
        """How many breaks of each type stand after :meth:`find`."""
        return {kind: int(count) for kind, count in self._connection.exec_driver_sql(_BY_TYPE)}

    def _look_at_all(self, values: Mapping[str, Any]) -> sa.CursorResult[Any]:
        for query in QUERIES:
            self._connection.exec_driver_sql(query, values)
        return self._stream(_ALL_NEWS, values)

    def _look_at(self, values: Mapping[str, Any]) -> sa.CursorResult[Any]:
        bank_changed = bool(self._connection.exec_driver_sql(_BANK_CHANGED).scalar_one())
        self._plan()
        for statement in SUSPECT:
            self._connection.exec_driver_sql(statement, values)
        self._plan()
        for query in QUERIES:
            self._connection.exec_driver_sql(narrowed(query, bank_changed=bank_changed), values)
        self._planning.filled("wanted_breaks")
        news = _NEWS_OF_CHANGED.format(
            suspects=suspects(bank_changed=bank_changed),
            columns=_WANTED,
            news=_NEWS.format(wanted="wanted", known="known"),
        )
        streamed = self._stream(news, values)
        self._planning.plan_for(FEW)
        return streamed

    def _plan(self) -> None:
        self._planning.plan_for(int(self._connection.exec_driver_sql(_COUNT_SUSPECTS).scalar_one()))
        self._planning.filled("suspect_lines", "suspect_items", "suspect_events")

    def _stream(self, query: str, values: Mapping[str, Any]) -> sa.CursorResult[Any]:
        return self._connection.exec_driver_sql(query, values, execution_options={"yield_per": BATCH_ROWS})

    def _move(self, news: sa.CursorResult[Any], run_id: str, counts: dict[str, int]) -> bool:
        """Move breaks as the news say, and count by trigger; whether there were any."""
        moved = False
        for rows in news.mappings().partitions():
            moves = [_moved(row) for row in rows]
            self._write(moves, run_id)
            for move in moves:
                counts[move["trigger"].value] = counts.get(move["trigger"].value, 0) + 1
            moved = moved or bool(moves)
        return moved

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
        return Trigger.MATCHED_BY_HAND if row["by_hand"] else Trigger.GONE
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
