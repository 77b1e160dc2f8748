"""Owns what may happen to captured money without a dispute: taken back, given back, a capture that fails later."""

from dataclasses import replace
from datetime import datetime

from services.sandbox.domain.objects import (
    Capture,
    Effect,
    MoneyRow,
    Movement,
    MovementKind,
    Reversal,
    Status,
)
from shared.kernel.errors import Rejected


def take_back(
    capture: Capture, amount_minor: int | None, *, reversal_id: str, row_id: str, now: datetime
) -> Effect:
    """Take captured money back, whole or in part; the processor asks nobody."""
    if capture.status is not Status.SUCCEEDED:
        raise Rejected("capture_not_reversible", f"It is {capture.status}.")
    taken_minor = capture.amount_minor if amount_minor is None else amount_minor
    if taken_minor > capture.amount_minor:
        raise Rejected("amount_exceeds_captured", "More than the capture took.", param="amount")
    taken = Reversal(
        id=reversal_id,
        capture_id=capture.id,
        capture_reference=capture.reference,
        origin=capture.origin,
        status=Status.SUCCEEDED,
        amount_minor=taken_minor,
        given_back_minor=0,
        version=1,
        revision=1,
        created_at=now,
        updated_at=now,
    )
    row = _row(taken, Status.TAKEN, taken_minor, row_id, now)
    return Effect(
        result=taken,
        objects=(taken, row),
        movements=(_moved(taken, row, MovementKind.REVERSED),),
        announced=(taken, row),
    )


def give_back(reversal: Reversal, amount_minor: int | None, *, row_id: str, now: datetime) -> Effect:
    """Give reversed money back, whole or in part; only the whole changes its status."""
    back_minor = reversal.outstanding_minor if amount_minor is None else amount_minor
    if not 0 < back_minor <= reversal.outstanding_minor:
        raise Rejected("amount_exceeds_taken", "Nothing, or more than was taken.", param="amount")
    whole = back_minor == reversal.outstanding_minor
    given = replace(
        reversal,
        given_back_minor=reversal.given_back_minor + back_minor,
        status=Status.GIVEN_BACK if whole else reversal.status,
        version=reversal.version + (1 if whole else 0),
        revision=reversal.revision + 1,
        updated_at=now if whole else reversal.updated_at,
    )
    row = _row(given, Status.GIVEN_BACK, back_minor, row_id, now)
    return Effect(
        result=given,
        objects=(given, row),
        movements=(_moved(given, row, MovementKind.GIVEN_BACK),),
        announced=(given, row) if whole else (row,),
    )


def fail_capture(capture: Capture, *, now: datetime) -> Effect | None:
    """Let a capture that had succeeded fail: its money never came, or went back."""
    if capture.status is not Status.SUCCEEDED:
        return None
    failed = replace(
        capture,
        status=Status.FAILED,
        version=capture.version + 1,
        revision=capture.revision + 1,
        updated_at=now,
    )
    movement = Movement(
        kind=MovementKind.CAPTURE_FAILED,
        object=failed,
        subject_id=failed.id,
        subject_revision=failed.revision,
        reversed_minor=failed.amount_minor,
    )
    return Effect(result=failed, objects=(failed,), movements=(movement,), announced=(failed,))


def _moved(reversal: Reversal, row: MoneyRow, kind: MovementKind) -> Movement:
    sign = 1 if row.status is Status.TAKEN else -1
    return Movement(
        kind=kind,
        object=row,
        subject_id=reversal.id,
        subject_revision=reversal.revision,
        reversed_minor=sign * row.amount_minor,
    )


def _row(reversal: Reversal, status: Status, amount_minor: int, row_id: str, now: datetime) -> MoneyRow:
    return MoneyRow(
        id=row_id,
        subject_kind="reversal",
        subject_id=reversal.id,
        capture_id=reversal.capture_id,
        capture_reference=reversal.capture_reference,
        origin=reversal.origin,
        status=status,
        amount_minor=amount_minor,
        fee_minor=0,
        created_at=now,
        updated_at=now,
    )
