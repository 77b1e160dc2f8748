"""The queries behind what is shown of files: quarantine, totals that they state, what parts of statements lack."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

_QUARANTINED: Final = """
SELECT nth, line_number, code, field, expected, raw FROM quarantined_lines
 WHERE file_id = %(file_id)s AND nth > %(after)s ORDER BY nth LIMIT %(limit)s
"""
# Those that do not hold first: somebody has to look at them.
_TOTALS: Final = """
SELECT name, subject, currency, stated_minor, counted_minor, stated_minor = counted_minor AS holds FROM control_totals
 WHERE file_id = %(file_id)s ORDER BY holds, nth LIMIT %(limit)s
"""

_GAPS: Final = """
SELECT source, file_id, received_at, account_number, currency, statement, part, field, code, other_part, expected_minor,
       found_minor
  FROM statement_gaps WHERE %(source)s::text IS NULL OR source = %(source)s
 ORDER BY received_at, source, statement, part, field LIMIT %(limit)s
"""


def statement_gaps(connection: sa.Connection, *, source: str | None, limit: int) -> list[dict[str, Any]]:
    """Parts of statements that do not go on where another one ended, those that came first first; minor units.

    ``field`` is the balance that has nothing beside it, ``expected`` what was looked for.
    """
    rows = connection.exec_driver_sql(_GAPS, {"source": source, "limit": limit}).mappings()
    return [{**row, "expected": _expected(row)} for row in rows]


def _expected(row: sa.RowMapping) -> str:
    other = ":62M:" if row["other_part"] < row["part"] else ":60M:"
    return (
        f"part {row['other_part']} of statement {row['statement']}"
        f" with {other} {row['expected_minor']} minor units of {row['currency']}"
    )


def quarantined_lines_of(
    connection: sa.Connection, file_id: str, *, after: int, limit: int
) -> list[dict[str, Any]]:
    """Lines of a file that could not be read, in order."""
    values = {"file_id": file_id, "after": after, "limit": limit}
    return [dict(row) for row in connection.exec_driver_sql(_QUARANTINED, values).mappings()]


def control_totals_of(connection: sa.Connection, file_id: str, limit: int) -> list[dict[str, Any]]:
    """Totals that a file states, those that do not hold first."""
    values = {"file_id": file_id, "limit": limit}
    return [dict(row) for row in connection.exec_driver_sql(_TOTALS, values).mappings()]
