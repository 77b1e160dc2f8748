"""Runs as they are kept, and whether our side is complete."""

from __future__ import annotations

from typing import Final

import orjson
import sqlalchemy as sa

from services.reconciliation.app.run_matching import Run

_ADD: Final = """
INSERT INTO runs (run_id, kind, as_of, started_by, started_at, result)
VALUES (%(run_id)s, %(kind)s, %(as_of)s, %(started_by)s, %(started_at)s, %(result)s::jsonb)
"""
_PARKED: Final = "SELECT count(*) FROM parked_keys"


class StoredRuns:
    """Runs of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, run: Run) -> None:
        """Keep what it did."""
        values = {
            "run_id": run.run_id,
            "kind": run.kind.value,
            "as_of": run.as_of,
            "started_by": run.started_by,
            "started_at": run.started_at,
            "result": orjson.dumps(run.result).decode(),
        }
        self._connection.exec_driver_sql(_ADD, values)

    def parked_keys(self) -> int:
        """Keys whose events wait for one that is missing, or for people."""
        return int(self._connection.exec_driver_sql(_PARKED).scalar_one())
