"""Repository of the returns that reconciliation asked for: one row per proposal, written as it is decided."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

import sqlalchemy as sa

from services.payment.domain.asked_returns import AskedReturn, AskedState

# The payment's row is locked by now, and with it all proposals about it.
_GET: Final = """
SELECT proposal_event_id, payment_id, state, operation_id FROM asked_returns
 WHERE proposal_event_id = %(proposal_event_id)s
"""
_PUT: Final = """
INSERT INTO asked_returns (proposal_event_id, payment_id, state, operation_id)
VALUES (%(proposal_event_id)s, %(payment_id)s, %(state)s, %(operation_id)s)
    ON CONFLICT (proposal_event_id) DO UPDATE SET state = excluded.state
"""


class StoredAskedReturns:
    """Proposals of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def get(self, proposal_event_id: str) -> AskedReturn | None:
        """What a proposal came to; None where neither it nor its withdrawal was heard of."""
        values = {"proposal_event_id": proposal_event_id}
        row = self._connection.exec_driver_sql(_GET, values).mappings().first()
        return None if row is None else AskedReturn(**{**row, "state": AskedState(row["state"])})

    def put(self, asked: AskedReturn) -> None:
        """Keep what it came to."""
        self._connection.exec_driver_sql(_PUT, asdict(asked))
