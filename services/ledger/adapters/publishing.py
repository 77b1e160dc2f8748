"""A posted journal as the contract's event: the only mapping from the books to the schemas."""

from __future__ import annotations

from typing import Final

from schemas.generated import JournalPostedV1
from services.ledger.domain.journal import Journal

TOPIC: Final = "ledger.events"


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
    )
