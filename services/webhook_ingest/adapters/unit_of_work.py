"""One transaction of webhook ingest: its repositories on the shared unit of work."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from services.webhook_ingest.adapters.deliveries import PostgresDeliveries
from services.webhook_ingest.adapters.publishing import OutboxAnnouncements
from shared.kernel.ids import Ids
from shared.persistence.outbox import Outbox
from shared.persistence.unit_of_work import UnitOfWork

_ERASE: Final = """
WITH bodies AS (
  DELETE FROM delivery_bodies WHERE delivery_id IN (
    SELECT delivery_id FROM delivery_bodies WHERE received_at < %(bodies)s ORDER BY received_at LIMIT %(limit)s)
  RETURNING 1
), refused AS (
  DELETE FROM refused_deliveries WHERE position IN (
    SELECT position FROM refused_deliveries WHERE received_at < %(refused)s ORDER BY received_at LIMIT %(limit)s)
  RETURNING 1
)
SELECT greatest((SELECT count(*) FROM bodies), (SELECT count(*) FROM refused))
"""


class DeliveryUnitOfWork(UnitOfWork):
    """Deliveries and their announcements in one transaction."""

    def __init__(self, connection: sa.Connection, outbox: Outbox, now: datetime, ids: Ids) -> None:
        super().__init__(connection, outbox, now, ids)
        self.deliveries = PostgresDeliveries(connection, now)
        self.announcements = OutboxAnnouncements(outbox, now)

    def erase(self, *, bodies_before: timedelta, refused_before: timedelta, limit: int) -> int:
        """Erase bodies and refusals of that age; returns the larger of the two counts."""
        ages = {"bodies": self.now - bodies_before, "refused": self.now - refused_before, "limit": limit}
        erased: int = self.connection.exec_driver_sql(_ERASE, ages).scalar_one()
        return erased
