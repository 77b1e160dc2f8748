"""Takes due attempts for a worker, in one transaction before any call: first the durable intent, then the call."""

from __future__ import annotations

from services.processor.app.give_up_late import give_up_late
from services.processor.app.ports import Policies, ProcessorUnitOfWork, Room
from services.processor.domain.attempt import Attempt, Phase, lose_worker, take
from services.processor.domain.outcome import Doubt


def claim_attempts(
    processor: str, uow: ProcessorUnitOfWork, *, owner: str, room: Room, policies: Policies
) -> list[Attempt]:
    """Return attempts now held by ``owner``, for as many as there is room; each send is announced before it is made.

    A row whose holder's lease has ended comes back here: a send may have happened, so `payment` hears of the
    doubt, and what follows is a look-up, never a blind second send.
    """
    taken = []
    for due in uow.attempts.due(processor, room=room):
        attempt = due
        if give_up_late(attempt, uow):
            continue
        if attempt.held:
            sending = attempt.phase is Phase.SENDING
            attempt = lose_worker(attempt, now=uow.now)
            uow.attempts.note(attempt, "worker_lost")
            if sending:
                uow.evidence.doubted(attempt, Doubt.WORKER_LOST)
        held = take(
            attempt,
            owner=owner,
            attempt_id=uow.ids.new("att_"),
            now=uow.now,
            policy=policies[processor].of(due.operation.kind),
        )
        uow.attempts.put(held)
        if held.phase is Phase.SENDING:
            uow.attempts.note(held, "sent", number=held.attempt_number)
            uow.evidence.sent(held)
        taken.append(held)
    return taken
