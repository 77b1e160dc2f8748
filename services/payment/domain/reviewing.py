"""Putting an operation before a person: in review with its exposure, a dead letter, still blocking others."""

from services.payment.domain.changes import Moment
from services.payment.domain.events import OperationDeadLettered
from services.payment.domain.operations import Operation, OperationState
from services.payment.domain.payment import Payment


def review(
    payment: Payment,
    operation: Operation,
    reason: str,
    moment: Moment,
    *,
    subject: str | None = None,
    words: str | None = None,
) -> None:
    """In doubt until a person, or late evidence, decides; duplicates stay blocked.

    Case and dead letter are written with the state, in one transaction: whoever reads either finds the other.
    """
    payment.advance(operation, OperationState.IN_REVIEW, moment)
    operation.next_check_at = None
    case = payment.open_case(
        reason,
        subject or operation.operation_id,
        moment,
        exposure_minor=operation.amount_minor,
        currency=payment.currency_of(operation),
        operation_id=operation.operation_id,
        words=words,
    )
    if case is None:
        return
    payment.touch(moment)
    letter = OperationDeadLettered(
        operation_id=operation.operation_id,
        operation_type=operation.published_type,
        processor=operation.processor,
        account=operation.account,
        case_id=case.case_id,
        reason=case.reason,
        exposure_minor=case.exposure_minor,
        currency=case.currency,
        dead_at=moment.now,
    )
    payment.changes.dead_letters.append((letter, moment.cause_id))


def relieve(payment: Payment, reason: str, subject: str, moment: Moment) -> None:
    """Nothing of this subject is at risk any more; a person closes the case all the same."""
    others = {case.subject for case in payment.cases if case.subject != subject}
    if payment.cases.relieve(reason, others, moment):
        payment.touch(moment)
