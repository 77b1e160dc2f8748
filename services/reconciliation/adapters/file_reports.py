"""The queries behind what is shown of a file: its quarantine and the totals that it states."""

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
