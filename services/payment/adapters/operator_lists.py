"""What waits for somebody, as operators see it: cases, doubts, strays, decisions, facts that fit nowhere, reviews."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

import sqlalchemy as sa

from services.payment.domain.case_reasons import describe
from shared.kernel.errors import Rejected

Row = dict[str, Any]

_AGE: Final = "extract(epoch FROM clock_timestamp() - {})::float8 AS age_s"
#: Of the whole list the part that is asked for: behind a place, of one payment.
_PART: Final = """AND (%(payment_id)s::text IS NULL OR {0} = %(payment_id)s)
   AND (%(behind_at)s::timestamptz IS NULL OR ({1}, {2}) > (%(behind_at)s, %(behind_id)s::text))
 ORDER BY {1}, {2} LIMIT %(limit)s"""
QUERIES: Final[Mapping[str, str]] = {
    "cases": f"""
SELECT c.case_id, c.payment_id, c.reason, c.subject, c.operation_id, c.exposure_minor, c.currency, c.opened_at,
       {_AGE.format("c.opened_at")}, c.changed_at, c.told, c.follows_case_id, b.closed_by AS followed_closed_by,
       b.closed_reason AS followed_closed_reason
  FROM cases AS c LEFT JOIN cases AS b ON b.case_id = c.follows_case_id
 WHERE c.closed_at IS NULL {_PART.format("c.payment_id", "c.opened_at", "c.case_id")}""",
    # The index of what is in doubt finds these among millions.
    "doubts": f"""
SELECT o.operation_id, o.payment_id, p.merchant_id, o.type, o.state, o.amount_minor,
       coalesce(s.currency, p.currency) AS currency, o.processor, o.account, o.since, o.doubtful_since,
       {_AGE.format("o.doubtful_since")},
       o.next_check_at, o.looked_up_at, o.message
  FROM operations AS o JOIN payments AS p USING (payment_id) LEFT JOIN strays AS s USING (stray_id)
 WHERE o.state IN ('UNCERTAIN', 'IN_REVIEW') {_PART.format("o.payment_id", "o.doubtful_since", "o.operation_id")}""",
    "strays": f"""
SELECT s.stray_id, s.payment_id, s.kind, s.processor, s.account, s.object_type, s.object_id, s.operation_id,
       s.amount_minor, s.currency, s.returned_minor, s.reserved_minor, s.mismatch, s.found_at,
       {_AGE.format("s.found_at")},
       (SELECT o.state FROM operations AS o WHERE o.payment_id = s.payment_id AND o.stray_id = s.stray_id
         ORDER BY o.number DESC LIMIT 1) AS last_operation
  FROM strays AS s WHERE NOT s.released AND s.returned_minor < s.amount_minor
  {_PART.format("s.payment_id", "s.found_at", "s.stray_id")}""",
    "decisions": f"""
SELECT decision_id, kind, subject_id, payment_id, outcome, amount_minor, currency, evidence, object_id, reason,
       proposed_by, proposed_at, {_AGE.format("proposed_at")}
  FROM operator_decisions WHERE state = 'proposed' {_PART.format("payment_id", "proposed_at", "decision_id")}""",
    "waiting-facts": f"""
SELECT waiting_id, payment_id, fact->>'processor' AS processor, fact->>'object_type' AS object_type,
       fact->>'object_id' AS object_id, fact->>'status' AS status, (fact->>'amount_minor')::bigint AS amount_minor,
       fact->>'currency' AS currency, source, received_at, {_AGE.format("received_at")}, next_check_at, deadline_at,
       checks, deadline_at < clock_timestamp() AS stuck
  FROM waiting_facts WHERE dismissed_at IS NULL {_PART.format("payment_id", "received_at", "waiting_id")}""",
    "risk-reviews": f"""
SELECT o.operation_id, o.payment_id, p.merchant_id, CASE WHEN o.capture THEN 'sale' ELSE o.type END AS operation_type,
       o.amount_minor, p.currency, o.risk_by AS asked_by, o.risk_proposed_by AS approved_first_by, o.created_at,
       {_AGE.format("o.created_at")},
       (SELECT n.detail FROM payment_notes AS n WHERE n.payment_id = o.payment_id
           AND n.operation_id = o.operation_id AND n.kind = 'risk_decided' ORDER BY n.at DESC LIMIT 1) AS reasons
  FROM operations AS o JOIN payments AS p USING (payment_id)
 WHERE o.risk = 'REVIEW' {_PART.format("o.payment_id", "o.created_at", "o.operation_id")}""",
}
#: What each is in order of, and what tells rows of one moment apart.
_ORDER: Final[Mapping[str, tuple[str, str]]] = {
    "cases": ("opened_at", "case_id"),
    "doubts": ("doubtful_since", "operation_id"),
    "strays": ("found_at", "stray_id"),
    "decisions": ("proposed_at", "decision_id"),
    "waiting-facts": ("received_at", "waiting_id"),
    "risk-reviews": ("created_at", "operation_id"),
}
_CURSOR: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{6})?Z)_([a-z]{2,4}_[0-9a-z]{26,32})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Behind:
    """Where a page ended: the next one goes on behind it, whatever came or went meanwhile."""

    at: datetime
    row_id: str

    @classmethod
    def read(cls, cursor: str) -> Self:
        """What ``next_cursor`` said. Raises ``Rejected`` for anything else."""
        parts = _CURSOR.fullmatch(cursor)
        try:
            at = datetime.fromisoformat(parts[1]) if parts else None
        except ValueError:
            at = None
        if parts is None or at is None:
            raise Rejected(
                "field_invalid", "Take it from next_cursor.", status=422, param="cursor", stored=False
            )
        return cls(at, parts[2])


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; ``next_cursor`` is where the next one goes on, None behind the last."""

    rows: Sequence[Row]
    next_cursor: str | None


def read_list(
    connection: sa.Connection,
    name: str,
    limit: int,
    *,
    behind: Behind | None = None,
    payment_id: str | None = None,
) -> Page:
    """Read a page of one of the lists, oldest first; a case also says in words what there is to know."""
    values = {
        "limit": limit,
        "payment_id": payment_id,
        "behind_at": behind.at if behind else None,
        "behind_id": behind.row_id if behind else None,
    }
    rows = [dict(row) for row in connection.exec_driver_sql(QUERIES[name], values).mappings()]
    if name == "cases":
        for row in rows:
            row["meaning"] = describe(row)
    at, row_id = _ORDER[name]
    return Page(rows, _cursor(rows[-1][at], rows[-1][row_id]) if len(rows) == limit else None)


def _cursor(at: datetime, row_id: str) -> str:
    """Times as everywhere, since sixteen digits in an address are refused as a card's."""
    return f"{at.astimezone(UTC).isoformat().replace('+00:00', 'Z')}_{row_id}"
