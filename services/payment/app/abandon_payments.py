"""End payments that have waited for a payment method for a month, a batch at a time."""

from dataclasses import dataclass
from typing import Final

from services.payment.app.ports import PaymentUnit, Takes, takes_all
from services.payment.domain.abandoning import ABANDONED_AFTER, abandon
from services.payment.domain.changes import Moment
from services.payment.domain.status import Source

#: One transaction ends so many; more would hold their locks for too long.
ABANDON_BATCH: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonPayments:
    """Look at those whose time is over."""

    limit: int = ABANDON_BATCH
    #: Payments whose work failed rest: so many are looked at beyond the limit, and these are taken.
    resting: int = 0
    takes: Takes = takes_all


def abandon_payments(command: AbandonPayments, uow: PaymentUnit) -> int:
    """End what still waits now that it is locked; tell how many were ended."""
    forsaken = uow.payments.claim_forsaken(uow.now - ABANDONED_AFTER, command.limit + command.resting)
    found = [payment_id for payment_id in forsaken if command.takes(payment_id)]
    uow.payments.lock_many(found)
    ended = 0
    for payment_id in found:
        payment = uow.payments.locked(payment_id)
        moment = Moment(
            now=uow.now, cause_id=f"abandoned:{payment_id}", ids=uow.ids, source=Source.TIMER, risk=uow.risk
        )
        ended += payment is not None and abandon(payment, moment)
    return ended
