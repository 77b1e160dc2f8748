"""Posted journals, what was decided, answers, signed heads and closes as events: the only mapping to the schemas."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, cast

from schemas.generated import (
    AdjustmentAnsweredV1,
    AdjustmentDecidedV1,
    JournalPostedV1,
    LedgerHeadSignedV1,
    LedgerPeriodClosedV1,
    PeriodCloseDecidedV1,
)
from services.ledger.domain.adjustments import Adjustment, Answer
from services.ledger.domain.closes import SignedClose
from services.ledger.domain.heads import Head
from services.ledger.domain.journal import Journal
from shared.kernel.months import PeriodClose

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


def adjustment_decided(decided: Adjustment, cause_event_id: str) -> AdjustmentDecidedV1:
    """Only of one that was decided."""
    life: Any = decided  # what a decision has set, checked by the contract when it is written
    return AdjustmentDecidedV1(
        adjustment_id=decided.adjustment_id,
        state=cast("Any", decided.state.value),
        template=decided.template,
        amount_minor=decided.amount_minor,
        currency=decided.currency,
        reason=decided.reason,
        attachment=decided.attachment,
        reverses_adjustment_id=decided.reverses_adjustment_id,
        asked_event_id=decided.asked_event_id,
        proposed_by=decided.proposed_by,
        proposed_at=decided.proposed_at,
        decided_by=life.decided_by,
        decided_at=life.decided_at,
        decision_reason=life.decision_reason,
        journal_id=decided.journal_id,
        cause_event_id=cause_event_id,
        **decided.parameters,
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


def period_close_decided(decided: PeriodClose) -> PeriodCloseDecidedV1:
    """Only of one that was decided."""
    life: Any = decided  # what a decision has set, checked by the contract when it is written
    return PeriodCloseDecidedV1(
        close_id=decided.close_id,
        period=decided.period,
        state=cast("Any", decided.state.value),
        reason=decided.reason,
        proposed_by=decided.proposed_by,
        proposed_at=decided.proposed_at,
        decided_by=life.decided_by,
        decided_at=life.decided_at,
        decision_reason=life.decision_reason,
    )


def chain_key(shard: int) -> str:
    """One stream for the heads of a chain, so that they arrive in their order."""
    return f"seals:{shard}"
