"""Operators ask the ledger to adjust the books for a break, or to write it off: proposed by one, approved by another.

The ledger keeps it as a proposal of its own, which is booked only as somebody else than the proposer approves it there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from services.reconciliation.app.resolve_break import ResolveUnit, StoredBreak, propose_resolution
from services.reconciliation.domain.break_life import Resolution
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedAdjustment:
    """One of the ledger's templates, filled in. Without an amount it is all that is at risk and not asked for."""

    template: str
    parameters: Mapping[str, str]
    amount_minor: int | None = None


class BreakAdjustments(Protocol):
    """Adjustments that were asked for."""

    def keep(self, stored: StoredBreak, wanted: WantedAdjustment, amount_minor: int) -> None:
        """Remember what was proposed, until the second person has looked."""
        ...

    def asked_minor(self, stored: StoredBreak) -> int:
        """What the ledger was asked for already about this break and did not refuse, in its currency."""
        ...

    def tell(self, stored: StoredBreak, reason: str) -> None:
        """Tell the ledger what was kept for this proposal."""
        ...

    def withdraw(self, break_id: str, reason: str, actor: str) -> None:
        """Tell the ledger that what was asked for last about this break is wanted no more."""
        ...


class AdjustUnit(ResolveUnit, Protocol):
    """What one transaction offers."""

    @property
    def break_adjustments(self) -> BreakAdjustments: ...


def propose_adjustment(
    break_id: str, wanted: WantedAdjustment, reason: str, actor: Actor, uow: AdjustUnit
) -> StoredBreak:
    """Propose it; the ledger hears of it only when somebody else approves.

    No more than is at risk is asked for about one break, however often it opens again.
    """
    stored = propose_resolution(break_id, Resolution.ADJUSTMENT, reason, actor, uow)
    asked_minor = uow.break_adjustments.asked_minor(stored)
    left_minor = stored.at_risk_minor - asked_minor
    amount_minor = left_minor if wanted.amount_minor is None else wanted.amount_minor
    if asked_minor and not 0 < amount_minor <= left_minor:
        raise Rejected(
            "amount_asked_already",
            f"of {stored.at_risk_minor} {stored.currency} at risk the ledger was asked for {asked_minor} already:"
            f" expected an amount above zero, at most {max(left_minor, 0)}",
            status=422,
            param="amount_minor",
            extra={"break_id": stored.break_id, "asked_minor": asked_minor, "left_minor": max(left_minor, 0)},
            stored=False,
        )
    if not 0 < amount_minor <= stored.at_risk_minor:
        raise Rejected(
            "amount_beyond_risk",
            f"the break has {stored.at_risk_minor} {stored.currency} at risk: an amount above zero, at most that",
            status=422,
            param="amount_minor",
            stored=False,
        )
    uow.break_adjustments.keep(stored, wanted, amount_minor)
    return stored


def tell_adjustment(stored: StoredBreak, reason: str, uow: AdjustUnit) -> None:
    """Tell the ledger of it, in the transaction of the approval."""
    uow.break_adjustments.tell(stored, reason)
