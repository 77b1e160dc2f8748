"""Breaks as people work on them: one locked, decided and assigned, and as it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from services.reconciliation.adapters.preferences import share_turns, waits_for_file
from services.reconciliation.app.assign_break import Assigned
from services.reconciliation.app.resolve_break import Decided, StoredBreak
from services.reconciliation.domain.break_life import UNSETTLED, BreakState
from services.reconciliation.domain.breaks import ADVICE, BreakType

BREAK: Final = (
    "break_id", "subject", "type", "state", "currency", "ours_minor", "theirs_minor", "at_risk_minor", "processor",
    "account", "payment_id", "since", "expected_by", "opened_at", "changed_at", "owner", "due_on", "resolution",
    "proposed_by", "approved_by",
)  # fmt: skip
STANDING: Final = ", ".join(f"'{state.value}'" for state in UNSETTLED)
SHOWN: Final = f"{', '.join(BREAK)}, {waits_for_file('breaks')}"
_SELECT: Final = f"SELECT {SHOWN} FROM breaks"
_DECIDE: Final = """
UPDATE breaks SET state = %(state)s, owner = %(owner)s, due_on = %(due_on)s, resolution = %(resolution)s,
       proposed_by = %(proposed_by)s, approved_by = %(approved_by)s, changed_at = %(now)s
 WHERE break_id = %(break_id)s
"""
_REMEMBER: Final = """
INSERT INTO break_history (break_id, trigger, from_state, to_state, type, currency, ours_minor, theirs_minor,
                           at_risk_minor, actor, reason, at)
SELECT break_id, %(trigger)s, state, %(state)s, type, currency, ours_minor, theirs_minor, at_risk_minor, %(actor)s,
       %(reason)s, %(now)s FROM breaks WHERE break_id = %(break_id)s
"""
_ASSIGN: Final = "UPDATE breaks SET owner = %(owner)s WHERE break_id = %(break_id)s"
_ASSIGNED: Final = """
INSERT INTO break_assignments (break_id, owner, assigned_by, reason, at)
VALUES (%(break_id)s, %(owner)s, %(assigned_by)s, %(reason)s, %(now)s)
"""
_ASSIGNMENTS: Final = """
SELECT owner, assigned_by, reason, at FROM break_assignments WHERE break_id = %(break_id)s ORDER BY nth
"""
_HISTORY: Final = """
SELECT trigger, from_state, to_state, type, currency, ours_minor, theirs_minor, at_risk_minor, actor, reason, run_id, at
  FROM break_history WHERE break_id = %(break_id)s ORDER BY nth
"""
# What the second person is to read before saying yes: the last one kept is the one that waits, or that was approved.
_ADJUSTMENT: Final = """
SELECT a.template, a.parameters, a.amount_minor, a.currency, a.proposed_at
  FROM break_adjustments AS a JOIN breaks AS b USING (break_id)
 WHERE a.break_id = %(break_id)s AND b.resolution = 'adjustment' ORDER BY a.proposed_at DESC LIMIT 1
"""
# Everything that was asked of other services about it, and what they say.
_ASKED: Final = """
SELECT a.event_id, a.told_at, coalesce(a.outcome, 'unanswered') AS outcome, a.named, a.reason, a.answered_at,
       w.withdrawn_at
  FROM asked_resolutions AS a LEFT JOIN withdrawn_resolutions AS w ON w.asked_event_id = a.event_id
 WHERE a.break_id = %(break_id)s ORDER BY a.told_at, a.event_id
"""
SECONDS_PER_DAY: Final = 86_400


class StoredBreaks:
    """Breaks of one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def locked(self, break_id: str) -> StoredBreak | None:
        """The break, locked; if it is about which file holds, nobody asks for a file of its source meanwhile."""
        share_turns(self._connection, [break_id])
        rows = self._connection.exec_driver_sql(
            f"{_SELECT} WHERE break_id = %(break_id)s FOR UPDATE", {"break_id": break_id}
        ).mappings()
        return next((stored_break(row) for row in rows), None)

    def decide(self, break_id: str, decided: Decided) -> None:
        """Add it to the history first: that is written from what stood before."""
        values: dict[str, Any] = asdict(decided) | {"break_id": break_id, "now": self._now}
        self._connection.exec_driver_sql(_REMEMBER, values)
        self._connection.exec_driver_sql(_DECIDE, values)

    def assign(self, break_id: str, assigned: Assigned) -> None:
        """Write whose it is; when it changed last, a proposal is named by, and that stays."""
        values: dict[str, Any] = asdict(assigned) | {"break_id": break_id, "now": self._now}
        self._connection.exec_driver_sql(_ASSIGN, values)
        self._connection.exec_driver_sql(_ASSIGNED, values)


def one_break(connection: sa.Connection, now: datetime, break_id: str) -> dict[str, Any] | None:
    """A break with the adjustment that it waits or was approved for, what was asked, whose it was, and its history."""
    values = {"break_id": break_id}
    found = connection.exec_driver_sql(f"{_SELECT} WHERE break_id = %(break_id)s", values).mappings().first()
    if found is None:
        return None
    history = [dict(row) for row in connection.exec_driver_sql(_HISTORY, values).mappings()]
    asked = connection.exec_driver_sql(_ADJUSTMENT, values).mappings().first()
    adjustment = None if asked is None else dict(asked)
    told = [dict(row) for row in connection.exec_driver_sql(_ASKED, values).mappings()]
    assigned = [dict(row) for row in connection.exec_driver_sql(_ASSIGNMENTS, values).mappings()]
    more = {"adjustment": adjustment, "asked": told, "assignments": assigned, "history": history}
    return shown(stored_break(found), now) | more


def shown(stored: StoredBreak, now: datetime) -> dict[str, Any]:
    """As operators see it: with its age, the usual cause, and what to do."""
    advice = ADVICE[BreakType(stored.type)]
    age = {"age_days": int((now - stored.since).total_seconds() // SECONDS_PER_DAY)}
    advised = {"suggested_cause": advice.cause, "suggested_fix": advice.fix}
    return asdict(stored) | {"proposal": stored.proposal} | age | advised


def stored_break(row: Mapping[Any, Any]) -> StoredBreak:
    """A row with the columns ``BREAK``, and ``waits_for_file`` where it was asked for."""
    return StoredBreak(**{**row, "state": BreakState(row["state"])})
