"""Many breaks at once: selected and locked in one order, decided with one statement each for table and history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import orjson
import sqlalchemy as sa

from services.reconciliation.adapters.breaks import SHOWN, StoredBreaks, stored_break
from services.reconciliation.adapters.preferences import share_turns
from services.reconciliation.app.assign_break import Assigned
from services.reconciliation.app.bulk_breaks import Selection
from services.reconciliation.app.resolve_break import Decided, StoredBreak

_SELECTED: Final = f"""
SELECT {SHOWN} FROM breaks
 WHERE CASE WHEN %(named)s THEN break_id = ANY(%(break_ids)s) ELSE state = %(state)s END
   AND (%(kind)s::text IS NULL OR type = %(kind)s) AND (%(currency)s::text IS NULL OR currency = %(currency)s)
   AND (%(at_risk_max_minor)s::bigint IS NULL OR at_risk_minor <= %(at_risk_max_minor)s)
 ORDER BY break_id LIMIT %(limit)s
"""
_ROWS: Final = """jsonb_to_recordset(%(rows)s::jsonb) AS r(
    break_id text, state text, trigger text, actor text, reason text, owner text, due_on date, resolution text,
    proposed_by text, approved_by text)"""
_REMEMBER: Final = f"""
INSERT INTO break_history (break_id, trigger, from_state, to_state, type, currency, ours_minor, theirs_minor,
                           at_risk_minor, actor, reason, at)
SELECT break_id, r.trigger, b.state, r.state, b.type, b.currency, b.ours_minor, b.theirs_minor, b.at_risk_minor,
       r.actor, r.reason, %(now)s FROM breaks AS b JOIN {_ROWS} USING (break_id) ORDER BY break_id
"""
_DECIDE: Final = f"""
UPDATE breaks AS b SET state = r.state, owner = r.owner, due_on = r.due_on, resolution = r.resolution,
       proposed_by = r.proposed_by, approved_by = r.approved_by, changed_at = %(now)s
  FROM {_ROWS} WHERE b.break_id = r.break_id
"""
_ASSIGN: Final = """
WITH r AS (SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(
    break_id text, owner text, assigned_by text, reason text)),
said AS (
    INSERT INTO break_assignments (break_id, owner, assigned_by, reason, at)
    SELECT break_id, owner, assigned_by, reason, %(now)s FROM r ORDER BY break_id)
UPDATE breaks AS b SET owner = r.owner FROM r WHERE b.break_id = r.break_id
"""


class StoredManyBreaks(StoredBreaks):
    """Breaks of one transaction, one or many at once."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        super().__init__(connection, now)
        self._many = connection

    def selected(
        self, selection: Selection, state: str, *, limit: int, locked: bool
    ) -> Sequence[StoredBreak]:
        """Breaks by id, at most ``limit``; ``locked`` in that order, so that two acts wait for each other."""
        values: dict[str, Any] = asdict(selection) | {
            "named": bool(selection.break_ids),
            "break_ids": list(selection.break_ids),
            "state": state,
            "limit": limit,
        }
        if locked:
            seen = self._many.exec_driver_sql(_SELECTED, values).mappings()
            share_turns(self._many, [row["break_id"] for row in seen])
        rows = self._many.exec_driver_sql(f"{_SELECTED}{' FOR UPDATE' if locked else ''}", values)
        return [stored_break(row) for row in rows.mappings()]

    def decide_all(self, decided: Sequence[tuple[str, Decided]]) -> None:
        """Add them to the history first: that is written from what stood before."""
        rows = [asdict(each) | {"break_id": break_id} for break_id, each in decided]
        values = {"rows": orjson.dumps(rows).decode(), "now": self._now}
        self._many.exec_driver_sql(_REMEMBER, values)
        self._many.exec_driver_sql(_DECIDE, values)

    def assign_all(self, assigned: Sequence[tuple[str, Assigned]]) -> None:
        """Write whose they are."""
        rows = [asdict(each) | {"break_id": break_id} for break_id, each in assigned]
        self._many.exec_driver_sql(_ASSIGN, {"rows": orjson.dumps(rows).decode(), "now": self._now})
