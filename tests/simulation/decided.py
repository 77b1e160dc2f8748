"""What is before people stays there until it is decided, not until it is only looked at; what contradicts a decision
comes before them again, and nothing else is said to.
"""

from collections.abc import Callable, Iterator
from typing import Any

Rows = Callable[..., list[tuple[Any, ...]]]
_CLOSED_IN_REVIEW = """
SELECT c.operation_id, c.reason FROM cases AS c
 WHERE c.reason IN ('ladder_exhausted', 'decided_without_proof', 'closed_in_doubt', 'echo_mismatch') AND 'IN_REVIEW' = (
   SELECT h.to_state FROM status_history AS h
    WHERE h.subject = 'operation' AND h.subject_id = c.operation_id AND h.at <= c.closed_at
    ORDER BY h.history_id DESC LIMIT 1)
 ORDER BY 1
"""
_TURNED_AROUND = """
WITH decided AS (
  SELECT h.subject_id, min(h.history_id) AS step FROM status_history AS h
    JOIN operator_decisions AS d ON d.decision_id = h.cause_id
   WHERE h.subject = 'operation' AND h.from_state = 'IN_REVIEW' GROUP BY 1),
turned AS (
  SELECT DISTINCT h.subject_id FROM status_history AS h JOIN decided AS d USING (subject_id)
   WHERE h.history_id > d.step
     AND (h.from_state, h.to_state) IN (('DECLINED', 'SUCCEEDED'), ('SUCCEEDED', 'FAILED_LATER'))),
told AS (SELECT operation_id FROM cases WHERE reason = 'decision_contradicted')
SELECT 'turned around, and nobody was told', subject_id FROM turned
 WHERE subject_id NOT IN (SELECT operation_id FROM told)
UNION ALL
SELECT 'said to contradict a decision, and nobody decided', operation_id FROM told
 WHERE operation_id NOT IN (SELECT subject_id FROM decided)
UNION ALL
SELECT 'said to follow a decision, and nobody decided', c.operation_id FROM cases AS c
  JOIN cases AS f ON f.case_id = c.follows_case_id
 WHERE (f.reason, f.subject) <> (c.reason, c.subject) AND f.operation_id NOT IN (SELECT subject_id FROM decided)
 ORDER BY 1, 2
"""


def closed_too_soon(rows: Rows) -> Iterator[str]:
    """Cases of what is in review that were closed before it was decided, whatever came of it later."""
    for operation, reason in rows(_CLOSED_IN_REVIEW):
        yield f"the case ({reason}) of {operation} was closed while it was in review"


def wrongly_contradicted(rows: Rows) -> Iterator[str]:
    """Operations that went the other way after a person had decided, untold; and contradictions of no decision."""
    for what, operation in rows(_TURNED_AROUND):
        yield f"{operation} was {what}"
