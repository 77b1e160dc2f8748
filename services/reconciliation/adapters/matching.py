"""Runs the passes of matching over what changed, or over everything; the result is the same."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from services.reconciliation.adapters import matching_sql

_NAME: Final = "hashtextextended('reconciliation runs', 0)"
#: Runs take turns: held until the transaction ends, so nobody can lose it while still at work.
_LOCK: Final = f"SELECT pg_advisory_xact_lock({_NAME})"
#: For whoever rather comes back later than waits.
TRY_TURN: Final = f"SELECT pg_try_advisory_xact_lock({_NAME})"
#: A month of lines takes longer than a request may; so does waiting for whoever matches one.
_PATIENCE: Final = (
    "SET LOCAL statement_timeout = '30min'",
    "SET LOCAL lock_timeout = '30min'",
    "SET LOCAL idle_in_transaction_session_timeout = '60s'",
)
#: So many looks by an index cost less than reading everything once.
FEW: Final = 2_000
_COUNT_DIRTY: Final = f"""
SELECT (SELECT count(*) FROM (SELECT FROM dirty_lines LIMIT {FEW}) AS lines)
     + (SELECT count(*) FROM (SELECT FROM dirty_items LIMIT {FEW}) AS lines)
"""
_BY_RULE: Final = "SELECT rule, count(DISTINCT match_id) FROM claims GROUP BY rule ORDER BY rule"


class Matcher:
    """Matching within one transaction: whoever is killed leaves nothing behind."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def take_turn(self) -> None:
        """Wait until no other run is at work, and clear what it left in the work tables."""
        for setting in _PATIENCE:
            self._run(setting)
        self._run(_LOCK)
        self._run(matching_sql.EMPTY_ALL)

    def match(self, run_id: str, *, everything: bool) -> None:
        """Match what was touched since the last run, or everything anew."""
        for statement in matching_sql.TAKE_EVERYTHING if everything else matching_sql.TAKE_TOUCHED:
            self._run(statement)
        self._run(matching_sql.RELEASE_CHANGED)
        for one in matching_sql.STATEMENTS:
            changed = self._count_dirty()
            if not changed:
                break
            # Nobody keeps statistics of the work tables: planned for thousands, one line would cost a look at all.
            self._run(f"SET LOCAL enable_hashjoin = {'off' if changed < FEW else 'on'}")
            self._run(f"SET LOCAL enable_mergejoin = {'off' if changed < FEW else 'on'}")
            self._run(matching_sql.EMPTY_GROUPS)
            self._run(one.gather_lines)
            self._run(one.gather_items)
            self._run(matching_sql.RELEASE_GROUPS)
            self._connection.exec_driver_sql(one.pair, {"run_id": run_id})
            for statement in matching_sql.MARK_CLAIMED:
                self._run(statement)
        for setting in ("enable_hashjoin", "enable_mergejoin"):
            self._run(f"SET LOCAL {setting} = on")

    def matches_by_rule(self) -> dict[str, int]:
        """How many matches each rule stands for now."""
        return {rule: int(count) for rule, count in self._connection.exec_driver_sql(_BY_RULE)}

    def _count_dirty(self) -> int:
        """How much changed, as far as it is few."""
        return int(self._connection.exec_driver_sql(_COUNT_DIRTY).scalar_one())

    def _run(self, statement: str) -> None:
        self._connection.exec_driver_sql(statement)
