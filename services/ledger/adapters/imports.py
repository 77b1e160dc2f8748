"""Imports in PostgreSQL: one row per file, and which of a batch's facts are booked, in one statement."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from services.ledger.app.import_journals import BegunImport
from services.ledger.domain.imports import IMPORT_RULE
from shared.persistence.arrays import text_array

_INDEXES_ONLY: Final = "SET LOCAL enable_seqscan = off"
_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended('import journals', 0))"
_COLUMNS: Final = "import_id, file_sha256, file_name, journals, begun_by, reason, begun_at, finished_at"
_FIND: Final = f"SELECT {_COLUMNS} FROM imports WHERE file_sha256 = %(file_sha256)b"
_BEGIN: Final = """
INSERT INTO imports (import_id, file_sha256, file_name, journals, begun_by, reason, begun_at)
VALUES (%(import_id)s, %(file_sha256)b, %(file_name)s, %(journals)s, %(begun_by)s, %(reason)s, %(begun_at)s)
"""
_FINISH: Final = f"""
UPDATE imports i SET finished_at = %(now)s,
       booked = (SELECT count(*) FROM journals j WHERE j.rule = '{IMPORT_RULE}' AND j.subject = i.import_id)
 WHERE i.import_id = %(import_id)s RETURNING booked
"""
_CAUSES: Final = f"""
SELECT j.fact_key, j.cause_event_id FROM unnest(%(fact_keys)s::text[]) AS wanted(fact_key)
  JOIN journals j ON j.rule = '{IMPORT_RULE}' AND j.fact_key = wanted.fact_key
"""


class StoredImports:
    """Imports as one transaction sees them."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def take_turn(self) -> None:
        """Wait for another import's batch to be committed."""
        self._connection.exec_driver_sql(_TURN)

    def find(self, file_sha256: bytes) -> BegunImport | None:
        """The import of these bytes, if it was begun."""
        found = self._connection.exec_driver_sql(_FIND, {"file_sha256": file_sha256})
        row = found.mappings().one_or_none()
        return None if row is None else BegunImport(**{**row, "file_sha256": bytes(row["file_sha256"])})

    def begin(self, begun: BegunImport) -> None:
        """Store that it is begun."""
        names = (name.strip() for name in _COLUMNS.split(",") if name.strip() != "finished_at")
        self._connection.exec_driver_sql(_BEGIN, {name: getattr(begun, name) for name in names})

    def finish(self, import_id: str) -> int:
        """Store that it is done, with the number of its journals."""
        values = {"import_id": import_id, "now": self._now}
        return int(self._connection.exec_driver_sql(_FINISH, values).scalar_one())

    def causes(self, fact_keys: Collection[str]) -> Mapping[str, str]:
        """The causes of those that are booked."""
        if not fact_keys:
            return {}
        self._connection.exec_driver_sql(_INDEXES_ONLY)
        rows = self._connection.exec_driver_sql(_CAUSES, {"fact_keys": text_array(list(fact_keys))}).all()
        return {row.fact_key: row.cause_event_id for row in rows}
