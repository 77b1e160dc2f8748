"""Operators give a second or stray charge back: proposed by one, approved by another, then payment is told, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from services.reconciliation.app.resolve_break import ResolveUnit, StoredBreak, propose_resolution
from services.reconciliation.domain.break_life import Resolution
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class AstrayCharge:
    """A charge of the processor's that is none of ours, and the payment that it lies under."""

    payment_id: str
    processor: str
    account: str
    object_id: str
    amount_minor: int
    currency: str
    is_told: bool
    """The ledger was told of the line as it reads now; that happens once its payout is closed."""
    as_proposed: bool
    """The line was read so already when the break was proposed last."""


class Returns(Protocol):
    """Charges that may be given back."""

    def charge_of(self, break_id: str) -> AstrayCharge | None:
        """The charge of the line that the break is about; None where it is none, or no payment was told of it."""
        ...

    def tell(self, stored: StoredBreak, charge: AstrayCharge, reason: str) -> None:
        """Tell payment what two people decided."""
        ...

    def withdraw(self, break_id: str, reason: str, actor: str) -> None:
        """Tell payment that what was asked for last about this break is wanted no more."""
        ...


class ReturnUnit(ResolveUnit, Protocol):
    """What one transaction offers."""

    @property
    def returns(self) -> Returns: ...


def propose_return(break_id: str, reason: str, actor: Actor, uow: ReturnUnit) -> StoredBreak:
    """Propose to give the charge back; nothing is told before somebody else approves."""
    stored = propose_resolution(break_id, Resolution.STRAY_RETURN, reason, actor, uow)
    charge_for(stored, uow.returns)
    return stored


def tell_return(stored: StoredBreak, reason: str, uow: ReturnUnit) -> None:
    """Tell payment of an approved return, in the transaction of the approval."""
    uow.returns.tell(stored, charge_for(stored, uow.returns), reason)


def charge_for(stored: StoredBreak, returns: Returns) -> AstrayCharge:
    """The charge that the break is about as it stands now, or the caller's mistake."""
    charge = returns.charge_of(stored.break_id)
    if charge is None:
        raise Rejected(
            "break_not_returnable",
            f"break {stored.break_id} is about no charge that payment was told of as astray",
            extra={"break_id": stored.break_id, "type": stored.type},
            stored=False,
        )
    if not charge.is_told:
        raise Rejected(
            "line_not_told",
            f"the line of break {stored.break_id} is not told to the ledger yet, which follows once its payout is"
            " closed: propose it then",
            extra={"break_id": stored.break_id},
            stored=False,
        )
    if (charge.amount_minor, charge.currency) != (stored.theirs_minor, stored.currency):
        raise Rejected(
            "break_outdated",
            f"the line says {charge.amount_minor} {charge.currency} by now: run a matching first",
            extra={"break_id": stored.break_id},
            stored=False,
        )
    if not charge.as_proposed:
        raise Rejected(
            "break_outdated",
            f"the line was read anew since and says {charge.object_id} by now: reject it and propose it again",
            extra={"break_id": stored.break_id},
            stored=False,
        )
    return charge
