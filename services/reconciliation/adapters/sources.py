"""Repository of sources: one per account elsewhere, changed only in how its files are read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import orjson
import sqlalchemy as sa

from services.reconciliation.adapters import tables
from services.reconciliation.domain.sources import Source, SourceKind

_COLUMNS: Final = ", ".join(tables.SOURCE)
_GET: Final = f"SELECT {_COLUMNS} FROM sources WHERE source = %(source)s"
_LIST: Final = f"SELECT {_COLUMNS} FROM sources ORDER BY source"
_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended('reconciliation sources', 0))"
_OWNER: Final = """
SELECT source FROM sources
 WHERE (processor, account) = (%(processor)s, %(account)s) OR bank_account = %(bank_account)s
"""
_DECLARE: Final = """
INSERT INTO sources (source, kind, format, processor, account, bank_account, options, declared_by, declared_at,
                     changed_at)
VALUES (%(source)s, %(kind)s, %(format)s, %(processor)s, %(account)s, %(bank_account)s, %(options)s, %(by)s, %(now)s,
        %(now)s)
ON CONFLICT (source) DO UPDATE
   SET format = excluded.format, options = excluded.options, declared_by = excluded.declared_by,
       changed_at = excluded.changed_at
"""


class StoredSources:
    """Sources of one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def take_turn(self) -> None:
        """Wait until no other declaration is under way; this one's turn ends with the transaction."""
        self._connection.exec_driver_sql(_TURN)

    def get(self, name: str) -> Source | None:
        """One of them."""
        row = self._connection.exec_driver_sql(_GET, {"source": name}).mappings().one_or_none()
        return None if row is None else _source(row)

    def hold(self, name: str) -> Source | None:
        """The source as it is declared until this transaction ends."""
        row = self._connection.exec_driver_sql(f"{_GET} FOR KEY SHARE", {"source": name})
        return next((_source(one) for one in row.mappings()), None)

    def hold_alone(self, name: str) -> Source | None:
        """The source once nobody takes files of it in or stages them; nobody does until this transaction ends."""
        row = self._connection.exec_driver_sql(f"{_GET} FOR UPDATE", {"source": name})
        return next((_source(one) for one in row.mappings()), None)

    def owner_of(self, source: Source) -> str | None:
        """The source that tells of the same account already, if there is one."""
        values = {
            "processor": source.processor,
            "account": source.account,
            "bank_account": source.bank_account,
        }
        found = self._connection.exec_driver_sql(_OWNER, values).scalar_one_or_none()
        return None if found is None else str(found)

    def declare(self, source: Source, declared_by: str) -> None:
        """Add it, or let it be read in another way from now on."""
        values = {
            "source": source.source,
            "kind": source.kind.value,
            "format": source.format,
            "processor": source.processor,
            "account": source.account,
            "bank_account": source.bank_account,
            "options": orjson.dumps(dict(source.options)).decode(),
            "by": declared_by,
            "now": self._now,
        }
        self._connection.exec_driver_sql(_DECLARE, values)


def list_sources(connection: sa.Connection) -> Sequence[Source]:
    """All of them, by name."""
    return [_source(row) for row in connection.exec_driver_sql(_LIST).mappings()]


def _source(row: sa.RowMapping) -> Source:
    return Source(
        source=row["source"],
        kind=SourceKind(row["kind"]),
        format=row["format"],
        processor=row["processor"],
        account=row["account"],
        bank_account=row["bank_account"],
        options=row["options"],
    )
