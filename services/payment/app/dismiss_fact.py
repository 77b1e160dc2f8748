"""Dismiss a fact that has fitted nowhere: somebody looked, and says why nothing is left to do about it."""

from dataclasses import dataclass

from services.payment.app.apply_fact import find_payment, refs_of
from services.payment.app.ports import OperatorUnit
from services.payment.app.wake_waiting_facts import stuck_no_more
from services.payment.domain.changes import Moment
from services.payment.domain.status import Source
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class DismissFact:
    """Which fact, by whom, and why."""

    waiting_id: str
    reason: str
    actor: Actor


def dismiss_fact(command: DismissFact, uow: OperatorUnit) -> str | None:
    """Let it rest and return its payment, if one is known. It decides nothing, and the evidence stays as it is."""
    if not command.reason.strip():
        raise Rejected("reason_missing", "say why it is dismissed", status=422, param="reason")
    waiting = uow.waiting.locked(command.waiting_id)
    if waiting is None or waiting.dismissed_at is not None:
        raise Rejected("waiting_fact_not_found", "there is no such fact that waits", status=404, stored=False)
    if uow.now < waiting.deadline_at:
        raise Rejected(
            "fact_not_stuck",
            f"what it is about may still come; it is stuck from {waiting.deadline_at.isoformat()} on",
            stored=False,
            extra={"deadline_at": waiting.deadline_at.isoformat()},
        )
    uow.refs.lock(refs_of(waiting.fact))
    payment = find_payment(uow, waiting.fact, waiting.payment_id)
    if payment is not None:
        moment = Moment(now=uow.now, cause_id=waiting.waiting_id, ids=uow.ids, source=Source.OPERATOR)
        payment.answer_cases(
            stuck_no_more(payment, waiting, uow),
            moment,
            why=command.reason,
            by=command.actor.name,
        )
    uow.waiting.dismiss(command.waiting_id, by=command.actor.name, reason=command.reason, at=uow.now)
    uow.acted(command.actor, "dismiss_fact", command.waiting_id, command.reason)
    return payment.payment_id if payment is not None else None
