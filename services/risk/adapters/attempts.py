"""Repository of attempts: stored once each, counted in exact sliding windows, a batch at a time.

There are no counters that could drift: a count is a count of rows between two times, by an index that holds them in
that order. Rows older than the longest window are dropped by the worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
import sqlalchemy as sa

from services.risk.adapters import tables
from services.risk.app.ports import CountKey
from services.risk.domain.attempts import Attempt, Subject
from services.risk.domain.rules import Counted, Velocity
from shared.persistence.arrays import text_array
from shared.persistence.statements import execute

_LOCK: Final = """
SELECT pg_advisory_xact_lock(hashtextextended(key, 1))
  FROM (SELECT DISTINCT key FROM unnest(%(keys)s::text[]) AS key ORDER BY key) AS ordered
"""
_TAKE_IN: Final = f"""
INSERT INTO attempts ({", ".join(tables.ATTEMPT)})
SELECT {", ".join(tables.ATTEMPT)} FROM jsonb_populate_recordset(NULL::attempts, %(rows)s::jsonb)
ON CONFLICT (operation_id) DO NOTHING
"""
# The window is (at - length, at]: an attempt exactly one length ago has left it.
_COUNT: Final = """
SELECT q.operation_id, q.rule, c.attempts, c.amount_minor::bigint
  FROM jsonb_to_recordset(%(questions)s::jsonb)
       AS q(operation_id text, rule text, key text, at timestamptz, length_s bigint, currency text, merchants text[],
            operations text[], stop_after bigint)
 CROSS JOIN LATERAL (
    SELECT count(*) AS attempts, coalesce(sum(w.amount_minor), 0) AS amount_minor FROM (
        SELECT a.amount_minor FROM attempts AS a
         WHERE a.{column} = q.key AND a.at > q.at - make_interval(secs => q.length_s) AND a.at <= q.at
           AND (q.currency IS NULL OR a.currency = q.currency)
           AND (q.merchants IS NULL OR a.merchant_id = ANY(q.merchants))
           AND (q.operations IS NULL OR a.operation_type = ANY(q.operations))
         LIMIT q.stop_after) AS w) AS c
"""
_COLUMNS: Final = {
    Subject.CUSTOMER: "customer_key",
    Subject.PAYMENT_METHOD: "payment_method",
    Subject.MERCHANT: "merchant_id",
}
_COUNTS: Final = {subject: _COUNT.format(column=column) for subject, column in _COLUMNS.items()}


class StoredAttempts:
    """Attempts of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def lock(self, keys: Sequence[str]) -> None:
        """Decisions about one subject take turns; locked in order, so that two batches cannot wait for each other."""
        execute(self._connection, _LOCK, {"keys": text_array(sorted(set(keys)))})

    def take_in(self, attempts: Sequence[Attempt]) -> None:
        """Store them; those that are known stay as they are."""
        rows = [_attempt_row(attempt) for attempt in attempts]
        execute(self._connection, _TAKE_IN, {"rows": orjson.dumps(rows).decode()})

    def count(self, asked: Sequence[tuple[Attempt, Velocity]]) -> dict[CountKey, Counted]:
        """What each rule's window held at each attempt."""
        counts: dict[CountKey, Counted] = {}
        for subject, statement in _COUNTS.items():
            questions = [_question(attempt, rule) for attempt, rule in asked if rule.subject is subject]
            if not questions:
                continue
            values = {"questions": orjson.dumps(questions).decode()}
            for operation_id, rule, attempts, amount_minor in execute(
                self._connection, statement, values
            ).rows:
                counts[str(operation_id), str(rule)] = Counted(int(attempts or 0), int(amount_minor or 0))
        return counts


def _attempt_row(attempt: Attempt) -> dict[str, Any]:
    return {column: getattr(attempt, column) for column in tables.ATTEMPT}


def _question(attempt: Attempt, rule: Velocity) -> dict[str, Any]:
    scope = rule.scope
    return {
        "operation_id": attempt.operation_id,
        "rule": rule.name,
        "key": attempt.key_of(rule.subject),
        "at": attempt.at,
        "length_s": int(rule.window.total_seconds()),
        "currency": scope.currency,
        "merchants": sorted(scope.merchants) or None,
        "operations": sorted(scope.operations) or None,
        # A sum of money needs every row; a number of attempts is enough once it is above its limit.
        "stop_after": None if rule.max_minor is not None or rule.max_count is None else rule.max_count + 1,
    }
