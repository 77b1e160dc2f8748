"""What two people decide: proposed by one, approved or rejected by another, once."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from shared.kernel.errors import Rejected


class DecisionState(StrEnum):
    """Where a proposal stands."""

    PROPOSED = "PROPOSED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"


_S = DecisionState
#: Absent means forbidden. The databases hold the same in ``adjustment_step``, ``period_close_step``,
#: ``import_proposal_step`` and ``check_term_step``.
NEXT: Final[Mapping[DecisionState, frozenset[DecisionState]]] = {
    _S.PROPOSED: frozenset({_S.APPROVED, _S.REJECTED}),
    _S.APPROVED: frozenset(),
    _S.REJECTED: frozenset(),
}


def check_four_eyes(proposed_by: str, approved_by: str) -> None:
    """Money moves by hand, and a month is closed for good, only when a second person agrees."""
    if proposed_by == approved_by:
        raise Rejected("four_eyes", "whoever proposed it cannot approve it", status=403, stored=False)
