"""The second person's word: the break is resolved as proposed, or another service is asked to do it, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from services.reconciliation.app.propose_adjustment import AdjustUnit, tell_adjustment
from services.reconciliation.app.propose_return import ReturnUnit, tell_return
from services.reconciliation.app.resolve_break import StoredBreak, approve_resolution
from services.reconciliation.domain.break_life import Resolution
from shared.kernel.operators import Actor


class ApproveUnit(ReturnUnit, AdjustUnit, Protocol):
    """What one transaction offers."""


#: What an approval leads to elsewhere; other resolutions end here.
FOLLOWS: Final[Mapping[str, Callable[[StoredBreak, str, ApproveUnit], None]]] = {
    Resolution.STRAY_RETURN.value: tell_return,
    Resolution.ADJUSTMENT.value: tell_adjustment,
}


def approve_break(break_id: str, proposal: str, reason: str, actor: Actor, uow: ApproveUnit) -> StoredBreak:
    """Resolve it as somebody else proposed; what it leads to is told in the same transaction, or nothing is decided.

    What is told waits until it is answered to have happened.

    ``proposal`` is what the second person read: is it not the one that waits, ``proposal_changed``.
    """
    stored = approve_resolution(break_id, proposal, reason, actor, uow)
    follows = FOLLOWS.get(stored.resolution or "")
    if follows is not None:
        follows(stored, reason, uow)
    return stored
