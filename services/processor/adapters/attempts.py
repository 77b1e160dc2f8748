"""Attempts in PostgreSQL: locked in id order, changed in memory, written set-based once per transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, Final

import orjson
import sqlalchemy as sa

from services.processor.adapters.tables import ATTEMPTS, TO_LOOK_UP, TO_SEND
from services.processor.app.ports import Room
from services.processor.domain.attempt import Attempt, Closing, Phase, State
from services.processor.domain.operation import Operation
from services.processor.domain.outcome import Result
from shared.kernel.errors import InvariantViolation
from shared.persistence.statements import Check, execute_later
from shared.persistence.wire_statements import Answer

_ASKED: Final = (
    "payment_method",
    "merchant_id",
    "sale",
    "authorization_id",
    "capture_id",
    "refund_id",
    "final",
    "dispute_object_id",
    "documents",
)
_OWN: Final = tuple(field.name for field in fields(Attempt) if field.name != "operation")
_CHANGED: Final = ", ".join(name for name in _OWN if name != "cause_id")
_ALL: Final = ", ".join(column.name for column in ATTEMPTS.columns)

_INSERT: Final = f"""
INSERT INTO attempts ({_ALL})
SELECT {_ALL} FROM jsonb_populate_recordset(NULL::attempts, %(rows)s::jsonb) ORDER BY operation_id
"""
_UPDATE: Final = f"""
UPDATE attempts AS a SET ({_CHANGED}) = (SELECT {", ".join("r." + name for name in _CHANGED.split(", "))})
  FROM jsonb_populate_recordset(NULL::attempts, %(rows)s::jsonb) AS r
 WHERE a.operation_id = r.operation_id
"""
_LOCK: Final = f"""
SELECT {_ALL} FROM attempts WHERE operation_id = ANY(%(ids)s::text[]) ORDER BY operation_id FOR UPDATE
"""
_IS_DUE: Final = "processor = %(processor)s AND next_at <= %(now)s"
# SKIP LOCKED: a row that a consumer or another worker holds is not due for us this time. What a lost worker was sending
# is looked up next. Each half has an index of its own: behind an outage's backlog of sends stand few look-ups.
DUE: Final = f"""
WITH look_ups AS MATERIALIZED (
    SELECT {_ALL} FROM attempts WHERE {_IS_DUE} AND {TO_LOOK_UP}
     ORDER BY next_at LIMIT %(look_ups)s FOR UPDATE SKIP LOCKED
), sends AS MATERIALIZED (
    SELECT {_ALL} FROM attempts WHERE {_IS_DUE} AND {TO_SEND}
     ORDER BY next_at LIMIT (SELECT %(calls)s - count(*) FROM look_ups) FOR UPDATE SKIP LOCKED
)
SELECT {_ALL} FROM look_ups UNION ALL SELECT {_ALL} FROM sends
"""
LATE: Final = f"""
SELECT {_ALL} FROM attempts
 WHERE {TO_SEND} AND NOT doubtful AND send_before <= %(now)s
 ORDER BY send_before LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
_CURRENCY: Final = """
SELECT currency FROM attempts WHERE payment_id = %(id)s AND currency IS NOT NULL ORDER BY opened_at LIMIT 1
"""
_LOG: Final = """
INSERT INTO attempt_log (operation_id, attempt_id, lease_epoch, what, detail, logged_at)
SELECT operation_id, attempt_id, lease_epoch, what, detail, %(now)s
  FROM jsonb_to_recordset(%(rows)s::jsonb)
       AS l(operation_id text, attempt_id text, lease_epoch bigint, what text, detail jsonb)
"""


class PostgresAttempts:
    """The ``Attempts`` of one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._loaded: dict[str, Attempt | None] = {}
        self._new: dict[str, Attempt] = {}
        self._dirty: dict[str, Attempt] = {}
        self._lines: list[dict[str, Any]] = []

    def lock(self, operation_ids: Iterable[str]) -> None:
        """Lock and load these rows, in id order, so that two transactions queue up instead of deadlocking."""
        wanted = sorted(set(operation_ids) - self._loaded.keys())
        if not wanted:
            return
        found = self._select(_LOCK, {"ids": wanted})
        self._loaded.update(dict.fromkeys(wanted))
        self._loaded.update({attempt.operation.operation_id: attempt for attempt in found})

    def get(self, operation_id: str) -> Attempt | None:
        """Return the row as this transaction sees it, locked; ``None`` if there is none."""
        if operation_id not in self._loaded:
            self.lock((operation_id,))
        return self._loaded[operation_id]

    def add(self, attempt: Attempt) -> None:
        """Keep a new attempt to be inserted."""
        self._new[attempt.operation.operation_id] = attempt
        self._loaded[attempt.operation.operation_id] = attempt

    def put(self, attempt: Attempt) -> None:
        """Keep a change to be written."""
        operation_id = attempt.operation.operation_id
        self._loaded[operation_id] = attempt
        (self._new if operation_id in self._new else self._dirty)[operation_id] = attempt

    def due(self, processor: str, *, room: Room) -> list[Attempt]:
        """Lock open attempts whose time has come; a lease that ended makes a row due as well.

        Look-ups come first, for as many as may be: none starves behind sends, and sends have all the other room.
        """
        bounds = {"calls": room.calls, "look_ups": min(room.look_ups, room.calls)}
        found = self._select(DUE, {"processor": processor, "now": self._now, **bounds})
        self._loaded.update({attempt.operation.operation_id: attempt for attempt in found})
        return found

    def late(self, *, limit: int) -> list[Attempt]:
        """Lock up to ``limit`` open attempts whose time to be sent has passed, the oldest first."""
        found = self._select(LATE, {"now": self._now, "limit": limit})
        self._loaded.update({attempt.operation.operation_id: attempt for attempt in found})
        return found

    def currency_of(self, payment_id: str) -> str | None:
        """The currency of a payment; ``None`` if we never asked for money: somebody else's hold may name it."""
        found = self._connection.exec_driver_sql(_CURRENCY, {"id": payment_id}).scalar()
        return None if found is None else str(found)

    def note(self, attempt: Attempt, what: str, **detail: str | int | None) -> None:
        """Keep a line for the append-only log."""
        self._lines.append(
            {
                "operation_id": attempt.operation.operation_id,
                "attempt_id": attempt.attempt_id,
                "lease_epoch": attempt.lease_epoch,
                "what": what,
                "detail": {name: value for name, value in detail.items() if value is not None},
            }
        )

    def flush(self) -> None:
        """Write everything kept back: at most three statements."""
        for statement, changed in ((_INSERT, self._new), (_UPDATE, self._dirty)):
            if changed:
                rows = [_row(attempt) for attempt in changed.values()]
                execute_later(self._connection, statement, {"rows": _json(rows)}, _wrote(len(rows)))
        if self._lines:
            values = {"rows": _json(self._lines), "now": self._now}
            execute_later(self._connection, _LOG, values, _wrote(len(self._lines)))

    def _select(self, statement: str, parameters: Mapping[str, Any]) -> list[Attempt]:
        rows = self._connection.exec_driver_sql(statement, dict(parameters)).mappings()
        return [attempt_of(row) for row in rows]


def _wrote(rows: int) -> Check:
    def check(answer: Answer) -> None:
        if answer.affected != rows:
            raise InvariantViolation("attempts_written", f"{answer.affected} of {rows} rows were written")

    return check


def attempt_of(row: Mapping[Any, Any]) -> Attempt:
    """Return the attempt that a row of the table states."""
    operation = Operation(
        operation_id=row["operation_id"],
        payment_id=row["payment_id"],
        kind=row["kind"],
        processor=row["processor"],
        account=row["account"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        **row["asked"],
    )
    own = {name: row[name] for name in _OWN}
    own["state"] = State(own["state"])
    own["phase"] = Phase(own["phase"])
    own["result"] = None if own["result"] is None else Result(own["result"])
    own["closing"] = None if own["closing"] is None else Closing(own["closing"])
    return Attempt(operation=operation, **own)


def _row(attempt: Attempt) -> dict[str, Any]:
    row = {name: getattr(attempt, name) for name in _OWN}
    asked = asdict(attempt.operation)
    row["asked"] = {name: asked.pop(name) for name in _ASKED if asked[name] is not None}
    for name in _ASKED:
        asked.pop(name, None)
    return row | asked


def _json(rows: list[dict[str, Any]]) -> str:
    return orjson.dumps(rows).decode()
