"""Posted journals, answers, signed heads and closes, operators' acts as events: the only mapping to the schemas."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from schemas.generated import AdjustmentAnsweredV1, JournalPostedV1, LedgerHeadSignedV1, LedgerPeriodClosedV1
from services.ledger.domain.adjustments import Answer
from services.ledger.domain.closes import SignedClose
from services.ledger.domain.heads import Head
from services.ledger.domain.journal import Journal

TOPIC: Final = "ledger.events"
REASON_MAX: Final = 512
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


def adjustment_answered(answer: Answer) -> AdjustmentAnsweredV1:
    """The reason is cut to what the contract carries; the whole of it stands with the adjustment."""
    reason = None if answer.reason is None else answer.reason[:REASON_MAX].strip() or None
    return AdjustmentAnsweredV1(
        break_id=answer.break_id,
        proposal_event_id=answer.asked_event_id,
        outcome=answer.outcome.value,
        adjustment_id=answer.adjustment_id,
        journal_id=answer.journal_id,
        reason=reason,
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
