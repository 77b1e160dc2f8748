"""Repository of settlement lines: of each the newest reading, loaded and written set-based."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from services.payment.adapters import tables
from services.payment.adapters.batch_writer import BatchWriter
from services.payment.domain.settling import LineKey, SettlementLine
from shared.persistence.arrays import text_array
from shared.persistence.statements import execute
from shared.persistence.wire_statements import Answer

_BY_KEY: Final = """
SELECT to_jsonb(l) FROM settlement_lines AS l
  JOIN unnest(%(sources)s::text[], %(line_ids)s::text[]) AS w(source, line_id)
    ON l.source = w.source AND l.line_id = w.line_id
"""
_OF_PAYMENTS: Final = (
    "SELECT to_jsonb(l) FROM settlement_lines AS l WHERE l.payment_id = ANY(%(ids)s::text[])"
)
_KEEP: Final = f"""
INSERT INTO settlement_lines AS l ({", ".join(tables.LINE)})
SELECT {", ".join(tables.LINE)} FROM jsonb_populate_recordset(NULL::settlement_lines, %({{rows}})s::jsonb)
ON CONFLICT (source, line_id) DO UPDATE SET
       ({", ".join(tables.LINE[2:])}) = ROW({", ".join(f"excluded.{column}" for column in tables.LINE[2:])})
 WHERE (l.revision, l.match_number) < (excluded.revision, excluded.match_number)
"""


class StoredSettlementLines:
    """Lines of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._lines: dict[LineKey, SettlementLine] = {}
        self._put: set[LineKey] = set()
        self._whole: set[str] = set()

    def load(self, keys: Collection[LineKey]) -> set[str]:
        """Read these lines; the payments that they are about now."""
        sources, line_ids = [key[0] for key in keys], [key[1] for key in keys]
        values = {"sources": text_array(sources), "line_ids": text_array(line_ids)}
        self._take(execute(self._connection, _BY_KEY, values))
        return {line.payment_id for line in self._lines.values() if line.payment_id}

    def load_payments(self, payment_ids: Collection[str]) -> None:
        """Read every line of these payments; to be asked once they are locked, so that it sees them all, for good."""
        wanted = sorted(set(payment_ids) - self._whole)
        if not wanted:
            return
        self._whole.update(wanted)
        self._take(execute(self._connection, _OF_PAYMENTS, {"ids": text_array(wanted)}))

    def get(self, key: LineKey) -> SettlementLine | None:
        """The line as it stands."""
        return self._lines.get(key)

    def of_payment(self, payment_id: str) -> list[SettlementLine]:
        """The lines that are about this payment, those of this transaction included."""
        return [line for line in self._lines.values() if line.payment_id == payment_id]

    def put(self, line: SettlementLine) -> None:
        """Let this reading stand."""
        self._lines[line.key] = line
        self._put.add(line.key)

    def write(self, writer: BatchWriter) -> None:
        """Hand what was put to the writer."""
        rows = [
            {column: getattr(self._lines[key], column) for column in tables.LINE} for key in sorted(self._put)
        ]
        writer.raw("settlement_lines", _KEEP, rows, counting="1")
        self._put.clear()

    def _take(self, answer: Answer) -> None:
        for (text,) in answer.rows:
            row = json.loads(str(text))
            at = datetime.fromisoformat(row["available_on"])
            line = SettlementLine(**{**{column: row[column] for column in tables.LINE}, "available_on": at})
            if line.key not in self._put:
                self._lines[line.key] = line
