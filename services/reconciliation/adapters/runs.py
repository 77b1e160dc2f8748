"""Runs as they are kept, and whether our side is complete."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
import sqlalchemy as sa

from services.reconciliation.adapters.matching import TRY_TURN
from services.reconciliation.app.run_matching import Run

_ADD: Final = """
INSERT INTO runs (run_id, kind, as_of, started_by, started_at, result)
VALUES (%(run_id)s, %(kind)s, %(as_of)s, %(started_by)s, %(started_at)s, %(result)s::jsonb)
"""
_IS_DUE: Final = """
SELECT EXISTS (SELECT FROM touched_lines) OR EXISTS (SELECT FROM touched_items) OR EXISTS (SELECT FROM touched_bank)
    OR EXISTS (SELECT FROM touched_rules) OR EXISTS (SELECT FROM touched_names) OR EXISTS (SELECT FROM touched_breaks)
    OR EXISTS (SELECT FROM touched_events WHERE look_at <= %(now)s)
    OR (coalesce((SELECT started_at FROM runs ORDER BY nth DESC LIMIT 1), 'epoch') < %(before)s
        AND (EXISTS (SELECT FROM our_items) OR EXISTS (SELECT FROM report_files)))
"""
_RUN: Final = "SELECT run_id, kind, as_of, started_by, started_at, result FROM runs"
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


class StoredDue:
    """Whether there is anything to match."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def is_due(self, at_least_every: timedelta) -> bool:
        """Whether anything changed since the last run, or it is that long ago, and nobody is at it already."""
        if not self._connection.exec_driver_sql(TRY_TURN).scalar_one():
            return False
        values = {"before": self._now - at_least_every, "now": self._now}
        return bool(self._connection.exec_driver_sql(_IS_DUE, values).scalar_one())


def list_runs(connection: sa.Connection, limit: int) -> list[dict[str, Any]]:
    """Runs, newest first."""
    rows = connection.exec_driver_sql(f"{_RUN} ORDER BY nth DESC LIMIT %(limit)s", {"limit": limit})
    return [dict(row) for row in rows.mappings()]


def one_run(connection: sa.Connection, run_id: str) -> Mapping[str, Any] | None:
    """One run."""
    rows = connection.exec_driver_sql(f"{_RUN} WHERE run_id = %(run_id)s", {"run_id": run_id})
    return next((dict(row) for row in rows.mappings()), None)
