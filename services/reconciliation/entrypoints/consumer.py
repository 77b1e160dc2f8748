"""Which events reconciliation builds our side from, and how many per transaction.

Nothing is handled yet: every type is declared as ignored in ``schemas/topics`` until its handler is here.
"""

from __future__ import annotations

from typing import Final

from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from shared.messaging.routes import BatchLimits, Routes

BATCH_MESSAGES_MAX: Final = 500
"""Enough to spread the commit over many facts, few enough to replay one by one after a poison message."""

ROUTES: Final[Routes[ReconciliationUnitOfWork]] = Routes(
    consumer="reconciliation",
    handlers={},
    limits=BatchLimits(max_records=BATCH_MESSAGES_MAX),
)
