"""Records what calls came to: many answers in one transaction, each only under the lease that asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.processor.app.ports import Policies, ProcessorUnitOfWork
from services.processor.domain.attempt import Attempt, Move, record_answer, record_look_up
from services.processor.domain.outcome import Answer, LookUp
from services.processor.domain.policy import Policy

OF_NO_MONEY: Final = "USD"
"""What LadderExhausted calls an exposure of nothing where no currency is known: a hold made by others is let go at a
payment that never asked for money. The contract wants a currency; nobody adds it up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One finished call."""

    held: Attempt
    """The attempt as it was taken: its owner and epoch are the right to record."""
    got: Answer | LookUp
    wait_s: float
    """The jittered back-off, should the answer prove that nothing was sent."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a batch of outcomes did."""

    applied: int
    stale: int
    """Outcomes of workers that no longer held their row: they changed nothing."""


def record_outcomes(outcomes: Sequence[Outcome], uow: ProcessorUnitOfWork, *, policies: Policies) -> Recorded:
    """Apply each outcome to its attempt and publish it as evidence."""
    uow.attempts.lock(outcome.held.operation.operation_id for outcome in outcomes)
    stale = 0
    for outcome in outcomes:
        held = outcome.held
        attempt = uow.attempts.get(held.operation.operation_id)
        if attempt is None or _lease(attempt) != _lease(held):
            stale += 1
            continue
        _record(attempt, outcome, uow, policies[held.operation.processor].of(held.operation.kind))
    return Recorded(applied=len(outcomes) - stale, stale=stale)


def _lease(attempt: Attempt) -> tuple[str | None, int]:
    return attempt.lease_owner, attempt.lease_epoch


def _record(attempt: Attempt, outcome: Outcome, uow: ProcessorUnitOfWork, policy: Policy) -> None:
    got = outcome.got
    if isinstance(got, Answer):
        # The back-off on top: those that were told to wait equally long do not all come back at once.
        wait_s = min(got.retry_after_s or 0.0, policy.retry_after_cap_s) + outcome.wait_s
        move = record_answer(attempt, got, now=uow.now, wait_s=wait_s, policy=policy)
        uow.evidence.answered(move.attempt, got, move)
        uow.attempts.note(
            move.attempt,
            "answered",
            result=got.result,
            error_code=got.error_code,
            body_sha256=got.body_sha256,
        )
    else:
        move = record_look_up(attempt, got, now=uow.now, policy=policy)
        uow.evidence.looked_up(move.attempt, attempt.rung, got, move)
        uow.attempts.note(move.attempt, "looked_up", result=got.found, error_code=got.error_code)
    uow.attempts.put(move.attempt)
    _announce(move, uow)


def _announce(move: Move, uow: ProcessorUnitOfWork) -> None:
    if move.doubt is not None:
        uow.attempts.note(move.attempt, "doubted", reason=move.doubt)
        uow.evidence.doubted(move.attempt, move.doubt)
    if move.exhausted:
        uow.attempts.note(move.attempt, "exhausted")
        asked = move.attempt.operation
        # A cancel names no currency, and an amount at risk, were it none at all, needs one.
        currency = asked.currency or uow.attempts.currency_of(asked.payment_id) or OF_NO_MONEY
        uow.evidence.exhausted(move.attempt, currency)
    if move.closed is not None:
        uow.attempts.note(move.attempt, "closed", reason=move.closed)
        uow.evidence.closed(move.attempt, cause_id=move.attempt.cause_id)
