"""What is before people stays there: the case of an operation in review is closed when that is decided, not before."""

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


def closed_too_soon(rows: Rows) -> Iterator[str]:
    """Cases of what is in review that were closed before it was decided, whatever came of it later."""
    for operation, reason in rows(_CLOSED_IN_REVIEW):
        yield f"the case ({reason}) of {operation} was closed while it was in review"
