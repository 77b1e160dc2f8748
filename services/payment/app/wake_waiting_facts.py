"""Look again at facts that wait: at our own tables first, then, for a doubtful payment, at the processor."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.payment.app.apply_fact import find_payment, look_up_doubts, refs_of
from services.payment.app.ports import NEVER, PaymentUnit, WaitingFact
from services.payment.app.settle_counted import settle_counted
from services.payment.domain.absorbing import Verdict, absorb
from services.payment.domain.cases import FACT_STUCK, Case, of_stuck_fact
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
    _wake_all(due, uow)
    return len(due)


def wake_waiting_fact(waiting_id: str, uow: PaymentUnit) -> None:
    """The same of one alone, unless somebody else has looked at it since it was due."""
    waiting = uow.waiting.locked(waiting_id)
    if waiting is not None and waiting.next_check_at <= uow.now:
        _wake_all([waiting], uow)


def _wake_all(due: Sequence[WaitingFact], uow: PaymentUnit) -> None:
    uow.refs.lock([ref for waiting in due for ref in refs_of(waiting.fact)])
    owners = {uow.refs.owner(ref) for waiting in due for ref in refs_of(waiting.fact)}
    echoed = {waiting.fact.payment_id for waiting in due} | {waiting.payment_id for waiting in due}
    uow.payments.lock_many({payment_id for payment_id in owners | echoed if payment_id})
    for waiting in due:
        _wake(waiting, uow)


def _wake(waiting: WaitingFact, uow: PaymentUnit) -> None:
    payment = find_payment(uow, waiting.fact, waiting.payment_id)
    moment = moment_of(waiting, uow)
    if payment is not None and _fits(payment, waiting, moment, uow):
        return
    if payment is not None and waiting.dismissed_at is None:
        look_up_doubts(payment, "fact_waits", moment)
        if is_stuck(waiting, uow.now):
            open_stuck_case(payment, waiting, moment)
    look_again_later(waiting, uow)


def moment_of(waiting: WaitingFact, uow: PaymentUnit) -> Moment:
    """What it does now is done by its own cause."""
    return Moment(
        now=uow.now,
        cause_id=waiting.cause_id,
        ids=uow.ids,
        source=waiting.source,
        evidence_id=waiting.evidence_id,
    )


def is_stuck(waiting: WaitingFact, now: datetime) -> bool:
    """Whether it has waited for its day, and nobody has said that nothing is left to do about it."""
    return waiting.dismissed_at is None and now >= waiting.deadline_at


def open_stuck_case(payment: Payment, waiting: WaitingFact, moment: Moment) -> None:
    """An object has one open case, which is told each of its facts by the name under which that is dismissed."""
    payment.open_case(
        FACT_STUCK,
        waiting.fact.object_id,
        moment,
        exposure_minor=waiting.fact.amount_minor,
        currency=waiting.fact.currency,
        words=waiting.waiting_id,
    )


def look_again_later(waiting: WaitingFact, uow: PaymentUnit) -> None:
    """With back-off. One that was dismissed was heard of by what it names, and still does not fit: it rests on."""
    delay_s = min(BACKOFF_BASE_S * 2 ** min(waiting.checks, 16), BACKOFF_MAX_S)
    later = NEVER if waiting.dismissed_at is not None else uow.now + timedelta(seconds=delay_s)
    uow.waiting.postpone(waiting, later)


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
    payment.answer_cases(
        stuck_no_more(payment, waiting, uow), moment, why=f"{waiting.fact.words} of it fits now"
    )
    return True


def stuck_no_more(payment: Payment, waiting: WaitingFact, uow: PaymentUnit) -> list[Case]:
    """Cases that need nobody once this fact waits no more: none, while another one of its object is stuck."""
    cases = of_stuck_fact(payment.cases, waiting.fact.object_id)
    asked = any(case.open for case in cases) and uow.waiting.others_stuck(waiting, uow.now)
    return [] if asked else cases
