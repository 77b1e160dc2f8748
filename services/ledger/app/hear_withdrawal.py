"""An adjustment that reconciliation asked for and wants no more: not booked here, or answered to be booked already.

Nothing that is booked is taken back by it: that takes two people here, as every reversal does.
"""

from __future__ import annotations

from services.ledger.app.adjust_books import withdraw_adjustment
from services.ledger.app.adjustment_ports import AdjustingUnit
from services.ledger.domain.adjustments import Adjustment, Answer, Answered, Withdrawal
from shared.kernel.decisions import DecisionState


def hear_withdrawal(said: Withdrawal, work: AdjustingUnit) -> None:
    """Reject what waits here, and answer what becomes of it either way, in the same transaction, once.

    What does not wait here, as its key was discarded or it was refused, is answered so, and is refused if it comes. In
    books that are rebuilt what was answered is not answered again; what waits there all the same is rejected.
    """
    work.adjustments.withdraw(said)
    kept = work.adjustments.asked_for(said.asked_event_id)
    if kept is not None and kept.state is DecisionState.PROPOSED:
        withdraw_adjustment(kept, f"withdrawn: {said.reason}", said.withdrawn_by, said.event_id, work)
    elif work.adjustments.answered(said.event_id, said.break_id) is None:
        work.answer(_answer(said, kept, work))


def _answer(said: Withdrawal, kept: Adjustment | None, work: AdjustingUnit) -> Answer:
    outcome, reason = Answered.REFUSED, "nothing of it is booked"
    if kept is not None and kept.state is DecisionState.APPROVED and not _is_reversed(kept, work):
        outcome = Answered.APPLIED
        reason = f"booked before it was withdrawn, approved by {kept.decided_by}: a reversal takes it back"
    return Answer(
        break_id=said.break_id,
        asked_event_id=said.asked_event_id,
        outcome=outcome,
        cause_id=said.event_id,
        adjustment_id=None if kept is None else kept.adjustment_id,
        journal_id=kept.journal_id if kept is not None and outcome is Answered.APPLIED else None,
        reason=reason,
    )


def _is_reversed(kept: Adjustment, work: AdjustingUnit) -> bool:
    reversal_id = work.adjustments.reversal_of(kept.adjustment_id)
    reversal = None if reversal_id is None else work.adjustments.get(reversal_id)
    return reversal is not None and reversal.state is DecisionState.APPROVED
