"""Operations that wait for a person's decision about risk, as operators see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

_OPEN: Final = """
SELECT o.operation_id, o.payment_id, p.merchant_id, CASE WHEN o.capture THEN 'sale' ELSE o.type END AS operation_type,
       o.amount_minor, p.currency, o.risk_by AS asked_by, o.risk_proposed_by AS approved_first_by, o.created_at,
       extract(epoch FROM clock_timestamp() - o.created_at)::float8 AS age_s,
       (SELECT n.detail FROM payment_notes AS n WHERE n.payment_id = o.payment_id
           AND n.operation_id = o.operation_id AND n.kind = 'risk_decided' ORDER BY n.at DESC LIMIT 1) AS reasons
  FROM operations AS o JOIN payments AS p USING (payment_id)
 WHERE o.risk = 'REVIEW' ORDER BY o.operation_id LIMIT %(limit)s
"""
_PAYMENT_OF: Final = "SELECT payment_id FROM operations WHERE operation_id = %(operation_id)s"


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskReviewRow:
    """A review."""

    operation_id: str
    payment_id: str
    merchant_id: str
    operation_type: str
    amount_minor: int
    currency: str
    asked_by: str
    approved_first_by: str | None
    created_at: datetime
    age_s: float
    reasons: str | None


def list_risk_reviews(connection: sa.Connection, limit: int) -> Sequence[RiskReviewRow]:
    """Read open reviews, oldest first."""
    return [RiskReviewRow(**row) for row in connection.exec_driver_sql(_OPEN, {"limit": limit}).mappings()]


def payment_of(connection: sa.Connection, operation_id: str) -> str | None:
    """The payment that an operation belongs to."""
    found: str | None = connection.exec_driver_sql(
        _PAYMENT_OF, {"operation_id": operation_id}
    ).scalar_one_or_none()
    return found
