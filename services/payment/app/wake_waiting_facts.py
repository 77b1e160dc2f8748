"""Look again at facts that wait: at our own tables first, then, for a doubtful payment, at the processor."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from services.payment.app.apply_fact import find_payment, look_up_doubts, refs_of
from services.payment.app.ports import NEVER, PaymentUnit, WaitingFact
from services.payment.app.settle_counted import settle_counted
from services.payment.domain.absorbing import Verdict, absorb
from services.payment.domain.cases import FACT_STUCK, of_stuck_fact
from services.payment.domain.changes import Moment
from services.payment.domain.payment import Payment
from services.payment.domain.reported import as_known
from services.payment.domain.status import Source

#: One transaction looks at so many; more would hold their payments' locks for too long.
WAKE_BATCH: Final = 50
BACKOFF_BASE_S: Final = 2
BACKOFF_MAX_S: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeWaitingFacts:
    """Look at those that are due."""

    limit: int = WAKE_BATCH


def wake_waiting_facts(command: WakeWaitingFacts, uow: PaymentUnit) -> int:
    """Apply what can be applied now; tell how many were looked at."""
    due = uow.waiting.claim_due(uow.now, command.limit)
    uow.refs.lock([ref for waiting in due for ref in refs_of(waiting.fact)])
    owners = {uow.refs.owner(ref) for waiting in due for ref in refs_of(waiting.fact)}
    echoed = {waiting.fact.payment_id for waiting in due} | {waiting.payment_id for waiting in due}
    uow.payments.lock_many({payment_id for payment_id in owners | echoed if payment_id})
    for waiting in due:
        _wake(waiting, uow)
    return len(due)


def _wake(waiting: WaitingFact, uow: PaymentUnit) -> None:
    payment = find_payment(uow, waiting.fact, waiting.payment_id)
    moment = Moment(
        now=uow.now,
        cause_id=waiting.cause_id,
        ids=uow.ids,
        source=waiting.source,
        evidence_id=waiting.evidence_id,
    )
    if payment is not None and _fits(payment, waiting, moment, uow):
        return
    if waiting.dismissed_at is not None:
        # What it names was heard of, and it still does not fit: it rests on.
        uow.waiting.postpone(waiting, NEVER)
        return
    if payment is not None:
        look_up_doubts(payment, "fact_waits", moment)
        if uow.now >= waiting.deadline_at:
            payment.open_case(
                FACT_STUCK, waiting.fact.object_id, moment, exposure_minor=waiting.fact.amount_minor
            )
    delay_s = min(BACKOFF_BASE_S * 2 ** min(waiting.checks, 16), BACKOFF_MAX_S)
    uow.waiting.postpone(waiting, uow.now + timedelta(seconds=delay_s))


def _fits(payment: Payment, waiting: WaitingFact, moment: Moment, uow: PaymentUnit) -> bool:
    """Apply it, if that is possible now: it waits no more, and nobody need look at it."""
    counted_before = payment.captures_counted
    # What is known of the object may have changed while a report's word waited.
    reported = waiting.source is Source.SETTLEMENT
    fact = as_known(payment, waiting.fact) if reported else waiting.fact
    if absorb(payment, fact, moment) is Verdict.WAITS:
        return False
    settle_counted(payment, counted_before, moment, uow)
    uow.waiting.finish(waiting.waiting_id)
    stuck = of_stuck_fact(payment.cases, waiting.fact.object_id)
    payment.answer_cases(stuck, moment, why=f"{waiting.fact.words} of it fits now")
    return True
