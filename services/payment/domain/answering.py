"""What the processor service reports about an operation: sent, answered, ladder at its end, closed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.payment.domain.changes import Moment
from services.payment.domain.commands import OperationDecided
from services.payment.domain.deciding import give_up
from services.payment.domain.holding import own_reason, release_hold
from services.payment.domain.operations import ANSWERS, Operation, OperationState, OperationType
from services.payment.domain.payment import Payment
from services.payment.domain.reviewing import review
from services.payment.domain.risking import settle_denials
from services.payment.domain.straying import end_stray

PROVED_ABSENT: Final = "not_found"
"""The reason by which ``processor`` says that what it sent never took effect."""
_CAME_TO_NOTHING: Final = frozenset({"declined", "failed", "voided", "expired"})
"""Of an object that says so nothing is there any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a call to the processor ended, once its facts are applied."""

    result: str
    decline_code: str | None
    error_code: str | None
    message: str | None
    next_check_at: datetime | None
    mismatched: bool


def note_sent(payment: Payment, operation: Operation, moment: Moment) -> None:
    """A call is about to be made; anything known beyond that stays."""
    if operation.state is OperationState.REQUESTED:
        payment.advance(operation, OperationState.SENT, moment)


def note_message(payment: Payment, operation: Operation, answer: Answer, moment: Moment) -> None:
    """Keep what the processor said in words, before its facts decide anything."""
    operation.error_code = answer.error_code or operation.error_code
    operation.message = answer.message or operation.message
    operation.dirty = True
    payment.touch(moment)


def settle_answer(payment: Payment, operation: Operation, answer: Answer, moment: Moment) -> None:
    """What the answer itself means, where its facts have not decided the operation already."""
    schedule_check(payment, operation, answer.next_check_at, moment)
    if not operation.undecided:
        return
    if operation.state is OperationState.IN_REVIEW:
        return
    if answer.mismatched:
        review(payment, operation, "echo_mismatch", moment)
    elif answer.result == "not_sent":
        return
    elif answer.result == "declined":
        give_up(payment, operation, OperationState.DECLINED, moment, decline_code=answer.decline_code)
    elif answer.result == "accepted":
        payment.advance(operation, OperationState.PENDING, moment)
    elif answer.result == "done" and operation.type is OperationType.STRAY_VOID:
        end_stray(payment, operation.stray_id, moment)
    elif answer.result == "done" and operation.type is OperationType.CANCEL:
        payment.advance(operation, OperationState.SUCCEEDED, moment)
        release_hold(payment, own_reason(payment), moment)
    elif answer.result == "done" and operation.type in ANSWERS:
        # It moves no money: what the dispute became of it is told by the dispute's own facts.
        payment.advance(operation, OperationState.SUCCEEDED, moment)
    else:
        # Unknown, or called done without an object that proves it: doubt, never success on a word.
        payment.advance(operation, OperationState.UNCERTAIN, moment)
        if answer.result == "done":
            note_unproven(payment, operation, answer.next_check_at, moment)
    settle_denials(payment, moment)


def note_doubt(payment: Payment, operation: Operation, moment: Moment) -> None:
    """The ladder ended without an answer: a person decides, and duplicates stay blocked until then."""
    if operation.undecided:
        review(payment, operation, "ladder_exhausted", moment)


def note_unproven(
    payment: Payment, operation: Operation, next_check_at: datetime | None, moment: Moment
) -> None:
    """The processor service calls it decided and looks no more, but told nothing that proves it to us."""
    if operation.undecided and next_check_at is None and operation.state is not OperationState.IN_REVIEW:
        review(payment, operation, "decided_without_proof", moment)


def note_closed(
    payment: Payment, operation: Operation, reason: str, moment: Moment, *, ever_sent: bool
) -> None:
    """Nothing of ours sends it again: withdrawn, or never sent within the limit.

    Where a send may have reached the processor that proves nothing about the money: nobody looks any more, so a
    person does. Only ``not_found`` is such a proof: it was looked for, twice, after it would have to be visible.
    And it proves nothing against the processor's own word that it has it, heard by a webhook or in its feed.
    """
    if reason == "decided" or not operation.undecided or operation.state is OperationState.IN_REVIEW:
        return
    if _shown(payment, operation) or (ever_sent and reason != PROVED_ABSENT):
        review(payment, operation, "closed_in_doubt", moment)
    else:
        give_up(payment, operation, OperationState.ABANDONED, moment)
        settle_denials(payment, moment)


def _shown(payment: Payment, operation: Operation) -> bool:
    """Whether an object that the operation made is known, and has not come to nothing."""
    return any(
        thing.operation_id == operation.operation_id and thing.status not in _CAME_TO_NOTHING
        for thing in payment.objects.values()
    )


def schedule_check(payment: Payment, operation: Operation, at: datetime | None, moment: Moment) -> None:
    """Remember when the processor service looks again, for those who ask; what is decided needs no look."""
    if not operation.undecided:
        if at is not None:
            # Decided by what its own report proved, or by other evidence on its way: it does not know yet.
            payment.ask(
                OperationDecided(operation_id=operation.operation_id, outcome=operation.state.value), moment
            )
        return
    if operation.next_check_at != at:
        operation.next_check_at = at
        operation.dirty = True
        payment.touch(moment)
