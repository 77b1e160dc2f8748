"""Cancel a payment that took no money."""

from dataclasses import dataclass

from services.payment.app.find_payment import merchants_moment, merchants_payment
from services.payment.app.ports import PaymentUnit
from services.payment.domain.payment import Payment
from services.payment.domain.requests import cancel


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelPayment:
    """A merchant's wish to give the hold back, or to end a payment that never had one."""

    merchant_id: str
    mode: str
    payment_id: str
    request_id: str


def cancel_payment(command: CancelPayment, uow: PaymentUnit) -> Payment:
    """Before a hold the payment is CANCELED at once; with one the processor is asked first."""
    payment = merchants_payment(uow, command.payment_id, command.merchant_id, command.mode)
    cancel(payment, merchants_moment(uow, command.request_id))
    return payment
