"""Breaks are somebody's work: a person says whose, which moves nothing and decides nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from services.reconciliation.app.resolve_break import Breaks, ResolveUnit, StoredBreak, locked_break
from services.reconciliation.domain.break_life import UNSETTLED
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor, OperatorAct


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """Whose break it is from now on, and who said so."""

    owner: str | None
    """None: nobody's."""
    assigned_by: str
    reason: str


class AssignableBreaks(Breaks, Protocol):
    """Breaks of one transaction."""

    def assign(self, break_id: str, assigned: Assigned) -> None:
        """Write whose it is and add that to what is kept of it; nothing else of the break changes."""
        ...


class AssignUnit(ResolveUnit, Protocol):
    """What one transaction offers."""

    @property
    def breaks(self) -> AssignableBreaks: ...


def assign_break(break_id: str, owner: str | None, reason: str, actor: Actor, uow: AssignUnit) -> StoredBreak:
    """Say whose it is; said again, nothing is written or announced. What was proposed of it stays as it was read."""
    stored = locked_break(break_id, uow)
    if stored.state not in UNSETTLED:
        raise Rejected(
            "break_wrong_state",
            f"break {break_id} is {stored.state}: there is nothing to work on",
            extra={"break_id": break_id, "state": stored.state.value},
        )
    if stored.owner == owner:
        return stored
    uow.breaks.assign(break_id, Assigned(owner=owner, assigned_by=actor.name, reason=reason))
    uow.announce(OperatorAct(actor=actor, action="break_assigned", target=break_id, reason=reason))
    return replace(stored, owner=owner)
