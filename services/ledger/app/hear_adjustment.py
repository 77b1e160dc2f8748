"""An adjustment that reconciliation asks for becomes a proposal here: booked only as somebody else approves it."""

from __future__ import annotations

from contextlib import suppress

from services.ledger.app.adjust_books import propose_adjustment
from services.ledger.app.adjustment_ports import AdjustingUnit
from services.ledger.domain.adjustments import Answer, Answered, Proposed, check_proposal
from shared.kernel.errors import Poison, Rejected
from shared.kernel.operators import Actor


def hear_adjustment(
    proposed: Proposed, *, asked_event_id: str, proposed_by: str, approved_by: str, work: AdjustingUnit
) -> None:
    """Keep it in its proposer's name, who cannot approve it here either; what no template takes is refused.

    Reconciliation is answered in the same transaction either way, and once: where books are rebuilt, what was decided
    and what was answered is there before it is heard again. Its adjustment's id follows from the event's, so that it is
    the same one there. What one person alone decided is poison: people see the parked key.
    """
    if proposed_by == approved_by:
        alone = f"one person alone proposed and approved the adjustment for {proposed.attachment}"
        raise Poison(alone, code="four_eyes")
    if work.adjustments.is_asked(asked_event_id):
        return
    named, adjustment_id = "adj_" + asked_event_id.removeprefix("evt_"), None
    outcome, reason = Answered.ACCEPTED, None
    told = work.adjustments.answered(asked_event_id, proposed.attachment)
    if told == Answered.REFUSED:
        return  # also what people let go of, and what may be asked for again by now
    if told is not None:
        _keep_again(named, proposed, proposed_by, work)
        return
    try:
        _check_wanted(asked_event_id, work)
        actor = Actor(name=proposed_by, role="operator")
        adjustment_id = propose_adjustment(proposed, actor, work, adjustment_id=named).adjustment_id
    except Rejected as refused:
        outcome, reason = Answered.REFUSED, str(refused)
    work.answer(
        Answer(
            break_id=proposed.attachment,
            asked_event_id=asked_event_id,
            outcome=outcome,
            cause_id=asked_event_id,
            adjustment_id=adjustment_id,
            reason=reason,
        )
    )


def _keep_again(named: str, proposed: Proposed, proposed_by: str, work: AdjustingUnit) -> None:
    """Told before these books were rebuilt, and decided by nobody: it is kept, and nothing is told anew."""
    with suppress(Rejected):  # as it was then, and so it was answered
        _check_wanted(str(proposed.asked_event_id), work)
        check_proposal(proposed)
        work.adjustments.add(named, proposed, by=proposed_by, at=work.now)


def _check_wanted(asked_event_id: str, work: AdjustingUnit) -> None:
    if work.adjustments.is_withdrawn(asked_event_id):
        raise Rejected("adjustment_withdrawn", "it is wanted no more")
