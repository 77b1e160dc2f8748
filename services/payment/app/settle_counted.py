"""Lines may come before the capture that they cover is known to count: from that moment on they cover it."""

from services.payment.app.ports import PaymentUnit
from services.payment.domain.changes import Moment
from services.payment.domain.payment import Payment
from services.payment.domain.settling import settle


def settle_counted(payment: Payment, counted_before: int, moment: Moment, uow: PaymentUnit) -> None:
    """Have a payment follow the lines it has if more of its captures count than before; asks for them only then."""
    if payment.captures_counted > counted_before:
        uow.settlement.load_payments([payment.payment_id])
        settle(payment, uow.settlement.of_payment(payment.payment_id), moment)
