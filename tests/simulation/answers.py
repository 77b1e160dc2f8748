"""What the processor's own log says of its answers: each under the lease that asked, and what was sent is looked for."""

from collections.abc import Callable, Iterator
from typing import Any

Rows = Callable[..., list[tuple[Any, ...]]]
_BY_LEASE = """
SELECT operation_id, lease_epoch, count(*) FILTER (WHERE what = 'sent'), count(*) FILTER (WHERE what = 'answered'),
       count(*) FILTER (WHERE what = 'looked_up')
  FROM attempt_log WHERE what IN ('sent', 'answered', 'looked_up') GROUP BY 1, 2 ORDER BY 1, 2
"""
_NOT_LOOKED_FOR = """
SELECT DISTINCT l.operation_id FROM attempt_log AS l
 WHERE l.what = 'looked_up' AND l.detail ->> 'error_code' = 'never_sent' AND EXISTS (
   SELECT FROM attempt_log AS s WHERE s.operation_id = l.operation_id AND s.what = 'sent' AND s.position < l.position)
 ORDER BY 1
"""


def wrong_answers(rows: Rows) -> Iterator[str]:
    """What was taken for an answer by a lease that had not asked for it, or had one already."""
    for operation, epoch, sent, answered, looked_up in rows(_BY_LEASE):
        if answered > sent:
            yield f"{operation} was answered under lease {epoch}, which had sent nothing"
        if looked_up and sent:
            yield f"{operation} was looked up under lease {epoch}, which had sent"
        if answered + looked_up > 1:
            yield f"{operation} got {answered + looked_up} answers under lease {epoch}"
    for (operation,) in rows(_NOT_LOOKED_FOR):
        yield f"{operation} was sent, and a look-up took it for never sent"
