"""Reconciliation wants a return no more: what was not sent yet is stopped, and it is answered what becomes of it."""

from dataclasses import dataclass, replace
from typing import Final

from services.payment.app.apply_return_proposed import WITHDRAWN, ReturnsUnit
from services.payment.domain.asked_returns import (
    STEPS,
    STOPS,
    WHEN_WITHDRAWN,
    AskedReturn,
    Step,
    Stop,
    Word,
)
from services.payment.domain.changes import Moment
from services.payment.domain.events import StrayReturnAnswered
from services.payment.domain.payment import Payment
from services.payment.domain.status import Source
from services.payment.domain.straying import withdraw_returns
from shared.kernel.errors import Poison

AGAIN: Final = "return_withdrawn_before"
STOPPING: Final = "return_stopping"
TOO_LATE: Final = "return_too_late"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyReturnWithdrawn:
    """Which proposal is wanted no more."""

    break_id: str
    payment_id: str
    proposal_event_id: str
    cause_id: str


def apply_return_withdrawn(command: ApplyReturnWithdrawn, uow: ReturnsUnit) -> str:
    """Stop what it began, if that can be, and remember that it begins nothing any more; in one word what came of it.

    Where the processor's service is asked to drop it, the operation's own end is the answer: it failed, and the stray
    is open again, or it had been sent and succeeded all the same.
    """
    payment = uow.payments.locked(command.payment_id)
    if payment is None:
        raise Poison(f"payment {command.payment_id} is not ours")
    known = uow.asked_returns.get(command.proposal_event_id)
    if known is not None and known.payment_id != command.payment_id:
        raise Poison(f"{command.proposal_event_id} was about {known.payment_id}")
    step = STEPS[known.state if known is not None else None, Word.WITHDRAWN]
    if step is Step.NOTHING:
        return AGAIN
    uow.asked_returns.put(_withdrawn(known, command))
    moment = Moment(now=uow.now, cause_id=command.cause_id, ids=uow.ids, source=Source.OPERATOR)
    if step is Step.STOP and known is not None and known.operation_id is not None:
        return _stop(payment, known.operation_id, command, moment)
    return _answer(payment, command, None, moment)


def _withdrawn(known: AskedReturn | None, command: ApplyReturnWithdrawn) -> AskedReturn:
    if known is not None:
        return replace(known, state=WHEN_WITHDRAWN[known.state])
    return AskedReturn(
        proposal_event_id=command.proposal_event_id,
        payment_id=command.payment_id,
        state=WHEN_WITHDRAWN[None],
        operation_id=None,
    )


def _stop(payment: Payment, operation_id: str, command: ApplyReturnWithdrawn, moment: Moment) -> str:
    operation = payment.operations[operation_id]
    stop = STOPS[operation.state]
    if stop is Stop.DROP:
        withdraw_returns(payment, operation.stray_id or "", WITHDRAWN, moment)
        return STOPPING
    return _answer(payment, command, operation_id if stop is Stop.TOO_LATE else None, moment)


def _answer(payment: Payment, command: ApplyReturnWithdrawn, running: str | None, moment: Moment) -> str:
    """That nothing is given back by it; or, where an operation of it was sent, that it was too late."""
    reason = WITHDRAWN if running is None else TOO_LATE
    payment.announce(
        StrayReturnAnswered(
            break_id=command.break_id,
            proposal_event_id=command.proposal_event_id,
            outcome="refused" if running is None else "accepted",
            operation_id=running,
            reason=reason,
        ),
        moment,
    )
    return reason
