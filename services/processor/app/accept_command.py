"""Accepts commands from `payment`: opens attempts, withdraws, stops and hastens them. Calls nobody."""

from __future__ import annotations

from datetime import timedelta

from services.processor.app.ports import Policies, ProcessorUnitOfWork
from services.processor.domain.attempt import Attempt, decide, look_up_now, withdraw
from services.processor.domain.operation import Operation
from shared.kernel.errors import Poison


def open_attempt(
    operation: Operation, uow: ProcessorUnitOfWork, *, policies: Policies, cause_id: str
) -> None:
    """Store the operation as due now. The same operation again is no second attempt; a changed one is poison."""
    if operation.processor not in policies:
        raise Poison(f"processor {operation.processor!r} is not configured here")
    known = uow.attempts.get(operation.operation_id)
    if known is None:
        queue_s = policies[operation.processor].of(operation.kind).queue_s
        send_before = None if queue_s is None else uow.now + timedelta(seconds=queue_s)
        attempt = Attempt(operation=operation, cause_id=cause_id, next_at=uow.now, send_before=send_before)
        uow.attempts.add(attempt)
        uow.attempts.note(attempt, "opened")
    elif known.operation != operation:
        raise Poison(f"operation {operation.operation_id} was asked for before with other values")


def withdraw_operation(operation_id: str, uow: ProcessorUnitOfWork, *, cause_id: str) -> None:
    """Close the attempt if nothing of it can have reached the processor; what was sent runs on."""
    attempt = uow.attempts.get(operation_id)
    if attempt is None:
        # Commands of one payment come in order: the one that asked for it was skipped or never existed.
        raise Poison(f"operation {operation_id} is not known here")
    move = withdraw(attempt, now=uow.now)
    if move.applied:
        uow.attempts.put(move.attempt)
        uow.attempts.note(move.attempt, "withdrawal", closed=move.closed)
    if move.closed is not None:
        uow.evidence.closed(move.attempt, cause_id=cause_id)


def operation_decided(operation_id: str, outcome: str, uow: ProcessorUnitOfWork, *, cause_id: str) -> None:
    """Stop the ladder: other evidence has decided."""
    attempt = uow.attempts.get(operation_id)
    if attempt is None:
        return  # decided without us: nothing of ours is open
    move = decide(attempt, now=uow.now)
    if move.closed is not None:
        uow.attempts.put(move.attempt)
        uow.attempts.note(move.attempt, "decided", outcome=outcome)
        uow.evidence.closed(move.attempt, cause_id=cause_id)


def look_up_operation(operation_id: str, uow: ProcessorUnitOfWork, *, policies: Policies) -> None:
    """Bring the next look-up forward, at most once in five seconds.

    A wish and no more: where the processor is not configured nobody can look, and no other command waits for that.
    """
    attempt = uow.attempts.get(operation_id)
    if attempt is None or attempt.operation.processor not in policies:
        return
    move = look_up_now(
        attempt, now=uow.now, policy=policies[attempt.operation.processor].of(attempt.operation.kind)
    )
    if move.applied:
        uow.attempts.put(move.attempt)
