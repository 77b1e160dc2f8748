"""Two people here let go of the record that asked for an adjustment: nothing is booked by it, and that is answered."""

from __future__ import annotations

from services.ledger.app.adjustment_ports import AdjustingUnit
from services.ledger.domain.adjustments import Answer, Answered


def let_go_of_adjustment(
    break_id: str, asked_event_id: str, *, approved_by: str, reason: str, work: AdjustingUnit
) -> None:
    """Answer reconciliation that it is refused, in the transaction that drops the record; told once, ever."""
    if work.adjustments.answered(asked_event_id, break_id) is not None:
        return  # before these books were rebuilt
    work.answer(
        Answer(
            break_id=break_id,
            asked_event_id=asked_event_id,
            outcome=Answered.REFUSED,
            cause_id=asked_event_id,
            reason=f"its record was discarded, approved by {approved_by}: {reason}",
        )
    )
