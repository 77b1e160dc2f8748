"""Finding the payment a command is about, as the merchant who asks may see it."""

from services.payment.app.ports import PaymentUnit
from services.payment.domain.changes import Moment
from services.payment.domain.payment import Payment
from services.payment.domain.status import Source
from shared.kernel.errors import Rejected


def merchants_payment(uow: PaymentUnit, payment_id: str, merchant_id: str, mode: str) -> Payment:
    """The locked payment; another merchant's, or one of the other mode, does not exist for the caller."""
    payment = uow.payments.locked(payment_id)
    if payment is None or payment.merchant_id != merchant_id or payment.mode != mode:
        raise Rejected("payment_not_found", "there is no such payment", status=404, stored=False)
    return payment


def merchants_moment(uow: PaymentUnit, request_id: str) -> Moment:
    """Now, by the merchant's wish."""
    return Moment(now=uow.now, cause_id=request_id, ids=uow.ids, source=Source.MERCHANT, risk=uow.risk)
