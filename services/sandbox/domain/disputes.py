"""Owns what may happen to a dispute: asked, opened, answered, decided, reinstated, opened again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from services.sandbox.domain.objects import (
    Capture,
    Dispute,
    Effect,
    MoneyRow,
    Movement,
    MovementKind,
    Status,
    Timer,
    TimerAction,
)
from shared.kernel.errors import Rejected

EVIDENCE_TIME: Final = timedelta(days=9)
FEE_MINOR: Final = 1_500
"""What the processor charges for each withdrawal; it comes with the settlement, not with the dispute."""
WINNING: Final = "file_winning_evidence"
LOSING: Final = "file_losing_evidence"
_OPEN: Final = frozenset({Status.OPENED, Status.UNDER_REVIEW})
_ANSWERABLE: Final = _OPEN | {Status.INQUIRY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a customer claims of a capture."""

    amount_minor: int | None = None
    inquiry: bool = False
    reason: str = "fraudulent"
    verdict: Status | None = None


def claim(capture: Capture, wanted: Claim, *, dispute_id: str, row_id: str, now: datetime) -> Effect:
    """Begin an inquiry, or open a dispute and take its money at once; a claim may come at any time."""
    if capture.status is Status.PENDING:
        raise Rejected("capture_not_disputable", "It has not taken any money yet.")
    amount_minor = capture.amount_minor if wanted.amount_minor is None else wanted.amount_minor
    begun = Dispute(
        id=dispute_id,
        capture_id=capture.id,
        capture_reference=capture.reference,
        origin=capture.origin,
        reference=None,
        answers=(),
        status=Status.INQUIRY,
        amount_minor=amount_minor,
        reason=wanted.reason,
        evidence_due_by=now + EVIDENCE_TIME,
        documents={},
        withdrawn_minor=0,
        reinstated_minor=0,
        verdict=wanted.verdict,
        version=1,
        revision=1,
        created_at=now,
        updated_at=now,
    )
    if not wanted.inquiry:
        return _withdraw(replace(begun, status=Status.OPENED), row_id=row_id, now=now)
    movement = Movement(
        kind=MovementKind.INQUIRED, object=begun, subject_id=begun.id, subject_revision=begun.revision
    )
    return Effect(result=begun, objects=(begun,), movements=(movement,), announced=(begun,))


def open_again(dispute: Dispute, *, row_id: str, now: datetime) -> Effect:
    """Turn an inquiry into a dispute, or dispute once more what was decided; the money goes (again)."""
    if dispute.status in _OPEN:
        raise Rejected("dispute_open", f"It is {dispute.status} already.")
    opened = _next(dispute, Status.OPENED, now)
    return _withdraw(replace(opened, verdict=None), row_id=row_id, now=now)


def answer(dispute: Dispute, documents: Mapping[str, str], *, reference: str, now: datetime) -> Effect:
    """Take evidence; two well-known files decide the dispute by themselves, as in other test modes."""
    if dispute.status not in _ANSWERABLE:
        raise Rejected("dispute_not_answerable", f"It is {dispute.status}.")
    status = Status.UNDER_REVIEW if dispute.status in _OPEN else dispute.status
    verdicts = {WINNING: Status.WON, LOSING: Status.LOST}
    verdict = next((verdicts[file] for file in documents.values() if file in verdicts), dispute.verdict)
    answered = replace(
        _next(dispute, status, now),
        reference=reference,
        answers=(*dispute.answers, reference),
        documents={**dispute.documents, **documents},
        verdict=verdict,
    )
    timers = (_decision(answered),) if verdict is not None and status is Status.UNDER_REVIEW else ()
    return _said(answered, MovementKind.ANSWERED, timers)


def accept(dispute: Dispute, *, reference: str, now: datetime) -> Effect:
    """Give the money up; it stays where it is."""
    if dispute.status not in _OPEN:
        raise Rejected("dispute_not_answerable", f"It is {dispute.status}.")
    accepted = replace(
        _next(dispute, Status.ACCEPTED, now), reference=reference, answers=(*dispute.answers, reference)
    )
    return _said(accepted, MovementKind.DECIDED)


def win(dispute: Dispute, *, row_id: str, now: datetime) -> Effect:
    """Decide for the merchant: all that was taken comes back. An inquiry just ends."""
    return _decide(dispute, Status.WON, dispute.outstanding_minor, row_id=row_id, now=now)


def lose(dispute: Dispute, amount_back_minor: int, *, row_id: str, now: datetime) -> Effect:
    """Decide for the customer; a part may come back."""
    if amount_back_minor > dispute.outstanding_minor:
        raise Rejected("amount_exceeds_withdrawn", "More than was taken.", param="amount")
    return _decide(dispute, Status.LOST, amount_back_minor, row_id=row_id, now=now)


def decide_by_itself(dispute: Dispute, *, row_id: str, now: datetime) -> Effect | None:
    """Carry out the verdict that was set, unless somebody was faster."""
    if dispute.status not in _OPEN or dispute.verdict is None:
        return None
    if dispute.verdict is Status.WON:
        return win(dispute, row_id=row_id, now=now)
    return lose(dispute, 0, row_id=row_id, now=now)


def reinstate(dispute: Dispute, amount_minor: int | None, *, row_id: str, now: datetime) -> Effect:
    """Give money back without another word on the dispute, as processors do long after a loss."""
    back_minor = dispute.outstanding_minor if amount_minor is None else amount_minor
    if not 0 < back_minor <= dispute.outstanding_minor:
        raise Rejected("amount_exceeds_withdrawn", "Nothing, or more than was taken.", param="amount")
    given = replace(
        dispute,
        reinstated_minor=dispute.reinstated_minor + back_minor,
        revision=dispute.revision + 1,
    )
    return _paid_back(given, back_minor, row_id=row_id, now=now)


def overpay(dispute: Dispute, amount_minor: int | None, *, row_id: str, now: datetime) -> Effect:
    """Pay money by mistake as if it came back: the row says so, and the dispute knows nothing of it."""
    if amount_minor is None or amount_minor <= 0:
        raise Rejected("amount_missing", "Say how much.", param="amount")
    kept = replace(dispute, revision=dispute.revision + 1)
    return _paid_back(kept, amount_minor, row_id=row_id, now=now)


def _paid_back(dispute: Dispute, back_minor: int, *, row_id: str, now: datetime) -> Effect:
    row = _row(dispute, Status.REINSTATED, back_minor, 0, row_id, now)
    return Effect(
        result=dispute,
        objects=(dispute, row),
        movements=(_moved(dispute, row, MovementKind.REINSTATED),),
        announced=(row,),
    )


def _withdraw(opened: Dispute, *, row_id: str, now: datetime) -> Effect:
    taken = replace(opened, withdrawn_minor=opened.withdrawn_minor + opened.amount_minor)
    row = _row(taken, Status.WITHDRAWN, taken.amount_minor, FEE_MINOR, row_id, now)
    return Effect(
        result=taken,
        objects=(taken, row),
        movements=(_moved(taken, row, MovementKind.WITHDRAWN),),
        announced=(taken, row),
        timers=(_decision(taken),) if taken.verdict is not None else (),
    )


def _decide(dispute: Dispute, status: Status, back_minor: int, *, row_id: str, now: datetime) -> Effect:
    if dispute.status not in _ANSWERABLE:
        raise Rejected("dispute_decided", f"It is {dispute.status}.")
    decided = replace(_next(dispute, status, now), reinstated_minor=dispute.reinstated_minor + back_minor)
    if back_minor == 0:
        return _said(decided, MovementKind.DECIDED)
    row = _row(decided, Status.REINSTATED, back_minor, 0, row_id, now)
    return Effect(
        result=decided,
        objects=(decided, row),
        movements=(_moved(decided, row, MovementKind.REINSTATED),),
        announced=(decided, row),
    )


def _said(dispute: Dispute, kind: MovementKind, timers: tuple[Timer, ...] = ()) -> Effect:
    movement = Movement(kind=kind, object=dispute, subject_id=dispute.id, subject_revision=dispute.revision)
    return Effect(
        result=dispute, objects=(dispute,), movements=(movement,), announced=(dispute,), timers=timers
    )


def _moved(dispute: Dispute, row: MoneyRow, kind: MovementKind) -> Movement:
    sign = 1 if row.status is Status.WITHDRAWN else -1
    return Movement(
        kind=kind,
        object=row,
        subject_id=dispute.id,
        subject_revision=dispute.revision,
        withdrawn_minor=sign * row.amount_minor,
        fee_minor=row.fee_minor,
    )


def _row(
    dispute: Dispute, status: Status, amount_minor: int, fee_minor: int, row_id: str, now: datetime
) -> MoneyRow:
    return MoneyRow(
        id=row_id,
        subject_kind="dispute",
        subject_id=dispute.id,
        capture_id=dispute.capture_id,
        capture_reference=dispute.capture_reference,
        origin=dispute.origin,
        status=status,
        amount_minor=amount_minor,
        fee_minor=fee_minor,
        created_at=now,
        updated_at=now,
    )


def _decision(dispute: Dispute) -> Timer:
    return Timer(action=TimerAction.DECIDE_DISPUTE, object_id=dispute.id)


def _next(dispute: Dispute, status: Status, now: datetime) -> Dispute:
    return replace(
        dispute,
        status=status,
        version=dispute.version + 1,
        revision=dispute.revision + 1,
        updated_at=now,
    )
