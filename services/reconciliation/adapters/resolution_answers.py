"""Answers to what breaks had other services do: kept as they come, in the order of their stream, once each.

Nothing here waits for a run that holds the breaks: it adds, and the next run looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import orjson
import sqlalchemy as sa

from services.reconciliation.app.hear_answers import Answer, ReturnResult

# That a return is withdrawn too late is told after what became of it, which it says nothing about.
_KEEP: Final = """
INSERT INTO resolution_answers (event_id, asked_event_id, break_id, outcome, named, reason, answered_at)
SELECT r.event_id, r.asked_event_id, r.break_id,
       CASE WHEN r.outcome = 'accepted' AND r.named = a.named THEN a.outcome ELSE r.outcome END, r.named, r.reason,
       r.answered_at
  FROM ROWS FROM (jsonb_to_recordset(%(rows)s::jsonb) AS (
        event_id text, asked_event_id text, break_id text, outcome text, named text, reason text,
        answered_at timestamptz)) WITH ORDINALITY AS r(
        event_id, asked_event_id, break_id, outcome, named, reason, answered_at, place)
  JOIN asked_resolutions AS a ON (a.event_id, a.break_id) = (r.asked_event_id, r.break_id)
 ORDER BY r.place ON CONFLICT (event_id) DO NOTHING
"""
# Payment says which operation it began for a wish before it says what became of it, on the same stream.
_KEEP_RESULTS: Final = """
INSERT INTO resolution_answers (event_id, asked_event_id, break_id, outcome, named, reason, answered_at)
SELECT r.event_id, begun.asked_event_id, begun.break_id, r.outcome, r.operation_id, r.reason, r.answered_at
  FROM ROWS FROM (jsonb_to_recordset(%(rows)s::jsonb) AS (
        event_id text, operation_id text, outcome text, reason text, answered_at timestamptz)) WITH ORDINALITY AS r(
        event_id, operation_id, outcome, reason, answered_at, place)
  JOIN resolution_answers AS begun ON begun.named = r.operation_id AND begun.outcome = 'accepted'
 ORDER BY r.place ON CONFLICT (event_id) DO NOTHING
"""


class StoredAnswers:
    """What one transaction hears."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._answers: list[Answer] = []
        self._results: list[ReturnResult] = []

    def hear(self, answer: Answer) -> None:
        """Keep it with this transaction."""
        self._answers.append(answer)

    def hear_result(self, result: ReturnResult) -> None:
        """Keep it, where it is of a wish of ours."""
        self._results.append(result)

    def flush(self) -> None:
        """Write them, set-based; what was begun before what became of it."""
        answers, self._answers = self._answers, []
        results, self._results = self._results, []
        self._keep(_KEEP, answers)
        self._keep(_KEEP_RESULTS, results)

    def _keep(self, statement: str, heard: Sequence[Answer] | Sequence[ReturnResult]) -> None:
        if heard:
            rows: list[dict[str, Any]] = [asdict(each) for each in heard]
            self._connection.exec_driver_sql(statement, {"rows": orjson.dumps(rows).decode()})
