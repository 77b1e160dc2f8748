"""Gives up what waited too long to be sent: while a processor is down new authorizations queue, but not for ever.

Nothing of such an attempt can be at the processor, so the payment is free to try again, there or elsewhere.
"""

from __future__ import annotations

from typing import Final

from services.processor.app.ports import ProcessorUnitOfWork
from services.processor.domain.attempt import Attempt, too_late

BATCH: Final = 200


def give_up_all_late(uow: ProcessorUnitOfWork) -> bool:
    """Give up a batch of what is late; true if there may be more. A breaker that is open does not hold this up."""
    late = uow.attempts.late(limit=BATCH)
    for attempt in late:
        give_up_late(attempt, uow)
    return len(late) == BATCH


def give_up_late(attempt: Attempt, uow: ProcessorUnitOfWork) -> bool:
    """Close the attempt if its time to be sent has passed; say whether it was."""
    move = too_late(attempt, now=uow.now)
    if move is None:
        return False
    uow.attempts.put(move.attempt)
    uow.attempts.note(move.attempt, "closed", reason=move.closed)
    uow.evidence.closed(move.attempt, cause_id=attempt.cause_id)
    return True
