"""Resolve a review: a person lets the operation go, two where money moves by it, or ends it."""

from dataclasses import dataclass

from services.payment.app.find_operation import reported_operation
from services.payment.app.ports import PaymentUnit
from services.payment.domain.changes import Moment
from services.payment.domain.payment import Payment
from services.payment.domain.risking import approve_review, refuse_review
from services.payment.domain.status import Source
from shared.kernel.errors import Poison, Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveRiskReview:
    """Who decides what about which operation."""

    payment_id: str
    operation_id: str
    approve: bool
    actor: str
    cause_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedReview:
    """How the operation stands now; ``awaits_second`` where another person must approve it, too.

    ``two_people`` says that money moves by it.
    """

    payment: Payment
    operation_id: str
    risk: str
    awaits_second: bool
    two_people: bool


def resolve_risk_review(command: ResolveRiskReview, uow: PaymentUnit) -> ResolvedReview:
    """Refused unless the operation is in review; the same person never approves twice."""
    try:
        payment, operation = reported_operation(uow, command.payment_id, command.operation_id)
    except Poison:
        raise Rejected(
            "operation_not_found", "there is no such operation", status=404, stored=False
        ) from None
    moment = Moment(
        now=uow.now, cause_id=command.cause_id, ids=uow.ids, source=Source.OPERATOR, risk=uow.risk
    )
    gone = True
    if command.approve:
        gone = approve_review(payment, operation, command.actor, moment)
    else:
        refuse_review(payment, operation, moment)
    return ResolvedReview(
        payment=payment,
        operation_id=operation.operation_id,
        risk=str(operation.risk),
        awaits_second=not gone,
        two_people=operation.takes_money,
    )
