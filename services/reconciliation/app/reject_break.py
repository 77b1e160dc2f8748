"""A person opens a break again; what it waited for is wanted no more, and whoever was asked for it is told so."""

from __future__ import annotations

from typing import Protocol

from services.reconciliation.app.propose_adjustment import AdjustUnit
from services.reconciliation.app.propose_return import ReturnUnit
from services.reconciliation.app.resolve_break import StoredBreak, reject_resolution
from services.reconciliation.domain.break_life import BreakState, Resolution
from shared.kernel.operators import Actor


class RejectUnit(ReturnUnit, AdjustUnit, Protocol):
    """What one transaction offers."""


def reject_break(break_id: str, reason: str, actor: Actor, uow: RejectUnit) -> StoredBreak:
    """Open it again; its proposer may, too.

    An adjustment or a return that was asked for is withdrawn. It counts until it is answered not to happen.
    """
    before = uow.breaks.locked(break_id)
    stored = reject_resolution(break_id, reason, actor, uow)
    if before is None or before.state is not BreakState.APPLYING:
        return stored
    if before.resolution == Resolution.ADJUSTMENT:
        uow.break_adjustments.withdraw(break_id, reason, actor.name)
    elif before.resolution == Resolution.STRAY_RETURN:
        uow.returns.withdraw(break_id, reason, actor.name)
    return stored
