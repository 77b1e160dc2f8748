"""Refund a payment, whole or in part; its room is taken twice over: in the domain and by one guarded update."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.payment.app.find_payment import merchants_moment, merchants_payment
from services.payment.app.ports import PaymentUnit
from services.payment.domain.refunds import Refund
from services.payment.domain.requests import refund
from shared.kernel.errors import InvariantViolation


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundPayment:
    """A merchant's wish to give money back; without an amount all that is left."""

    merchant_id: str
    mode: str
    payment_id: str
    request_id: str
    amount_minor: int | None = None
    reason: str | None = None
    metadata: Mapping[str, str] | None = None


def refund_payment(command: RefundPayment, uow: PaymentUnit) -> Refund:
    """Reserve the room and ask the processor; an undecided refund blocks only what it reserves."""
    payment = merchants_payment(uow, command.payment_id, command.merchant_id, command.mode)
    refunded = refund(
        payment,
        merchants_moment(uow, command.request_id),
        amount_minor=command.amount_minor,
        reason=command.reason,
        metadata=command.metadata,
    )
    capture_id = refunded.capture_id or ""
    if not uow.payments.reserve_refund(payment.payment_id, capture_id, refunded.amount_minor):
        raise InvariantViolation("refund_room", f"{payment.payment_id} has no room for {refunded.refund_id}")
    return refunded
