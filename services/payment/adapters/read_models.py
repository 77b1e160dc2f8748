"""Payments and refunds as merchants see them, read without a lock and without the rest of the aggregate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from services.payment.app.views import ErrorView, OperationView, PaymentView, RefundView, certainty_of
from services.payment.domain.operations import IN_DOUBT, UNDECIDED
from shared.persistence.idempotency import Principal

_STATES: Final = {
    "in_doubt": sorted(state.value for state in IN_DOUBT),
    "undecided": sorted(state.value for state in UNDECIDED),
}
#: Parameters: look_up_before. The money of an operation is in doubt where its success would move any.
_PAYMENT: Final = """
SELECT p.*, o.operation_id, o.type AS operation_type, o.state AS operation_state, o.since AS operation_since,
       o.next_check_at AS operation_next_check_at, d.in_doubt, d.undecided, d.in_doubt_minor, d.look_up_due
  FROM payments AS p
  LEFT JOIN LATERAL (SELECT * FROM operations AS l
                      WHERE l.payment_id = p.payment_id AND l.stray_id IS NULL
                      ORDER BY l.number DESC LIMIT 1) AS o ON true
 CROSS JOIN LATERAL (
    SELECT coalesce(bool_or(a.state = ANY(%(in_doubt)s)), false) AS in_doubt,
           coalesce(bool_or(a.state = ANY(%(undecided)s)), false) AS undecided,
           coalesce(sum(a.amount_minor) FILTER (WHERE a.state = ANY(%(in_doubt)s)
                    AND (a.capture OR a.type IN ('capture', 'refund'))), 0)::bigint AS in_doubt_minor,
           coalesce(bool_or(a.state = ANY(%(in_doubt)s)
                    AND (a.looked_up_at IS NULL OR a.looked_up_at <= %(look_up_before)s)), false) AS look_up_due
      FROM operations AS a WHERE a.payment_id = p.payment_id AND a.stray_id IS NULL) AS d
"""
_ONE: Final = _PAYMENT + " WHERE p.payment_id = %(payment_id)s"
_PAGE: Final = """
 WHERE p.merchant_id = %(merchant_id)s AND p.mode = %(mode)s AND p.payment_id < %(before)s
   AND (%(status)s::text IS NULL OR p.status = %(status)s)
   AND (%(reference)s::text IS NULL OR p.reference = %(reference)s)
   AND (%(created_gte)s::timestamptz IS NULL OR p.created_at >= %(created_gte)s)
 ORDER BY p.payment_id DESC LIMIT %(limit)s
"""
_LIST: Final = _PAYMENT + _PAGE
_REFUND: Final = """
SELECT r.*, p.merchant_id, p.mode, o.type AS operation_type, o.state AS operation_state,
       o.since AS operation_since, o.next_check_at AS operation_next_check_at, o.error_code, o.message
  FROM refunds AS r JOIN payments AS p USING (payment_id) LEFT JOIN operations AS o USING (operation_id)
 WHERE r.refund_id = %(refund_id)s
"""
_PRESENT: Final = """
SELECT p.status, coalesce(bool_or(o.state = ANY(%(in_doubt)s)), false),
       coalesce(bool_or(o.state = ANY(%(undecided)s)), false)
  FROM payments AS p LEFT JOIN operations AS o ON o.payment_id = p.payment_id AND o.stray_id IS NULL
 WHERE p.payment_id = coalesce((SELECT r.payment_id FROM refunds AS r WHERE r.refund_id = %(id)s),
                               (SELECT d.payment_id FROM disputes AS d WHERE d.dispute_id = %(id)s), %(id)s)
 GROUP BY p.payment_id
"""
_DECIDED: Final = """
SELECT operation_id FROM operations
 WHERE operation_id = ANY(%(ids)s) AND state <> ALL(%(undecided)s)
    OR operation_id = ANY(%(ids)s) AND (state = ANY(%(in_doubt)s) OR risk = 'REVIEW')
"""
#: Sorts after every id there is.
_AFTER_ALL: Final = "pay_~"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPayment:
    """A payment with whose it is, and whether one of its doubts may be looked up again."""

    view: PaymentView
    owner: Principal
    look_up_due: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRefund:
    """A refund with whose it is."""

    view: RefundView
    owner: Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which of a merchant's payments, newest first."""

    limit: int
    before: str | None = None
    status: str | None = None
    reference: str | None = None
    created_gte: datetime | None = None


def find_payment(
    connection: sa.Connection, payment_id: str, *, look_up_before: datetime | None = None
) -> FoundPayment | None:
    """Read a payment; a doubt last looked up after ``look_up_before`` needs no new look."""
    values = {"payment_id": payment_id, "look_up_before": look_up_before, **_STATES}
    row = connection.exec_driver_sql(_ONE, values).mappings().one_or_none()
    if row is None:
        return None
    owner = Principal(owner_id=row["merchant_id"], mode=row["mode"])
    return FoundPayment(view=_payment(row), owner=owner, look_up_due=row["look_up_due"])


def list_payments(connection: sa.Connection, principal: Principal, wanted: Wanted) -> Sequence[PaymentView]:
    """Read a page of a merchant's payments."""
    values = {
        "merchant_id": principal.owner_id,
        "mode": principal.mode,
        "before": wanted.before or _AFTER_ALL,
        "status": wanted.status,
        "reference": wanted.reference,
        "created_gte": wanted.created_gte,
        "limit": wanted.limit,
        "look_up_before": None,
        **_STATES,
    }
    return [_payment(row) for row in connection.exec_driver_sql(_LIST, values).mappings()]


def find_refund(connection: sa.Connection, refund_id: str) -> FoundRefund | None:
    """Read a refund."""
    row = connection.exec_driver_sql(_REFUND, {"refund_id": refund_id}).mappings().one_or_none()
    if row is None:
        return None
    state = row["operation_state"]
    view = RefundView(
        id=row["refund_id"],
        payment=row["payment_id"],
        status=row["state"],
        certainty=certainty_of(
            in_doubt=state in _STATES["in_doubt"], undecided=state in _STATES["undecided"]
        ).value,
        amount=row["amount_minor"],
        currency=row["currency"],
        reason=row["reason"],
        metadata=row["metadata"] or {},
        adopted=row["adopted"],
        double_return_risk=row["double_return_risk"],
        operation=_operation(row),
        last_error=ErrorView.of(row["error_code"], row["message"], row["decline_code"]),
        created_at=_utc(row["created_at"]),
        updated_at=_utc(row["updated_at"]),
    )
    return FoundRefund(view=view, owner=Principal(owner_id=row["merchant_id"], mode=row["mode"]))


def present_state(connection: sa.Connection, resource_id: str) -> tuple[str, str] | None:
    """Status and certainty, now, of a payment or of a refund's or a dispute's payment."""
    row = connection.exec_driver_sql(_PRESENT, {"id": resource_id, **_STATES}).one_or_none()
    return None if row is None else (row[0], certainty_of(in_doubt=row[1], undecided=row[2]).value)


def decided_operations(connection: sa.Connection, operation_ids: Sequence[str]) -> Sequence[str]:
    """Which of these operations are decided, or so doubtful that waiting for them makes no sense."""
    values = {"ids": list(operation_ids), **_STATES}
    return list(connection.exec_driver_sql(_DECIDED, values).scalars())


def _payment(row: Mapping[Any, Any]) -> PaymentView:
    return PaymentView(
        id=row["payment_id"],
        status=row["status"],
        certainty=certainty_of(in_doubt=row["in_doubt"], undecided=row["undecided"]).value,
        hold=row["hold"],
        amount=row["amount_minor"],
        currency=row["currency"],
        amount_authorized=row["authorized_minor"],
        amount_capturable=row["capturable_minor"],
        amount_captured=row["captured_minor"],
        amount_refunded=row["refunded_minor"],
        amount_disputed=row["disputed_open_minor"],
        amount_reversed=row["reversed_minor"],
        amount_settled=row["settled_minor"],
        amount_in_doubt=row["in_doubt_minor"],
        amount_stray=row["stray_minor"],
        capture_method=row["capture_method"],
        payment_method=row["payment_method"],
        customer=row["customer"],
        reference=row["reference"],
        description=row["description"],
        metadata=row["metadata"],
        operation=_operation(row),
        last_error=ErrorView.of(row["last_error_code"], row["last_error_message"], row["last_decline_code"]),
        capture_before=_utc_or_none(row["capture_before"]),
        version=row["version"],
        created_at=_utc(row["created_at"]),
        updated_at=_utc(row["updated_at"]),
    )


def _operation(row: Mapping[Any, Any]) -> OperationView | None:
    if row["operation_state"] is None:
        return None
    return OperationView(
        id=row["operation_id"],
        type=row["operation_type"],
        state=row["operation_state"],
        since=_utc(row["operation_since"]),
        next_check_at=_utc_or_none(row["operation_next_check_at"]),
    )


def _utc(moment: datetime) -> datetime:
    """The session's time zone is nobody's business."""
    return moment.astimezone(UTC)


def _utc_or_none(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
