"""Hears what ``payment.events`` and ``ledger.events`` say: what we expect outside, and what was booked of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

from services.reconciliation.domain.given_up import GIVING_UP, GivenUp, given_up_by
from services.reconciliation.domain.our_items import ITEM_ROWS, OurItem, item_of

Fields = Mapping[str, Any]


class ToldFact(NamedTuple):
    """An event that the ledger has to book."""

    event_id: str
    event_type: str
    payment_id: str
    amount_minor: int
    currency: str
    told_at: datetime


class JournalFact(NamedTuple):
    """A journal that the ledger says it booked."""

    journal_id: str
    rule: str
    fact_key: str
    cause_event_id: str
    cause_event_type: str
    payment_id: str | None
    currency: str
    amount_minor: int
    reverses_journal_id: str | None
    effective_at: datetime
    told_at: datetime


class OurSide(Protocol):
    """What we know of our own side."""

    def hear(self, item: OurItem) -> None:
        """Keep it with this transaction."""
        ...

    def hear_given_up(self, given_up: GivenUp) -> None:
        """Remember that we expect no money under that name."""
        ...

    def hear_fact(self, fact: ToldFact) -> None:
        """Remember that the ledger has to book it."""
        ...

    def hear_journal(self, journal: JournalFact) -> None:
        """Remember that the ledger booked it."""
        ...


#: What is heard: everything that moves money outside of us, or in the books, and what says that none will move.
HEARD: Final = frozenset(ITEM_ROWS) | GIVING_UP | {
    "CaptureSettled", "CaptureUnsettled", "RefundRequested", "StrayReturnRequested", "StrayAccepted",
    "DisputeWrittenOff", "DisputeWriteOffReversed",
}  # fmt: skip
#: Every event with an amount is booked, but for those that are only booked in some cases: the field, and what it says
#: where nothing is.
UNBOOKED: Final[Mapping[str, tuple[str, object]]] = {
    "OperationUncertain": ("direction", "none"),
    "StrayFound": ("kind", "hold"),
}
#: Resolving a doubt reverses what was booked of it, if anything was.
NOT_ALWAYS_BOOKED: Final = frozenset({"OperationResolved"})


def hear_event(event_type: str, fields: Fields, *, event_id: str, told_at: datetime, side: OurSide) -> None:
    """Take in one event of a payment, in any order; told twice it is told once."""
    item = item_of(event_type, fields, event_id=event_id, told_at=told_at)
    if item is not None:
        side.hear(item)
    for given_up in given_up_by(event_type, fields):
        side.hear_given_up(given_up)
    if _is_booked(event_type, fields):
        side.hear_fact(
            ToldFact(
                event_id=event_id,
                event_type=event_type,
                payment_id=fields["payment_id"],
                amount_minor=fields["amount_minor"],
                currency=fields["currency"],
                told_at=told_at,
            )
        )


def _is_booked(event_type: str, fields: Fields) -> bool:
    if "amount_minor" not in fields:
        return False
    unless = UNBOOKED.get(event_type)
    if event_type in NOT_ALWAYS_BOOKED or (unless and fields.get(unless[0]) == unless[1]):
        return False
    # What becomes available is the amount without the merchant's fee: of nothing there is no journal.
    available = event_type in {"CaptureSettled", "CaptureUnsettled"}
    return bool(fields["amount_minor"] - (fields["fee_minor"] if available else 0))
