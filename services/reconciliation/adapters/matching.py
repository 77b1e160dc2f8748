"""Runs the passes of matching over what changed, or over everything; the result is the same."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from services.reconciliation.adapters import matching_sql

#: Runs take turns: held until the transaction ends, so nobody can lose it while still at work.
RUNS_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('reconciliation runs', 0))"
_BY_RULE: Final = "SELECT rule, count(DISTINCT match_id) FROM claims GROUP BY rule ORDER BY rule"


class Matcher:
    """Matching within one transaction: whoever is killed leaves nothing behind."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def take_turn(self) -> None:
        """Wait until no other run is at work, and clear what it left in the work tables."""
        self._run(RUNS_LOCK)
        self._run(matching_sql.EMPTY_ALL)

    def match(self, run_id: str, *, everything: bool) -> None:
        """Match what was touched since the last run, or everything anew."""
        for statement in matching_sql.TAKE_EVERYTHING if everything else matching_sql.TAKE_TOUCHED:
            self._run(statement)
        self._run(matching_sql.RELEASE_CHANGED)
        for one in matching_sql.STATEMENTS:
            if not self._any_dirty():
                break
            self._run(matching_sql.EMPTY_GROUPS)
            self._run(one.gather_lines)
            self._run(one.gather_items)
            self._run(matching_sql.RELEASE_GROUPS)
            self._connection.exec_driver_sql(one.pair, {"run_id": run_id})
            for statement in matching_sql.MARK_CLAIMED:
                self._run(statement)

    def matches_by_rule(self) -> dict[str, int]:
        """How many matches each rule stands for now."""
        return {rule: int(count) for rule, count in self._connection.exec_driver_sql(_BY_RULE)}

    def _any_dirty(self) -> bool:
        found = self._connection.exec_driver_sql(
            "SELECT EXISTS (SELECT FROM dirty_lines) OR EXISTS (SELECT FROM dirty_items)"
        )
        return bool(found.scalar_one())

    def _run(self, statement: str) -> None:
        self._connection.exec_driver_sql(statement)
