"""Payments that nobody goes on paying: no method came, or none was accepted, and a month went by."""

from datetime import timedelta
from typing import Final

from services.payment.domain.changes import Moment
from services.payment.domain.holding import end_canceled
from services.payment.domain.payment import Payment
from services.payment.domain.status import Status

#: Since the last thing that happened to it. The database holds the same span in ``payments_abandoned_in_time``.
ABANDONED_AFTER: Final = timedelta(days=30)


def abandon(payment: Payment, moment: Moment) -> bool:
    """End one that still waits for a method; False where something happened to it, or may have.

    What is undecided keeps it alive: doubt is no silence. Money that is found afterwards is astray.
    """
    waits = payment.status is Status.REQUIRES_PAYMENT_METHOD and payment.blocking_operation() is None
    if not waits or moment.now - payment.updated_at < ABANDONED_AFTER:
        return False
    payment.abandoned = True
    end_canceled(payment, "abandoned", moment)
    return True
