"""Runs the passes of matching over what changed, or over everything; the result is the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from services.reconciliation.adapters import hand_matching_sql, matching_sql
from services.reconciliation.adapters.planning import FEW, Planning

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
    "SET LOCAL work_mem = '64MB'",
    # What a plan is kept from counts as cost, and what costs is compiled: seconds for a statement of milliseconds.
    "SET LOCAL jit = off",
)
_COUNT_DIRTY: Final = f"""
SELECT (SELECT count(*) FROM (SELECT FROM dirty_lines LIMIT {FEW}) AS lines)
     + (SELECT count(*) FROM (SELECT FROM dirty_items LIMIT {FEW}) AS lines)
"""
_COUNT_TOUCHED: Final = "SELECT (SELECT count(*) FROM touched_lines) + (SELECT count(*) FROM touched_items)"
_DIRTY: Final = ("dirty_lines", "dirty_items", "dirty_keys")
_MATCHED: Final = ("settlement_lines", "our_items")
#: Where more than a quarter of everything changed, what depends on it is looked at whole: both come to the same.
_IS_MOST: Final = """
SELECT 4 * %(touched)s > (
    SELECT sum(reltuples) FROM pg_class WHERE oid IN ('settlement_lines'::regclass, 'our_items'::regclass))
"""
#: Where so little stands, everything is matched anew in less than it takes to tell what changed from the rest.
_FEW_STAND: Final = """
SELECT count(*) <= %(touched)s FROM (SELECT FROM claims LIMIT %(touched)s + 1) AS standing
"""
#: A match has one row that names both sides.
_BY_RULE: Final = """
SELECT rule, count(*) FROM claims WHERE line_id IS NOT NULL AND item_key IS NOT NULL GROUP BY rule
"""
_BY_RULE_BEFORE: Final = "SELECT result -> 'matches' FROM runs ORDER BY nth DESC LIMIT 1"


class Matcher:
    """Matching within one transaction: whoever is killed leaves nothing behind."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._planning = Planning(connection)
        self._moved: Counter[str] = Counter()

    def take_turn(self) -> None:
        """Wait until no other run is at work, and clear what it left in the work tables."""
        self._run_all(_PATIENCE)
        self._run(_LOCK)
        self._run(matching_sql.EMPTY_ALL)

    def match(self, run_id: str, *, everything: bool) -> bool:
        """Match what was touched since the last run, or everything anew; whether that is most of what there is."""
        self._connection.exec_driver_sql(hand_matching_sql.OUTDATE, {"run_id": run_id})
        touched = int(self._connection.exec_driver_sql(_COUNT_TOUCHED).scalar_one())
        self._planning.plan_for(FEW if everything else touched)
        self._planning.filled_much(*_MATCHED, "claims")
        is_most = everything or (touched >= FEW and self._holds(_IS_MOST, touched))
        if everything or (is_most and self._holds(_FEW_STAND, touched)):
            self._match_everything(run_id)
        else:
            self._match_changed(run_id, is_most=is_most)
        self._run(matching_sql.HAVE_LEFT_TOLD)
        self._run_all(matching_sql.LEAVE_SEEN)
        self._planning.plan_for(FEW)
        return is_most

    def matches_by_rule(self) -> dict[str, int]:
        """How many matches each rule stands for now: as many as after the last run, and what this one did."""
        return {rule: count for rule, count in sorted(self._moved.items()) if count}

    def _match_everything(self, run_id: str) -> None:
        """Without groups: nothing is claimed before the first pass, and lines that one claims are gone for the next."""
        self._run_all(matching_sql.TAKE_EVERYTHING)
        self._run(matching_sql.EMPTY_GROUPS)
        by_hand = self._connection.exec_driver_sql(
            hand_matching_sql.PAIR_ALL, {"run_id": run_id}
        ).scalar_one()
        first = matching_sql.PAIR_THE_REST if by_hand else matching_sql.PAIR_ALL
        self._connection.exec_driver_sql(first, {"run_id": run_id})
        # Statistics of the claims while none stood would have everybody join them row by row from now on.
        self._planning.filled("claims")
        left = self._connection.exec_driver_sql(matching_sql.GATHER_LEFT).rowcount
        for one in matching_sql.STATEMENTS[1:]:
            if not left:
                break
            self._planning.filled("group_lines")
            self._run(matching_sql.EMPTY_ITEMS)
            if self._connection.exec_driver_sql(one.gather_items).rowcount:
                self._planning.filled("group_items")
                self._connection.exec_driver_sql(one.pair, {"run_id": run_id})
                left -= self._connection.exec_driver_sql(matching_sql.LEAVE_CLAIMED).rowcount
        self._run(matching_sql.LEFT_IS_DIRTY)
        self._moved = Counter(self._by_rule(_BY_RULE))

    def _match_changed(self, run_id: str, *, is_most: bool) -> None:
        self._take_touched(is_most=is_most)
        self._release(matching_sql.RELEASE_CHANGED)
        for one in (hand_matching_sql.BY_HAND_STATEMENTS, *matching_sql.STATEMENTS):
            changed = self._count_dirty()
            if not changed:
                break
            self._planning.plan_for(changed)
            self._match_by(one, run_id)
        if not is_most:
            self._run_all(matching_sql.SUSPECT_DIRTY)

    def _take_touched(self, *, is_most: bool) -> None:
        self._run_all(matching_sql.TAKE_TOUCHED)
        before = self._connection.exec_driver_sql(_BY_RULE_BEFORE).scalar_one_or_none()
        self._moved = Counter(before if before is not None else self._by_rule(_BY_RULE))
        self._planning.plan_for(self._count_dirty())
        self._planning.filled(*_DIRTY)
        if not is_most:
            self._run_all(matching_sql.SUSPECT_DIRTY)

    def _match_by(self, one: matching_sql.PassStatements, run_id: str) -> None:
        self._run(matching_sql.EMPTY_GROUPS)
        if not self._connection.exec_driver_sql(one.gather_lines).rowcount:
            return
        self._planning.filled("group_lines")
        self._run(one.gather_items)
        self._planning.filled("group_items")
        self._release(matching_sql.RELEASE_GROUPS)
        made = self._connection.exec_driver_sql(one.pair, {"run_id": run_id}).scalar_one()
        self._moved[one.passing.rule.value] += int(made)
        self._planning.filled_much("claims")
        self._run_all(matching_sql.MARK_CLAIMED)
        self._planning.filled("dirty_lines", "dirty_items")

    def _release(self, statement: str) -> None:
        self._moved.subtract(self._by_rule(statement))

    def _by_rule(self, statement: str) -> dict[str, int]:
        return {rule: int(count) for rule, count in self._connection.exec_driver_sql(statement)}

    def _holds(self, question: str, touched: int) -> bool:
        return bool(self._connection.exec_driver_sql(question, {"touched": touched}).scalar_one())

    def _count_dirty(self) -> int:
        """How much changed, as far as it is few."""
        return int(self._connection.exec_driver_sql(_COUNT_DIRTY).scalar_one())

    def _run_all(self, statements: Sequence[str]) -> None:
        for statement in statements:
            self._run(statement)

    def _run(self, statement: str) -> None:
        self._connection.exec_driver_sql(statement)
