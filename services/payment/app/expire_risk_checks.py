"""End waits for risk whose deadline has passed: by amount and operation, as the terms say."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.payment.app.ports import PaymentUnit, Takes, takes_all
from services.payment.domain.changes import Moment
from services.payment.domain.risking import expire
from services.payment.domain.status import Source

#: One transaction ends so many waits; more would hold their payments' locks for too long.
EXPIRE_BATCH: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireRiskChecks:
    """Look at those that are due."""

    limit: int = EXPIRE_BATCH
    #: Payments whose work failed rest: so many are looked at beyond the limit, and these are taken.
    resting: int = 0
    takes: Takes = takes_all


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredRiskChecks:
    """What was ended, as (payment, operation); whether more may be due; when the next wait is over, if one is."""

    ended: tuple[tuple[str, str], ...]
    more: bool
    next_due_at: datetime | None


def expire_risk_checks(command: ExpireRiskChecks, uow: PaymentUnit) -> ExpiredRiskChecks:
    """End what still waits now that its payment is locked."""
    waits = uow.payments.waiting_for_risk(command.limit + command.resting)
    due = [
        (payment_id, operation_id)
        for payment_id, operation_id, at in waits
        if at <= uow.now and command.takes(payment_id)
    ]
    if due:
        uow.payments.lock_many({payment_id for payment_id, _ in due})
    ended = []
    for payment_id, operation_id in due:
        payment = uow.payments.locked(payment_id)
        if payment is None:
            continue
        moment = Moment(
            now=uow.now,
            cause_id=f"deadline:{operation_id}",
            ids=uow.ids,
            source=Source.TIMER,
            risk=uow.risk,
        )
        if expire(payment, payment.operations[operation_id], moment):
            ended.append((payment_id, operation_id))
    return ExpiredRiskChecks(
        ended=tuple(ended),
        more=len(due) >= command.limit,
        next_due_at=min((at for _, _, at in waits if at > uow.now), default=None),
    )
