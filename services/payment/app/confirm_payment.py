"""Confirm a payment: try a payment method."""

from dataclasses import dataclass

from services.payment.app.find_payment import merchants_moment, merchants_payment
from services.payment.app.ports import PaymentUnit
from services.payment.domain.payment import Payment
from services.payment.domain.requests import confirm
from services.payment.domain.routing import Places


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmPayment:
    """A merchant's wish to try a method."""

    merchant_id: str
    mode: str
    payment_id: str
    payment_method: str
    request_id: str
    #: Where it may go now; without it, where the payment went before.
    places: Places | None = None


def confirm_payment(command: ConfirmPayment, uow: PaymentUnit) -> Payment:
    """Ask the processor that the rules name now; 409 ``operation_in_doubt`` while an earlier attempt is undecided."""
    payment = merchants_payment(uow, command.payment_id, command.merchant_id, command.mode)
    place = None
    if command.places is not None:
        terms = uow.payments.terms(payment.merchant_id, payment.currency, uow.now)
        place = command.places.place(terms.processor)
    confirm(payment, command.payment_method, merchants_moment(uow, command.request_id), place=place)
    return payment
