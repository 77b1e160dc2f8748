"""Disputes as merchants see them, read without a lock and without the rest of the aggregate.

A dispute of a stray is ours to settle with the processor, not the merchant's: it is not shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from services.payment.app.views import DisputeView, ErrorView, OperationView, certainty_of
from services.payment.domain.operations import IN_DOUBT, UNDECIDED
from shared.persistence.idempotency import Principal

_DISPUTE: Final = """
SELECT d.*, o.operation_id, o.type AS operation_type, o.state AS operation_state,
       o.since AS operation_since, o.next_check_at AS operation_next_check_at, o.error_code, o.message
  FROM disputes AS d
  LEFT JOIN LATERAL (SELECT * FROM operations AS l
                      WHERE l.payment_id = d.payment_id AND l.dispute_id = d.dispute_id
                      ORDER BY l.number DESC LIMIT 1) AS o ON true
"""
_ONE: Final = _DISPUTE + " WHERE d.dispute_id = %(dispute_id)s AND d.stray_id IS NULL"
#: Read in the order of ``disputes_list``; other filters are looked at on the way.
_LIST: Final = (
    _DISPUTE
    + """
 WHERE d.merchant_id = %(merchant_id)s AND d.mode = %(mode)s AND d.dispute_id < %(before)s AND d.stray_id IS NULL
   AND (%(status)s::text IS NULL OR d.status = %(status)s)
   AND (%(payment)s::text IS NULL OR d.payment_id = %(payment)s)
 ORDER BY d.dispute_id DESC LIMIT %(limit)s
"""
)
_PAYMENT: Final = """
SELECT d.payment_id FROM disputes AS d
 WHERE d.dispute_id = %(dispute_id)s AND d.stray_id IS NULL
   AND d.merchant_id = %(merchant_id)s AND d.mode = %(mode)s
"""
#: Sorts after every id there is.
_AFTER_ALL: Final = "dp_~"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDispute:
    """A dispute with whose it is."""

    view: DisputeView
    owner: Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedDisputes:
    """Which of a merchant's disputes, newest first."""

    limit: int
    before: str | None = None
    status: str | None = None
    payment: str | None = None


def find_dispute(connection: sa.Connection, dispute_id: str) -> FoundDispute | None:
    """Read a dispute."""
    row = connection.exec_driver_sql(_ONE, {"dispute_id": dispute_id}).mappings().one_or_none()
    if row is None:
        return None
    return FoundDispute(view=_view(row), owner=Principal(owner_id=row["merchant_id"], mode=row["mode"]))


def list_disputes(
    connection: sa.Connection, principal: Principal, wanted: WantedDisputes
) -> Sequence[DisputeView]:
    """Read a page of a merchant's disputes."""
    values = {
        "merchant_id": principal.owner_id,
        "mode": principal.mode,
        "before": wanted.before or _AFTER_ALL,
        "status": wanted.status,
        "payment": wanted.payment,
        "limit": wanted.limit,
    }
    return [_view(row) for row in connection.exec_driver_sql(_LIST, values).mappings()]


def payment_of_dispute(connection: sa.Connection, principal: Principal, dispute_id: str) -> str | None:
    """The payment that a merchant's dispute belongs to, which never changes."""
    values = {"dispute_id": dispute_id, "merchant_id": principal.owner_id, "mode": principal.mode}
    found = connection.exec_driver_sql(_PAYMENT, values).scalar()
    return None if found is None else str(found)


def _view(row: Mapping[Any, Any]) -> DisputeView:
    state = row["operation_state"]
    operation = None
    if state is not None:
        operation = OperationView(
            id=row["operation_id"],
            type=row["operation_type"],
            state=state,
            since=_utc(row["operation_since"]),
            next_check_at=_utc_or_none(row["operation_next_check_at"]),
        )
    return DisputeView(
        id=row["dispute_id"],
        payment=row["payment_id"],
        status=row["status"],
        certainty=certainty_of(
            in_doubt=row["implied"] or state in IN_DOUBT, undecided=state in UNDECIDED
        ).value,
        amount=row["amount_minor"],
        currency=row["currency"],
        amount_withdrawn=row["withdrawn_minor"],
        amount_reinstated=row["reinstated_minor"],
        amount_written_off=row["written_off_minor"],
        fee=row["fee_minor"],
        reason=row["reason"],
        evidence_due_by=_utc_or_none(row["evidence_due_by"]),
        operation=operation,
        last_error=ErrorView.of(row["error_code"], row["message"], None),
        created_at=_utc(row["created_at"]),
        updated_at=_utc(row["updated_at"]),
    )


def _utc(moment: datetime) -> datetime:
    """The session's time zone is nobody's business."""
    return moment.astimezone(UTC)


def _utc_or_none(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
