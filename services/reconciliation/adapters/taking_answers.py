"""What a run makes of the answers that came: waiting breaks are resolved or opened again, with what was said.

A break's state is a function of the last answer to what was asked last, whenever a run looks.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import orjson
import sqlalchemy as sa

from services.reconciliation.domain.break_life import BreakState, Outcome, Trigger, advance, answered

_TAKE: Final = "DELETE FROM touched_breaks RETURNING break_id"
_SAID: Final = """
SELECT b.break_id, b.state, a.outcome, a.named, a.reason,
       coalesce((b.currency, b.at_risk_minor) = (h.currency, h.at_risk_minor), true) AS as_asked
  FROM breaks AS b
 CROSS JOIN LATERAL (SELECT * FROM asked_resolutions AS said WHERE said.break_id = b.break_id
                      ORDER BY said.told_at DESC LIMIT 1) AS a
  LEFT JOIN LATERAL (SELECT currency, at_risk_minor FROM break_history AS said
                      WHERE said.break_id = b.break_id AND said.trigger = 'ask' ORDER BY said.nth DESC LIMIT 1) AS h
         ON true
 WHERE b.break_id = ANY(%(break_ids)s) AND a.outcome IS NOT NULL
   AND (b.state = 'APPLYING' OR (b.state = 'RESOLVED' AND b.resolution IN ('stray_return', 'adjustment')))
 ORDER BY b.break_id FOR NO KEY UPDATE OF b
"""
_ROWS: Final = """jsonb_to_recordset(%(rows)s::jsonb) AS r(
    break_id text, trigger text, from_state text, to_state text, reason text)"""
_REMEMBER: Final = f"""
INSERT INTO break_history (break_id, trigger, from_state, to_state, type, currency, ours_minor, theirs_minor,
                           at_risk_minor, reason, run_id, at)
SELECT break_id, r.trigger, r.from_state, r.to_state, b.type, b.currency, b.ours_minor, b.theirs_minor,
       b.at_risk_minor, r.reason, %(run_id)s, %(now)s FROM {_ROWS} JOIN breaks AS b USING (break_id) ORDER BY break_id
"""
_MOVE: Final = f"""
UPDATE breaks AS b
   SET state = r.to_state, changed_at = %(now)s,
       resolution = CASE WHEN r.to_state = 'OPEN' THEN NULL ELSE b.resolution END,
       proposed_by = CASE WHEN r.to_state = 'OPEN' THEN NULL ELSE b.proposed_by END,
       approved_by = CASE WHEN r.to_state = 'OPEN' THEN NULL ELSE b.approved_by END
  FROM {_ROWS} WHERE b.break_id = r.break_id
"""
#: So many are moved at a time.
BATCH_ROWS: Final = 1_000


class AnswerTaker:
    """Takes answers in the transaction of a run."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self.heard = False
        """Whether anything was answered since the last run, also where no break waits for it."""

    def take(self, run_id: str) -> dict[str, int]:
        """Move every break of which something was heard since the last run; how many, by trigger."""
        touched = sorted(set(self._connection.exec_driver_sql(_TAKE).scalars()))
        self.heard = bool(touched)
        counts: dict[str, int] = {}
        for first in range(0, len(touched), BATCH_ROWS):
            for move in self._take_some(touched[first : first + BATCH_ROWS], run_id):
                counts[move["trigger"]] = counts.get(move["trigger"], 0) + 1
        return counts

    def _take_some(self, break_ids: list[str], run_id: str) -> list[dict[str, Any]]:
        said = self._connection.exec_driver_sql(_SAID, {"break_ids": break_ids}).mappings()
        moves = [move for row in said if (move := _moved(row)) is not None]
        if moves:
            values = {"rows": orjson.dumps(moves).decode(), "run_id": run_id, "now": self._now}
            self._connection.exec_driver_sql(_REMEMBER, values)
            self._connection.exec_driver_sql(_MOVE, values)
        return moves


def _moved(row: sa.RowMapping) -> dict[str, Any] | None:
    state = BreakState(row["state"])
    trigger: Trigger | None = answered(state, Outcome(row["outcome"]), as_asked=row["as_asked"])
    if trigger is None:
        return None
    return {
        "break_id": row["break_id"],
        "trigger": trigger.value,
        "from_state": state.value,
        "to_state": advance(row["break_id"], state, trigger).value,
        "reason": ": ".join(filter(None, (row["named"], row["reason"]))) or None,
    }
