"""Staging in SQL: what a file says by COPY, then which reading of each line stands, set by set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time
from operator import attrgetter
from typing import Any, Final

import psycopg
import sqlalchemy as sa

from services.reconciliation.adapters import tables
from services.reconciliation.adapters.file_breaks_sql import SETTLES
from services.reconciliation.adapters.staging_bank_sql import BANK_SAYS, BANK_STANDS, STATED_ACCOUNT
from services.reconciliation.adapters.staging_sql import COUNTED, SETTLEMENT_SAYS, SETTLEMENT_STANDS
from services.reconciliation.domain.files import InDoubt, Staged
from services.reconciliation.domain.lines import (
    BankLine,
    ControlTotal,
    QuarantinedLine,
    ReportRecord,
    SettlementLine,
    StatementHead,
    UnreadableFileError,
)
from services.reconciliation.domain.payouts import naming_closes
from services.reconciliation.domain.sources import Source, SourceKind

# A file of a million lines is read and set right in one transaction: longer than serving sessions may take.
_PATIENCE: Final = (
    "SET LOCAL statement_timeout = '30min'",
    "SET LOCAL idle_in_transaction_session_timeout = '60s'",
)
_PREFER: Final = """
INSERT INTO preferred_files (file_id, after_file_id, preferred_by, reason, at)
SELECT %(file_id)s, file_id, %(by)s, %(reason)s, %(now)s FROM report_files
 WHERE source = %(source)s AND state = 'STAGED' ORDER BY staged_nth DESC LIMIT 1
"""
_IN_DOUBT: Final = f"""
SELECT EXISTS (SELECT FROM stated_statements WHERE file_id = %(file_id)s)
       AND NOT EXISTS (SELECT FROM stated_statements WHERE file_id = %(file_id)s AND NOT overtaken) AS is_overtaken,
       EXISTS (SELECT FROM contradicted_files WHERE %(file_id)s IN (file_id, former_file_id)) AS is_contradicted,
       EXISTS (SELECT FROM contradicted_files AS c JOIN report_files AS later USING (file_id)
                 JOIN report_files AS this ON this.file_id = %(file_id)s
                 JOIN breaks AS b ON b.subject = 'order:' || c.file_id || ':' || c.former_file_id || ':' || c.currency
                WHERE later.staged_nth > this.staged_nth AND b.state IN ('PROPOSED', 'APPLYING', 'RESOLVED')
                  AND (this.file_id IN (c.file_id, c.former_file_id)
                       OR %(after_file_id)s::text IS NOT NULL AND {SETTLES.format(p="this.file_id")})) AS is_decided,
       EXISTS (SELECT FROM contradicted_files AS c JOIN report_files AS later USING (file_id)
                 JOIN report_files AS seen ON seen.file_id = %(after_file_id)s AND seen.source = later.source
                WHERE later.staged_nth > seen.staged_nth AND {SETTLES.format(p="%(file_id)s")}) AS is_outdated
"""
_SAYS: Final = {SourceKind.SETTLEMENT: SETTLEMENT_SAYS, SourceKind.BANK: BANK_SAYS}
_STANDS: Final = {SourceKind.SETTLEMENT: SETTLEMENT_STANDS, SourceKind.BANK: BANK_STANDS}
_BANK_FIELDS: Final = tuple(column.strip('"') for column in tables.BANK_LINE)
_LINE_FIELDS: Final = ("line_number", "line_id")
_QUARANTINE_FIELDS: Final = ("line_number", "code", "field", "expected", "raw")
_HEAD_FIELDS: Final = (
    "account_number", "statement_id", "sequence", "currency", "opening_on", "opening_minor", "closing_minor", "final",
    "created_at", "first_line", "last_line", "number", "part", "opens", "closes",
)  # fmt: skip
_TOTAL_FIELDS: Final = ("name", "subject", "currency", "stated_minor", "counted_minor")


class SqlStaging:
    """What one transaction stages."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def be_patient(self) -> None:
        """Take as long as a large file takes."""
        for statement in _PATIENCE:
            self._connection.exec_driver_sql(statement)

    def stated_account(self, source: str) -> str | None:
        """The account of the first statement of the source that was staged."""
        found = self._connection.exec_driver_sql(STATED_ACCOUNT, {"source": source}).scalar_one_or_none()
        return None if found is None else str(found)

    def add(self, file_id: str, batch: Sequence[ReportRecord]) -> None:
        """Write what a file says, a batch at a time."""
        for kind, (table, fields) in _TABLES.items():
            said = attrgetter(*fields)
            rows = [(file_id, *said(record)) for record in batch if type(record) is kind]
            if rows:
                self._copy(table, fields, rows)

    def settle(self, source: Source, file_id: str) -> Staged:
        """Let what the file says stand, where it says something else or something new."""
        values = self._values(source, file_id)
        self._take((*_SAYS[source.kind], *_STANDS[source.kind]), values)
        counted = self._connection.exec_driver_sql(COUNTED[source.kind.value], values).one()
        return Staged(
            line_count=counted.lines,
            quarantined_count=counted.quarantined,
            period_from=_moment(counted.period_from),
            period_to=_moment(counted.period_to),
        )

    def in_doubt(self, file_id: str, after_file_id: str | None = None) -> InDoubt:
        """What stands of the question whether a file that was settled holds."""
        values = {"file_id": file_id, "after_file_id": after_file_id}
        found = self._connection.exec_driver_sql(_IN_DOUBT, values).mappings().one()
        return InDoubt(**found)

    def prefer(self, source: Source, file_id: str, preferred_by: str, reason: str) -> None:
        """Let what a file that was settled says stand once more, over those that came later; remember who said so."""
        values = self._values(source, file_id)
        self._connection.exec_driver_sql(_PREFER, values | {"by": preferred_by, "reason": reason})
        self._take(_STANDS[source.kind], values)

    def _take(self, steps: Iterable[str], values: dict[str, Any]) -> None:
        try:
            for step in steps:
                self._connection.exec_driver_sql(step, values)
        except sa.exc.DataError as refused:
            # Each amount can be held, their sum cannot.
            raise UnreadableFileError("value_not_storable", "net", "sums that a payout can have") from refused

    def _values(self, source: Source, file_id: str) -> dict[str, Any]:
        return {
            "file_id": file_id,
            "source": source.source,
            "processor": source.processor,
            "account": source.account,
            "naming_closes": naming_closes(source.format),
            "now": self._now,
        }

    def _copy(self, table: str, fields: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> None:
        columns = ", ".join(f'"{field}"' for field in fields)
        driver: Any = self._connection.connection.driver_connection
        try:
            self._write(driver, table, columns, rows)
        except (psycopg.DataError, psycopg.errors.CheckViolation) as refused:
            # No reader lets such a value through; the file is refused rather than the worker stopped by it.
            raise UnreadableFileError("value_not_storable", table, "values that a line can have") from refused

    @staticmethod
    def _write(
        driver: psycopg.Connection[Any], table: str, columns: str, rows: Iterable[tuple[Any, ...]]
    ) -> None:
        with (
            driver.cursor() as cursor,
            cursor.copy(f"COPY {table} (file_id, {columns}) FROM STDIN".encode()) as copy,
        ):
            for row in rows:
                # The driver takes a tuple for a row and a list for an array.
                copy.write_row([list(value) if type(value) is tuple else value for value in row])


_TABLES: Final[dict[type, tuple[str, tuple[str, ...]]]] = {
    SettlementLine: ("report_lines", (*_LINE_FIELDS, *tables.SETTLEMENT_LINE)),
    BankLine: ("statement_lines", (*_LINE_FIELDS, *_BANK_FIELDS)),
    QuarantinedLine: ("quarantined_lines", _QUARANTINE_FIELDS),
    ControlTotal: ("control_totals", _TOTAL_FIELDS),
    StatementHead: ("statement_heads", _HEAD_FIELDS),
}


def _moment(value: Any) -> datetime | None:
    """A day of a statement is a period that begins with it."""
    if value is None or isinstance(value, datetime):
        return value
    return datetime.combine(value, time(), UTC)
