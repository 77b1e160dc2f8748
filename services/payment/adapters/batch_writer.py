"""Writes all rows of one transaction in one statement: a writable CTE per table, rows handed over as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import sqlalchemy as sa

from shared.kernel.errors import InvariantViolation
from shared.persistence.statements import execute, execute_later
from shared.persistence.wire_statements import Answer


class BatchWriter:
    """Collects writes to distinct tables and runs them together; nothing runs where nothing was collected."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._parts: list[str] = []
        self._expected: list[tuple[str, int | None]] = []
        self._values: dict[str, str] = {}

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
        """Add rows."""
        self._add(
            table,
            f"INSERT INTO {table} ({', '.join(columns)}) {self._select(table, columns)}",
            rows,
            exact=True,
        )

    def insert_new(self, table: str, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
        """Add rows, leaving those alone that are there already."""
        statement = f"INSERT INTO {table} ({', '.join(columns)}) {self._select(table, columns)}"
        self._add(table, f"{statement} ON CONFLICT DO NOTHING", rows)

    def update(
        self,
        table: str,
        key: Sequence[str],
        columns: Sequence[str],
        rows: Sequence[dict[str, Any]],
        *,
        condition: str = "true",
    ) -> None:
        """Overwrite rows by key; each must be there and meet the condition (``t`` is the row, ``v`` the values)."""
        sets = ", ".join(f"{column} = v.{column}" for column in columns if column not in key)
        joined = " AND ".join(f"t.{column} = v.{column}" for column in key)
        name = self._name(table)
        self._add(
            table,
            f"UPDATE {table} AS t SET {sets} FROM jsonb_populate_recordset(NULL::{table}, %({name})s::jsonb) AS v"
            f" WHERE {joined} AND {condition}",
            rows,
            exact=True,
        )

    def raw(self, name: str, statement: str, rows: Sequence[dict[str, Any]], *, counting: str) -> None:
        """Run a statement of its own; ``{rows}`` in it is the placeholder, ``counting`` what :meth:`run` sums up."""
        self._add(name, statement.format(rows=self._name(name)), rows, counting=counting)

    def run(self) -> dict[str, int]:
        """Write everything, refuse if a row was not where it had to be, and tell what was counted."""
        if not self._parts:
            return {}
        return self._counted(execute(self._connection, self._statement(), self._values))

    def run_later(self) -> None:
        """The same, together with the transaction's next statement; nobody is told what was counted."""
        if self._parts:
            execute_later(self._connection, self._statement(), self._values, self._counted)

    def _statement(self) -> str:
        ctes = ", ".join(f"w{number} AS ({part})" for number, part in enumerate(self._parts))
        counts = ", ".join(
            f"(SELECT coalesce(sum(n), 0) FROM w{number})::bigint" for number in range(len(self._parts))
        )
        return f"WITH {ctes} SELECT {counts}"

    def _counted(self, answer: Answer) -> dict[str, int]:
        counted: dict[str, int] = {}
        for (table, expected), told in zip(self._expected, answer.rows[0], strict=True):
            count = int(told or 0)
            if expected is not None and count != expected:
                raise InvariantViolation("rows_written", f"{table}: {count} of {expected} rows were written")
            counted[table] = count
        return counted

    def _add(
        self,
        table: str,
        statement: str,
        rows: Sequence[dict[str, Any]],
        *,
        exact: bool = False,
        counting: str = "1",
    ) -> None:
        if not rows:
            return
        # A column that a row does not name is NULL: naming it would only be read and thrown away.
        given = [{name: value for name, value in row.items() if value is not None} for row in rows]
        self._values[self._name(table)] = orjson.dumps(given).decode()
        self._parts.append(f"{statement} RETURNING {counting} AS n")
        self._expected.append((table, len(rows) if exact else None))

    def _select(self, table: str, columns: Sequence[str]) -> str:
        name = self._name(table)
        return f"SELECT {', '.join(columns)} FROM jsonb_populate_recordset(NULL::{table}, %({name})s::jsonb)"

    def _name(self, table: str) -> str:
        """One placeholder per write, in the order of writing."""
        return f"rows_{table}_{len(self._parts)}"
