"""A person opens a break again; the adjustment that it waited for is wanted no more, and the ledger is told so."""

from __future__ import annotations

from services.reconciliation.app.propose_adjustment import AdjustUnit
from services.reconciliation.app.resolve_break import StoredBreak, reject_resolution
from services.reconciliation.domain.break_life import BreakState, Resolution
from shared.kernel.operators import Actor


def reject_break(break_id: str, reason: str, actor: Actor, uow: AdjustUnit) -> StoredBreak:
    """Open it again; its proposer may, too.

    An adjustment that was asked for is withdrawn. It counts until the ledger answers that it is not booked.
    A return is not withdrawn: payment begins it as it hears of it.
    """
    before = uow.breaks.locked(break_id)
    stored = reject_resolution(break_id, reason, actor, uow)
    waited = (BreakState.APPLYING, Resolution.ADJUSTMENT)
    if before is not None and (before.state, before.resolution) == waited:
        uow.break_adjustments.withdraw(break_id, reason, actor.name)
    return stored
