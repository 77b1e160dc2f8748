"""What the worker role does on its timers: facts that wait, strays to give back, waits that are over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Final

from services.payment.adapters.notes import Note
from services.payment.adapters.unit_of_work import PaymentUnitOfWork
from services.payment.app.abandon_payments import ABANDON_BATCH, AbandonPayments, abandon_payments
from services.payment.app.expire_risk_checks import ExpireRiskChecks, expire_risk_checks
from services.payment.app.return_strays import RETURN_BATCH, ReturnStrays, return_strays
from services.payment.app.set_aside_fact import SetAsideFact, set_aside_fact, tell_stuck_fact
from services.payment.app.wake_waiting_facts import (
    WAKE_BATCH,
    WakeWaitingFacts,
    wake_waiting_fact,
    wake_waiting_facts,
)
from shared.kernel.clock import SystemClock
from shared.persistence.unit_of_work import Transactions
from shared.runtime.apart import Resting, Takes, done_apart, together_or_apart

#: By these names the roles' failures are counted.
WAITING: Final = "work.waiting"
STRAYS: Final = "work.strays"
ABANDONED: Final = "work.abandoned"
RISK: Final = "work.risk"

#: A woken fact is applied within this time; an idle look costs one index probe.
POLL_S: Final = 0.5
#: Nobody waits for a stray's return within seconds; an idle look costs one index probe.
RETURN_EVERY_S: Final = 5.0
#: A month is not over within minutes; an idle look costs one index probe.
ABANDON_EVERY_S: Final = 60.0
#: A merchant waits: a deadline is looked at when it comes. Between looks lies at least, and at most, so much.
RISK_LOOK_MIN_S: Final = 0.02
RISK_LOOK_MAX_S: Final = 1.0
#: Where payments do not wait for risk, what a former setting left behind is still ended.
RISK_LOOK_OFF_S: Final = 5.0


def wake_due_facts(transactions: Transactions[PaymentUnitOfWork]) -> bool:
    """One batch in one transaction; true where there may be more at once.

    Where that fails each fact is woken in a transaction of its own. One that fails even so rests with back-off in
    front of nobody, and once it is stuck a person is told.
    """
    looked_at = together_or_apart(
        lambda: transactions.run(
            lambda uow: wake_waiting_facts(WakeWaitingFacts(), uow), name="wake waiting facts"
        ),
        lambda: _wake_each(transactions),
        role=WAITING,
    )
    return looked_at >= WAKE_BATCH


def _wake_each(transactions: Transactions[PaymentUnitOfWork]) -> int:
    due = transactions.run(lambda uow: uow.waiting.due(uow.now, WAKE_BATCH), name="due facts")
    for waiting_id in due:
        apart = partial(done_apart, role=WAITING, name=waiting_id)
        run = partial(transactions.run, name="wake one fact")
        if apart(partial(run, partial(wake_waiting_fact, waiting_id))):
            continue
        command = SetAsideFact(waiting_id=waiting_id)
        if run(partial(set_aside_fact, command)):
            apart(partial(run, partial(tell_stuck_fact, command)))
    return len(due)


def return_due_strays(
    transactions: Transactions[PaymentUnitOfWork], after_s: float, resting: Resting | None = None
) -> bool:
    """One batch in one transaction; true where there may be more at once. What fails rests, and the others go on."""
    rest = resting if resting is not None else Resting(STRAYS, SystemClock())

    def work(takes: Takes) -> int:
        command = ReturnStrays(after_s=after_s, resting=rest.count, takes=takes)
        return transactions.run(lambda uow: return_strays(command, uow), name="return strays")

    return (rest.run(work) or 0) >= RETURN_BATCH


def abandon_due_payments(
    transactions: Transactions[PaymentUnitOfWork], limit: int = ABANDON_BATCH, resting: Resting | None = None
) -> bool:
    """One batch in one transaction; true where there may be more at once. What fails rests, and the others go on."""
    rest = resting if resting is not None else Resting(ABANDONED, SystemClock())

    def work(takes: Takes) -> int:
        command = AbandonPayments(limit=limit, resting=rest.count, takes=takes)
        return transactions.run(lambda uow: abandon_payments(command, uow), name="abandon payments")

    return (rest.run(work) or 0) >= limit


def risk_look_s(deadline: timedelta) -> float:
    """How long to rest where nothing waits: what is asked meanwhile is not over before its deadline."""
    return min(max(deadline.total_seconds(), RISK_LOOK_MIN_S), RISK_LOOK_MAX_S)


def end_risk_checks_if_due(
    left_s: Callable[[], float | None],
    transactions: Transactions[PaymentUnitOfWork],
    look_s: float,
    resting: Resting | None = None,
) -> bool | float:
    """As :func:`end_due_risk_checks`, but while no wait is over it only asks, and begins no transaction."""
    left = left_s()
    if left is not None and left <= 0:
        return end_due_risk_checks(transactions, look_s, resting)
    return look_s if left is None else min(max(left, RISK_LOOK_MIN_S), look_s)


def end_due_risk_checks(
    transactions: Transactions[PaymentUnitOfWork], look_s: float, resting: Resting | None = None
) -> bool | float:
    """One batch in one transaction; true where there may be more at once, else the seconds to the next deadline.

    What fails rests, and the others go on.
    """
    rest = resting if resting is not None else Resting(RISK, SystemClock())

    def work(takes: Takes, uow: PaymentUnitOfWork) -> bool | float:
        done = expire_risk_checks(ExpireRiskChecks(resting=rest.count, takes=takes), uow)
        for payment_id, operation_id in done.ended:
            payment = uow.payments.locked(payment_id)
            operation = payment.operations[operation_id] if payment is not None else None
            uow.notes.add(
                Note(
                    cause_id=f"deadline:{operation_id}",
                    payment_id=payment_id,
                    operation_id=operation_id,
                    kind="risk_undecided",
                    result=str(operation.risk).lower() if operation is not None else None,
                    at=uow.now,
                )
            )
        if done.more or done.next_due_at is None:
            return done.more or look_s
        return min(max((done.next_due_at - uow.now).total_seconds(), RISK_LOOK_MIN_S), look_s)

    ended = rest.run(lambda takes: transactions.run(partial(work, takes), name="end waits for risk"))
    return look_s if ended is None else ended
