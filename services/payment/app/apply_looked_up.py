"""Apply LookedUp: what the processor knows of an operation when asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.payment.app.apply_fact import ApplyFact, apply_fact
from services.payment.app.find_operation import reported_operation
from services.payment.app.ports import PaymentUnit
from services.payment.domain.answering import note_unproven, schedule_check
from services.payment.domain.changes import Moment
from services.payment.domain.facts import Fact
from services.payment.domain.status import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyLookedUp:
    """What a look-up found; nothing found proves nothing."""

    payment_id: str
    operation_id: str
    cause_id: str
    #: found, not_found or unreachable
    result: str
    facts: Sequence[Fact]
    looked_up_at: datetime
    next_check_at: datetime | None


def apply_looked_up(command: ApplyLookedUp, uow: PaymentUnit) -> None:
    """Apply the facts found and remember when the next look is due."""
    payment, operation = reported_operation(uow, command.payment_id, command.operation_id)
    for fact in command.facts:
        apply_fact(
            ApplyFact(
                fact=fact,
                source=Source.POLL,
                cause_id=command.cause_id,
                received_at=command.looked_up_at,
                payment_id=command.payment_id,
            ),
            uow,
        )
    moment = Moment(now=uow.now, cause_id=command.cause_id, ids=uow.ids, source=Source.POLL)
    schedule_check(payment, operation, command.next_check_at, moment)
    if command.result == "found":
        note_unproven(payment, operation, command.next_check_at, moment)
