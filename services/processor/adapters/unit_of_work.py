"""One transaction of the processor service: its repositories on the shared unit of work."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from services.processor.adapters.attempts import PostgresAttempts
from services.processor.adapters.feeds import PostgresFeeds
from services.processor.adapters.publishing import OutboxEvidence
from shared.kernel.ids import Ids
from shared.persistence.outbox import Outbox
from shared.persistence.unit_of_work import UnitOfWork


class AttemptUnitOfWork(UnitOfWork):
    """Attempts, evidence and feeds in one transaction."""

    def __init__(self, connection: sa.Connection, outbox: Outbox, now: datetime, ids: Ids) -> None:
        super().__init__(connection, outbox, now, ids)
        self.attempts = PostgresAttempts(connection, now)
        self.evidence = OutboxEvidence(outbox, now)
        self.feeds = PostgresFeeds(connection, now)

    def flush(self) -> None:
        """Write the attempts before the outbox, so that a broken row stops the events that tell of it."""
        self.attempts.flush()
