"""The second person's word: the break is resolved as proposed, or another service is asked to do it, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from services.reconciliation.app.propose_adjustment import AdjustUnit, tell_adjustment
from services.reconciliation.app.propose_return import ReturnUnit, tell_return
from services.reconciliation.app.resolve_break import StoredBreak, approve_resolution
from services.reconciliation.domain.break_life import Resolution
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor


class AgreedByHand(Protocol):
    """Matches by hand that were agreed."""

    def awaited(self, subject: str) -> str | None:
        """The one for a break's subject that the next run makes."""
        ...


class ApproveUnit(ReturnUnit, AdjustUnit, Protocol):
    """What one transaction offers."""

    @property
    def hand_matches(self) -> AgreedByHand: ...


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
    _check_not_matched(break_id, uow)
    stored = approve_resolution(break_id, proposal, reason, actor, uow)
    follows = FOLLOWS.get(stored.resolution or "")
    if follows is not None:
        follows(stored, reason, uow)
    return stored


def _check_not_matched(break_id: str, uow: ApproveUnit) -> None:
    """What is matched by hand and asked for elsewhere as well would be cleared twice."""
    stored = uow.breaks.locked(break_id)
    if stored is None or stored.resolution not in FOLLOWS:
        return
    hand_match = uow.hand_matches.awaited(stored.subject)
    if hand_match is not None:
        raise Rejected(
            "break_matched_by_hand",
            f"the next run matches it by hand as agreed in {hand_match}: look at what is left then",
            extra={"break_id": break_id, "hand_match_id": hand_match},
            stored=False,
        )
