"""Refunds: their states and the one guard that decides whether another one may be asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from services.payment.domain.amounts import Amounts
from shared.kernel.errors import Rejected


class RefundState(StrEnum):
    """What the merchant is told of a refund."""

    REQUESTED = "REQUESTED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


#: Absent means forbidden. A refund that failed stays so: money found later is adopted as another.
NEXT: Final[Mapping[RefundState, frozenset[RefundState]]] = {
    RefundState.REQUESTED: frozenset({RefundState.SUCCEEDED, RefundState.FAILED}),
    RefundState.SUCCEEDED: frozenset({RefundState.FAILED}),
    RefundState.FAILED: frozenset(),
}


@dataclass(slots=True, kw_only=True)
class Refund:
    """Money given back: asked for by the merchant, or adopted because the processor shows it."""

    refund_id: str
    amount_minor: int
    currency: str
    state: RefundState
    created_at: datetime
    updated_at: datetime
    operation_id: str | None = None
    #: The capture that gives the money back.
    capture_id: str | None = None
    adopted: bool = False
    reason: str | None = None
    metadata: Mapping[str, str] | None = None
    fee_returned_minor: int = 0
    decline_code: str | None = None
    #: A dispute of the same capture opened while it was under way: the money may go back twice.
    double_return_risk: bool = False
    stored: bool = False
    dirty: bool = True


def check_refund_room(amounts: Amounts, amount_minor: int) -> None:
    """Refuse a refund for which the captured money leaves no room."""
    room_minor = amounts.refund_room_minor()
    if amount_minor > room_minor:
        raise Rejected(
            "refund_exceeds_room",
            f"at most {max(room_minor, 0)} can be refunded, {amount_minor} was asked for",
            param="amount",
            extra={"refundable": max(room_minor, 0)},
        )
