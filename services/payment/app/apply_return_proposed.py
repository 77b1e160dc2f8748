"""Two people at reconciliation decided to give a charge astray back: payment does it, by its own rules, once.

Reconciliation is answered on the payment's stream, with whatever is decided here.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from services.payment.app.decide import return_astray
from services.payment.app.ports import OperatorUnit
from services.payment.domain.asked_returns import STEPS, AskedReturn, AskedState, Step, Word
from services.payment.domain.changes import Moment
from services.payment.domain.events import StrayReturnAnswered
from services.payment.domain.payment import Payment
from services.payment.domain.status import Source
from services.payment.domain.strays import Stray
from shared.kernel.errors import Poison, Rejected

ASKED: Final = "return_asked"
AGAIN: Final = "return_known"
WITHDRAWN: Final = "return_withdrawn"


class AskedReturns(Protocol):
    """What each proposal came to."""

    def get(self, proposal_event_id: str) -> AskedReturn | None:
        """None where neither it nor its withdrawal was heard of."""
        ...

    def put(self, asked: AskedReturn) -> None:
        """Keep what it came to."""
        ...


class ReturnsUnit(OperatorUnit, Protocol):
    """A transaction that also knows what reconciliation asked for."""

    @property
    def asked_returns(self) -> AskedReturns: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyReturnProposed:
    """What was decided, and by whom."""

    break_id: str
    payment_id: str
    processor: str
    account: str
    object_id: str
    amount_minor: int
    currency: str
    proposed_by: str
    approved_by: str
    cause_id: str


def apply_return_proposed(command: ApplyReturnProposed, uow: ReturnsUnit) -> str:
    """Ask for the return, or say in one word why not: the case of the stray stays before a person then.

    What is under way, given back already, disputed, withdrawn by now, or another amount than was approved is never
    returned by it.
    """
    if command.proposed_by == command.approved_by:
        raise Poison(f"one person alone proposed and approved the return of {command.object_id}")
    payment = uow.payments.locked(command.payment_id)
    if payment is None:
        raise Poison(f"payment {command.payment_id} is not ours")
    known = uow.asked_returns.get(command.cause_id)
    step = STEPS[known.state if known is not None else None, Word.PROPOSED]
    if step is Step.NOTHING:
        return AGAIN
    moment = Moment(now=uow.now, cause_id=command.cause_id, ids=uow.ids, source=Source.OPERATOR)
    operation_id, refused = _return(payment, command, moment, uow) if step is Step.ASK else (None, WITHDRAWN)
    if known is None:
        uow.asked_returns.put(
            AskedReturn(
                proposal_event_id=command.cause_id,
                payment_id=command.payment_id,
                state=AskedState.ASKED if refused is None else AskedState.REFUSED,
                operation_id=operation_id,
            )
        )
    payment.announce(
        StrayReturnAnswered(
            break_id=command.break_id,
            proposal_event_id=command.cause_id,
            outcome="accepted" if refused is None else "refused",
            operation_id=operation_id,
            reason=refused,
        ),
        moment,
    )
    return refused or ASKED


def _return(
    payment: Payment, command: ApplyReturnProposed, moment: Moment, uow: OperatorUnit
) -> tuple[str | None, str | None]:
    """The operation that gives it back, or why none does."""
    stray = _stray_of(payment, command)
    if stray is None:
        return None, "stray_unknown"
    if (stray.amount_minor, stray.currency) != (command.amount_minor, command.currency):
        return None, "stray_differs"
    try:
        return return_astray(payment, stray, moment, uow).operation_id, None
    except Rejected as refused:
        return None, refused.code


def _stray_of(payment: Payment, command: ApplyReturnProposed) -> Stray | None:
    thing = payment.objects.get((command.processor, command.account, command.object_id))
    return payment.strays.get(thing.stray_id or "") if thing is not None else None
