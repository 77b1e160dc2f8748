"""Capture a payment: take held money, whole or in part."""

from dataclasses import dataclass

from services.payment.app.find_payment import merchants_moment, merchants_payment
from services.payment.app.ports import PaymentUnit
from services.payment.domain.payment import Payment
from services.payment.domain.requests import capture


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturePayment:
    """A merchant's wish to take held money; without an amount all that is left."""

    merchant_id: str
    mode: str
    payment_id: str
    request_id: str
    amount_minor: int | None = None
    final: bool | None = None


def capture_payment(command: CapturePayment, uow: PaymentUnit) -> Payment:
    """Ask the processor; 409 ``operation_in_doubt`` while an authorize, capture or cancel is undecided."""
    payment = merchants_payment(uow, command.payment_id, command.merchant_id, command.mode)
    moment = merchants_moment(uow, command.request_id)
    capture(payment, moment, amount_minor=command.amount_minor, final=command.final)
    return payment
