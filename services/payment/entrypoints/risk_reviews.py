"""What an operator says about a review: decided, noted and announced in one transaction, whichever way it comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.payment.adapters.notes import Note
from services.payment.adapters.payment_of_operation import payment_of
from services.payment.adapters.unit_of_work import PaymentUnitOfWork
from services.payment.app.resolve_risk_review import ResolveRiskReview, resolve_risk_review
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """Who says what about which operation, and why; ``cause_id`` is the request, or made up by the command line."""

    operation_id: str
    approve: bool
    actor: str
    role: str
    reason: str
    cause_id: str
    request_id: str | None = None


def say(word: Word, uow: PaymentUnitOfWork) -> dict[str, Any]:
    """Do it and tell how the operation stands."""
    payment_id = payment_of(uow.connection, word.operation_id)
    if payment_id is None:
        raise Rejected("operation_not_found", "there is no such operation", status=404, stored=False)
    done = resolve_risk_review(
        ResolveRiskReview(
            payment_id=payment_id,
            operation_id=word.operation_id,
            approve=word.approve,
            actor=word.actor,
            cause_id=word.cause_id,
        ),
        uow,
    )
    action = "risk_review_approved" if word.approve else "risk_review_refused"
    uow.notes.add(
        Note(
            cause_id=word.cause_id,
            payment_id=payment_id,
            operation_id=word.operation_id,
            kind=action,
            result="awaits a second person" if done.awaits_second else done.risk.lower(),
            detail=f"{word.actor}: {word.reason}",
            at=uow.now,
        )
    )
    actor = Actor(name=word.actor, role=word.role, request_id=word.request_id)
    uow.acted(actor, action, word.operation_id, word.reason)
    return {
        "operation": word.operation_id,
        "payment": payment_id,
        "risk": done.risk,
        "awaits_second_person": done.awaits_second,
        "two_people": done.two_people,
        "status": done.payment.status.value,
        "hold": done.payment.hold,
    }
