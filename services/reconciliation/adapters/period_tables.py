"""The tables of a month's figures: their columns in the order of exports, and the order of their rows.

Both are stable: a digest and exports of one month have the same bytes for ever.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

#: Each with its columns and the key that orders it.
TABLES: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "rolls": (
        (
            "leg", "account", "currency", "opening_minor", "ours_minor", "theirs_minor", "closing_minor",
            "timing_minor", "broken_minor", "accepted_minor",
        ),
        "leg, account, currency",
    ),
    "positions": (
        (
            "leg", "account", "currency", "subject", "band", "named_by", "break_state", "ours_minor", "theirs_minor",
            "since",
        ),
        "leg, subject, account, currency",
    ),
    "breaks": (("break_id", "subject", "type", "state", "currency", "at_risk_minor"), "break_id"),
    "late": (("kind", "subject", "currency", "amount_minor", "revision", "happened_at"), "kind, subject"),
    "files": (("file_id", "source", "sha256"), "source, nth"),
    "days": (
        ("day", "currency", "matched_minor", "timing_minor", "broken_minor", "accepted_minor", "lines_minor"),
        "day, currency",
    ),
    "explained": (
        (
            "day", "currency", "payouts", "charges_minor", "refunds_minor", "disputes_minor", "reversals_minor",
            "reserves_minor", "adjustments_minor", "fees_minor", "exchanged_minor", "net_minor", "unread_minor",
            "bank_credit_minor", "unexplained_minor", "residue_minor", "unallocated_minor", "named_by",
            "unnamed_minor",
        ),
        "day, currency",
    ),
}  # fmt: skip
#: What a month has that was closed since days are kept.
OF_DAYS: Final = ("days", "explained")
_AS_TEXT: Final = {
    "since": """to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""",
    "happened_at": """to_char(happened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""",
    "sha256": "encode(sha256, 'hex')",
}


def select(table: str, columns: tuple[str, ...] | None = None) -> str:
    """The query of a month's rows in order; times and hashes as text."""
    known, order = TABLES[table]
    shown = ", ".join(f"{_AS_TEXT.get(name, name)} AS {name}" for name in columns or known)
    return f"SELECT {shown} FROM period_{table} WHERE period = %(period)s ORDER BY {order}"


def rows_of(connection: sa.Connection, table: str, period: str) -> list[dict[str, object]]:
    """A month's rows."""
    return [dict(row) for row in connection.exec_driver_sql(select(table), {"period": period}).mappings()]


def tables_of(connection: sa.Connection, period: str) -> tuple[str, ...]:
    """The tables that this closed month has."""
    keeps = connection.exec_driver_sql(
        "SELECT keeps_days FROM closed_periods WHERE period = %(period)s", {"period": period}
    ).scalar_one()
    return tuple(table for table in TABLES if keeps or table not in OF_DAYS)


_DIGEST: Final = """
SELECT coalesce(string_agg(sha256(convert_to(line, 'UTF8')), ''::bytea ORDER BY n), ''::bytea)
  FROM (SELECT row_number() OVER () AS n, to_json(r)::text AS line FROM ({query}) AS r) AS lines
"""


def digest_parts(connection: sa.Connection, period: str) -> list[bytes]:
    """What the digest of a month's figures is made of: of each table the hashes of its rows, in order."""
    return [
        bytes(
            connection.exec_driver_sql(_DIGEST.format(query=select(table)), {"period": period}).scalar_one()
        )
        for table in TABLES
    ]
