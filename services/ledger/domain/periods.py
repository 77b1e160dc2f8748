"""Accounting periods: calendar months in UTC, closed in order and for good, and what a fact does that comes too late.

Everything before ``opens_at``, the end of the last closed month, is closed; without one nothing is. A journal that
would take effect there takes effect at ``opens_at`` instead and keeps the time that was told. That map never changes
the order of two times, so a reversal still never takes effect before what it reverses.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shared.kernel.errors import Rejected

if TYPE_CHECKING:
    from datetime import datetime

    from services.ledger.domain.journal import Journal


def check_open(effective_at: datetime, opens_at: datetime | None) -> None:
    """Refuse what a person wants booked into a closed month; a fact goes to the first open one instead."""
    if opens_at is not None and effective_at < opens_at:
        raise Rejected(
            "period_closed",
            f"everything before {opens_at.isoformat()} is closed",
            extra={"opens_at": opens_at.isoformat()},
        )


def in_open_period(journal: Journal, opens_at: datetime | None) -> Journal:
    """The journal as it is booked: in a closed month it would have taken effect, in the first open one it does."""
    if opens_at is None or journal.effective_at >= opens_at:
        return journal
    return replace(journal, effective_at=opens_at, told_effective_at=journal.effective_at)


def as_told(journal: Journal, fact_at: datetime, effective_at: datetime | None) -> Journal | None:
    """The journal as it was told before these books were filled; None where that is not known, or was another time."""
    if effective_at is None or journal.effective_at != fact_at:
        return None
    return journal if effective_at == fact_at else in_open_period(journal, effective_at)
