"""Apply AttemptAnswered: what came back from a call, facts first, then the word itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.payment.app.apply_fact import ApplyFact, apply_fact
from services.payment.app.find_operation import reported_operation
from services.payment.app.ports import PaymentUnit
from services.payment.domain.answering import Answer, note_message, note_sent, settle_answer
from services.payment.domain.changes import Moment
from services.payment.domain.facts import Fact
from services.payment.domain.status import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyAttemptAnswered:
    """The answer and the facts in it."""

    payment_id: str
    operation_id: str
    cause_id: str
    answer: Answer
    facts: Sequence[Fact]
    answered_at: datetime


def apply_attempt_answered(command: ApplyAttemptAnswered, uow: PaymentUnit) -> None:
    """Facts decide; the answer's word counts only where they left the operation open."""
    payment, operation = reported_operation(uow, command.payment_id, command.operation_id)
    moment = Moment(now=uow.now, cause_id=command.cause_id, ids=uow.ids, source=Source.REPLY)
    note_sent(payment, operation, moment)
    note_message(payment, operation, command.answer, moment)
    for fact in command.facts:
        apply_fact(
            ApplyFact(
                fact=fact,
                source=Source.REPLY,
                cause_id=command.cause_id,
                received_at=command.answered_at,
                payment_id=command.payment_id,
                asked=operation if command.answer.mismatched else None,
            ),
            uow,
        )
    settle_answer(payment, operation, command.answer, moment)
