"""What waits for somebody, as operators see it: cases, doubts, strays, decisions, facts that fit nowhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from services.payment.domain.case_reasons import describe

Row = dict[str, Any]

_AGE: Final = "extract(epoch FROM clock_timestamp() - {})::float8 AS age_s"
QUERIES: Final[Mapping[str, str]] = {
    "cases": f"""
SELECT c.case_id, c.payment_id, c.reason, c.subject, c.operation_id, c.exposure_minor, c.currency, c.opened_at,
       {_AGE.format("c.opened_at")}, c.changed_at, c.told, c.follows_case_id, b.closed_by AS followed_closed_by,
       b.closed_reason AS followed_closed_reason
  FROM cases AS c LEFT JOIN cases AS b ON b.case_id = c.follows_case_id
 WHERE c.closed_at IS NULL ORDER BY c.case_id LIMIT %(limit)s""",
    # The index of what is in doubt finds these among millions.
    "doubts": f"""
SELECT o.operation_id, o.payment_id, p.merchant_id, o.type, o.state, o.amount_minor,
       coalesce(s.currency, p.currency) AS currency, o.processor, o.account, o.since, o.doubtful_since,
       {_AGE.format("o.doubtful_since")},
       o.next_check_at, o.looked_up_at, o.message
  FROM operations AS o JOIN payments AS p USING (payment_id) LEFT JOIN strays AS s USING (stray_id)
 WHERE o.state IN ('UNCERTAIN', 'IN_REVIEW') ORDER BY o.doubtful_since LIMIT %(limit)s""",
    "strays": f"""
SELECT s.stray_id, s.payment_id, s.kind, s.processor, s.account, s.object_type, s.object_id, s.operation_id,
       s.amount_minor, s.currency, s.returned_minor, s.reserved_minor, s.mismatch, s.found_at,
       {_AGE.format("s.found_at")},
       (SELECT o.state FROM operations AS o WHERE o.payment_id = s.payment_id AND o.stray_id = s.stray_id
         ORDER BY o.number DESC LIMIT 1) AS last_operation
  FROM strays AS s WHERE NOT s.released AND s.returned_minor < s.amount_minor
 ORDER BY s.found_at LIMIT %(limit)s""",
    "decisions": f"""
SELECT decision_id, kind, subject_id, payment_id, outcome, amount_minor, currency, evidence, object_id, reason,
       proposed_by, proposed_at, {_AGE.format("proposed_at")}
  FROM operator_decisions WHERE state = 'proposed' ORDER BY proposed_at LIMIT %(limit)s""",
    "waiting-facts": f"""
SELECT waiting_id, payment_id, fact->>'processor' AS processor, fact->>'object_type' AS object_type,
       fact->>'object_id' AS object_id, fact->>'status' AS status, (fact->>'amount_minor')::bigint AS amount_minor,
       fact->>'currency' AS currency, source, received_at, {_AGE.format("received_at")}, next_check_at, deadline_at,
       checks, deadline_at < clock_timestamp() AS stuck
  FROM waiting_facts WHERE dismissed_at IS NULL ORDER BY received_at LIMIT %(limit)s""",
}


def read_list(connection: sa.Connection, name: str, limit: int) -> Sequence[Row]:
    """Read one of the lists, oldest first; a case also says in words what there is to know."""
    rows = [dict(row) for row in connection.exec_driver_sql(QUERIES[name], {"limit": limit}).mappings()]
    if name == "cases":
        for row in rows:
            row["meaning"] = describe(row)
    return rows
