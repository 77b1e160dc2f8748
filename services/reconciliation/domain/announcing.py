"""What is told of a line: that it was accepted, or that it was amended, under which key and in place of what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UntoldLine:
    """A reading of a line of a closed payout that stands and was not told yet."""

    source: str
    processor: str
    account: str
    line_id: str
    revision: int
    file_id: str
    payout_id: str
    category: str
    currency: str
    gross_minor: int
    fee_currency: str
    fee_minor: int
    net_currency: str
    net_minor: int
    exchange_rate: str | None
    fee_in_net_currency_minor: int | None
    available_on: datetime
    occurred_at: datetime
    payment_id: str | None
    """With the next two: the object of ours that the line names exactly, where we know it."""
    merchant_id: str | None
    object_id: str | None
    former_key: str | None
    """The key of the line's earlier events."""
    former_is_nothing: bool
    """The revision before this one had no amounts."""

    @property
    def event_key(self) -> str:
        """The stream that every event of the line is on: its payment's where it names one when it is accepted."""
        return self.former_key or self.payment_id or f"{self.source}:{self.line_id}"

    @property
    def is_amendment(self) -> bool:
        """Whether a revision of it was told before."""
        return self.revision > 1

    @property
    def amended_revision(self) -> int | None:
        """The revision that this one takes the place of; none where there is nothing to take back."""
        return None if not self.is_amendment or self.former_is_nothing else self.revision - 1


@dataclass(frozen=True, slots=True)
class ToldLine:
    """A line and the event that told of it."""

    line: UntoldLine
    event_id: str
