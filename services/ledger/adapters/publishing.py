"""Posted journals, signed heads and closes, operators' acts as events: the only mapping to the schemas."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from schemas.generated import JournalPostedV1, LedgerHeadSignedV1, LedgerPeriodClosedV1
from services.ledger.domain.closes import SignedClose
from services.ledger.domain.heads import Head
from services.ledger.domain.journal import Journal

TOPIC: Final = "ledger.events"
CLOSES_KEY: Final = "periods"
"""One stream for all closes, so that they arrive in their order."""


def journal_posted(journal: Journal) -> JournalPostedV1:
    return JournalPostedV1(
        journal_id=journal.journal_id,
        rule=journal.rule,
        fact_key=journal.fact_key,
        cause_event_id=journal.cause.event_id,
        cause_event_type=journal.cause.type_and_version,
        payment_id=journal.payment_id,
        merchant_id=journal.merchant_id,
        currency=journal.currency,
        amount_minor=journal.amount_minor,
        reverses_journal_id=journal.reverses_journal_id,
        effective_at=journal.effective_at,
        told_effective_at=journal.told_effective_at,
    )


def head_signed(head: Head) -> LedgerHeadSignedV1:
    """The time is written back as the text that was signed."""
    return LedgerHeadSignedV1(**{**head.fields(), "signed_at": datetime.fromisoformat(head.signed_at)})


def period_closed(close: SignedClose) -> LedgerPeriodClosedV1:
    """The times are written back as the texts that were signed."""
    times = {
        name: datetime.fromisoformat(getattr(close, name)) for name in ("ends_at", "closed_at", "signed_at")
    }
    return LedgerPeriodClosedV1(**{**close.fields(), **times})


def chain_key(shard: int) -> str:
    """One stream for the heads of a chain, so that they arrive in their order."""
    return f"seals:{shard}"
