"""A closed month as files: one JSON document, or one CSV per table. The same month is the same bytes for ever.

Amounts are minor units beside their currency, times UTC with microseconds, hashes hexadecimal. Columns and the order of
rows are those of ``period_tables``; a column is only ever added at the end.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any, Final

import orjson
import sqlalchemy as sa

from services.reconciliation.adapters.period_tables import TABLES, rows_of, tables_of
from services.reconciliation.adapters.periods import closed_period
from shared.kernel.errors import Rejected
from shared.kernel.months import Month

FORMAT_VERSION: Final = 1
#: What a spreadsheet would take for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def stored_period(connection: sa.Connection, period: str) -> dict[str, Any]:
    """The closed month, or the caller's mistake."""
    month = Month.read(period)
    found = closed_period(connection, str(month))
    if found is None:
        raise Rejected("period_not_closed", f"{month} is not closed", status=404, stored=False)
    return found


def as_json(connection: sa.Connection, period: str) -> bytes:
    """One document: how the month was closed, and every table. Open items and days only: it stays small."""
    closed = stored_period(connection, period)
    tables = {table: rows_of(connection, table, period) for table in tables_of(connection, period)}
    document = {"version": FORMAT_VERSION, **closed, "tables": tables}
    return orjson.dumps(document, option=orjson.OPT_UTC_Z | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def as_csv(connection: sa.Connection, period: str, table: str) -> bytes:
    """One table, with a header, lines ending in CR LF as RFC 4180 has it."""
    stored_period(connection, period)
    if table not in tables_of(connection, period):
        raise Rejected(
            "period_days_not_kept",
            f"{period} was closed before its days were kept: it has no {table}",
            status=404,
            stored=False,
        )
    columns = TABLES[table][0]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows_of(connection, table, period):
        writer.writerow([_cell(row, column) for column in columns])
    return text.getvalue().encode()


def _cell(row: Mapping[str, object], column: str) -> object:
    value = row[column]
    if value is None:
        return ""
    if isinstance(value, list):
        return orjson.dumps(value).decode()
    # Names of files' objects are somebody else's words; what opens the file must not run them.
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
