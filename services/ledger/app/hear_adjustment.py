"""An adjustment that reconciliation asks for becomes a proposal here: booked only as somebody else approves it."""

from __future__ import annotations

from services.ledger.app.adjust_books import propose_adjustment
from services.ledger.app.adjustment_ports import AdjustingUnit
from services.ledger.domain.adjustments import Adjustment, Proposed
from shared.kernel.errors import Poison, Rejected
from shared.kernel.operators import Actor


def hear_adjustment(
    proposed: Proposed, *, proposed_by: str, approved_by: str, work: AdjustingUnit
) -> Adjustment:
    """Keep it in its proposer's name, who cannot approve it here either.

    What no template takes is poison: people see the parked key, and nothing was booked.
    """
    if proposed_by == approved_by:
        raise Poison(f"one person alone proposed and approved the adjustment for {proposed.attachment}")
    try:
        return propose_adjustment(proposed, Actor(name=proposed_by, role="operator"), work)
    except Rejected as refused:
        raise Poison(f"the adjustment for {proposed.attachment} is refused: {refused}") from None
