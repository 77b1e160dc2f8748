"""Which payment events the ledger books, and how many per transaction."""

from __future__ import annotations

from typing import Final

from services.ledger.adapters.unit_of_work import LedgerUnitOfWork
from services.ledger.app.post_event import load_books, post_event
from services.ledger.domain.posting_rules import POSTING_EVENT_TYPES
from shared.messaging.routes import BatchLimits, Routes

TOPIC: Final = "payment.events"
BATCH_MESSAGES_MAX: Final = 500
"""Enough to spread the commit over many journals, few enough to replay one by one after a poison message."""

ROUTES: Final[Routes[LedgerUnitOfWork]] = Routes(
    consumer="ledger",
    handlers={(TOPIC, event_type, 1): post_event for event_type in sorted(POSTING_EVENT_TYPES)},
    prepare=load_books,
    limits=BatchLimits(max_records=BATCH_MESSAGES_MAX),
)
