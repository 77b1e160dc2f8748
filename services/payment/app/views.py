"""What merchants are shown: payments, refunds and their operations, field for field as the API documents them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from services.payment.domain.disputes import Dispute
from services.payment.domain.operations import Operation, OperationState
from services.payment.domain.payment import Payment
from services.payment.domain.refunds import Refund
from services.payment.domain.status import Certainty


def certainty_of(*, in_doubt: bool, undecided: bool) -> Certainty:
    """Say how sure we are, from the worst that is known of the operations."""
    if in_doubt:
        return Certainty.UNCERTAIN
    return Certainty.PENDING if undecided else Certainty.CERTAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationView:
    """The operation asked for last."""

    id: str
    type: str
    state: str
    since: datetime
    next_check_at: datetime | None

    @classmethod
    def of(cls, operation: Operation) -> Self:
        """Show an operation."""
        return cls(
            id=operation.operation_id,
            type=operation.type.value,
            state=operation.state.value,
            since=operation.since,
            next_check_at=operation.next_check_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorView:
    """Why the last attempt came to nothing."""

    code: str | None
    message: str | None
    decline_code: str | None

    @classmethod
    def of(cls, code: str | None, message: str | None, decline_code: str | None) -> Self | None:
        """Show an error; None where there is none."""
        if code is None and message is None and decline_code is None:
            return None
        return cls(code=code, message=message, decline_code=decline_code)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentView:
    """A payment."""

    id: str
    status: str
    certainty: str
    hold: str | None
    amount: int
    currency: str
    amount_authorized: int
    amount_capturable: int
    amount_captured: int
    amount_refunded: int
    amount_disputed: int
    amount_reversed: int
    amount_settled: int
    amount_in_doubt: int
    amount_stray: int
    capture_method: str
    payment_method: str | None
    customer: str | None
    reference: str | None
    description: str | None
    metadata: Mapping[str, str]
    operation: OperationView | None
    last_error: ErrorView | None
    capture_before: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundView:
    """A refund; ``adopted`` says that somebody else asked the processor for it.

    ``double_return_risk``: a dispute of the same capture opened while it was under way.
    """

    id: str
    payment: str
    status: str
    certainty: str
    amount: int
    currency: str
    reason: str | None
    metadata: Mapping[str, str]
    adopted: bool
    double_return_risk: bool
    operation: OperationView | None
    last_error: ErrorView | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeView:
    """A dispute; ``amount_withdrawn`` less ``amount_reinstated`` is what the processor keeps of it now.

    ``certainty`` is that of its latest answer, and ``uncertain`` while only money that it took is known of it.
    """

    id: str
    payment: str
    status: str
    certainty: str
    amount: int
    currency: str
    amount_withdrawn: int
    amount_reinstated: int
    amount_written_off: int
    fee: int
    reason: str | None
    evidence_due_by: datetime | None
    operation: OperationView | None
    last_error: ErrorView | None
    created_at: datetime
    updated_at: datetime


def payment_view(payment: Payment) -> PaymentView:
    """Show a payment as this transaction is about to write it."""
    amounts, latest = payment.amounts, payment.latest_operation
    return PaymentView(
        id=payment.payment_id,
        status=payment.status.value,
        certainty=payment.certainty.value,
        hold=payment.hold,
        amount=payment.amount_minor,
        currency=payment.currency,
        amount_authorized=amounts.authorized_minor,
        amount_capturable=amounts.capturable_minor,
        amount_captured=amounts.captured_minor,
        amount_refunded=amounts.refunded_minor,
        amount_disputed=amounts.disputed_open_minor,
        amount_reversed=amounts.reversed_minor,
        amount_settled=amounts.settled_minor,
        amount_in_doubt=payment.in_doubt_minor,
        amount_stray=amounts.stray_minor,
        capture_method=payment.capture_method.value,
        payment_method=payment.payment_method,
        customer=payment.customer,
        reference=payment.reference,
        description=payment.description,
        metadata=payment.metadata,
        operation=OperationView.of(latest) if latest else None,
        last_error=ErrorView.of(
            payment.last_error_code, payment.last_error_message, payment.last_decline_code
        ),
        capture_before=payment.capture_before,
        version=payment.version + (1 if payment.changes.dirty else 0),
        created_at=payment.created_at,
        updated_at=payment.updated_at,
    )


def refund_view(payment: Payment, refund: Refund) -> RefundView:
    """Show a refund as this transaction is about to write it."""
    operation = payment.operations.get(refund.operation_id) if refund.operation_id else None
    state = operation.state if operation else OperationState.SUCCEEDED
    return RefundView(
        id=refund.refund_id,
        payment=payment.payment_id,
        status=refund.state.value,
        certainty=certainty_of(
            in_doubt=state in {OperationState.UNCERTAIN, OperationState.IN_REVIEW},
            undecided=operation is not None and operation.undecided,
        ).value,
        amount=refund.amount_minor,
        currency=refund.currency,
        reason=refund.reason,
        metadata=refund.metadata or {},
        adopted=refund.adopted,
        double_return_risk=refund.double_return_risk,
        operation=OperationView.of(operation) if operation else None,
        last_error=ErrorView.of(
            operation.error_code if operation else None,
            operation.message if operation else None,
            refund.decline_code,
        ),
        created_at=refund.created_at,
        updated_at=refund.updated_at,
    )


def dispute_view(payment: Payment, dispute: Dispute) -> DisputeView:
    """Show a dispute, with its latest answer, as this transaction is about to write it."""
    answers = [o for o in payment.operations.values() if o.dispute_id == dispute.dispute_id]
    latest = max(answers, key=lambda operation: operation.number, default=None)
    return DisputeView(
        id=dispute.dispute_id,
        payment=payment.payment_id,
        status=dispute.status.value,
        certainty=certainty_of(
            in_doubt=dispute.implied
            or (latest is not None and latest.state in {OperationState.UNCERTAIN, OperationState.IN_REVIEW}),
            undecided=latest is not None and latest.undecided,
        ).value,
        amount=dispute.amount_minor,
        currency=dispute.currency,
        amount_withdrawn=dispute.withdrawn_minor,
        amount_reinstated=dispute.reinstated_minor,
        amount_written_off=dispute.written_off_minor,
        fee=dispute.fee_minor,
        reason=dispute.reason,
        evidence_due_by=dispute.evidence_due_by,
        operation=OperationView.of(latest) if latest else None,
        last_error=ErrorView.of(latest.error_code, latest.message, None) if latest else None,
        created_at=dispute.created_at,
        updated_at=dispute.updated_at,
    )
