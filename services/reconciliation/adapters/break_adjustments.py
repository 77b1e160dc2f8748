"""Adjustments that operators ask the ledger for: kept as proposed, told as approved."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import orjson
import sqlalchemy as sa

from schemas.generated import AdjustmentProposedV1, AdjustmentWithdrawnV1
from services.reconciliation.adapters.publishing import TOPIC
from services.reconciliation.app.propose_adjustment import WantedAdjustment
from services.reconciliation.app.resolve_break import StoredBreak
from shared.persistence.outbox import Outbox

_KEEP: Final = """
INSERT INTO break_adjustments (break_id, proposed_at, proposed_by, template, parameters, amount_minor, currency)
VALUES (%(break_id)s, %(now)s, %(proposed_by)s, %(template)s, %(parameters)s::jsonb, %(amount_minor)s, %(currency)s)
"""
_LAST: Final = """
SELECT proposed_at, template, parameters, amount_minor, currency FROM break_adjustments
 WHERE break_id = %(break_id)s ORDER BY proposed_at DESC LIMIT 1
"""
_ASKED: Final = """
SELECT coalesce(sum(a.amount_minor), 0)::bigint FROM told_adjustments AS t
  JOIN break_adjustments AS a USING (break_id, proposed_at)
  JOIN asked_resolutions AS said ON said.event_id = t.event_id
 WHERE t.break_id = %(break_id)s AND a.currency = %(currency)s AND said.outcome IS DISTINCT FROM 'refused'
"""
_TOLD: Final = """
INSERT INTO told_adjustments (event_id, break_id, proposed_at, approved_by, told_at)
VALUES (%(event_id)s, %(break_id)s, %(proposed_at)s, %(approved_by)s, %(now)s)
"""
# A wish that waits, or of which nothing was heard: one that is answered to be booked is a break of its own.
_GONE: Final = """
SELECT t.event_id, t.break_id FROM told_adjustments AS t JOIN asked_resolutions AS said ON said.event_id = t.event_id
 CROSS JOIN LATERAL (SELECT state FROM breaks WHERE break_id = t.break_id OFFSET 0) AS b
 WHERE b.state = 'SELF_CLOSED' AND coalesce(said.outcome, 'accepted') = 'accepted'
   AND NOT EXISTS (SELECT FROM withdrawn_adjustments AS w WHERE w.asked_event_id = t.event_id)
 ORDER BY t.event_id
"""
_ASKED_LAST: Final = """
SELECT event_id FROM told_adjustments WHERE break_id = %(break_id)s ORDER BY told_at DESC LIMIT 1
"""
_WITHDRAWN: Final = """
INSERT INTO withdrawn_adjustments (asked_event_id, event_id, break_id, reason, withdrawn_by, run_id, withdrawn_at)
VALUES (%(asked_event_id)s, %(event_id)s, %(break_id)s, %(reason)s, %(withdrawn_by)s, %(run_id)s, %(now)s)
"""
WENT_AWAY: Final = "the difference went away by itself"


class StoredBreakAdjustments:
    """Adjustments of one transaction."""

    def __init__(self, connection: sa.Connection, outbox: Outbox, now: datetime) -> None:
        self._connection = connection
        self._outbox = outbox
        self._now = now

    def keep(self, stored: StoredBreak, wanted: WantedAdjustment, amount_minor: int) -> None:
        """Remember what was proposed."""
        values = {
            "break_id": stored.break_id,
            "proposed_by": stored.proposed_by,
            "template": wanted.template,
            "parameters": orjson.dumps(dict(wanted.parameters), option=orjson.OPT_SORT_KEYS).decode(),
            "amount_minor": amount_minor,
            "currency": stored.currency,
            "now": self._now,
        }
        self._connection.exec_driver_sql(_KEEP, values)

    def asked_minor(self, stored: StoredBreak) -> int:
        """What was told to the ledger about this break, and not refused there."""
        values = {"break_id": stored.break_id, "currency": stored.currency}
        return int(self._connection.exec_driver_sql(_ASKED, values).scalar_one())

    def tell(self, stored: StoredBreak, reason: str) -> None:
        """Tell the ledger of the last one that was kept: the one that was approved now."""
        kept = self._connection.exec_driver_sql(_LAST, {"break_id": stored.break_id}).mappings().one()
        said = AdjustmentProposedV1(
            break_id=stored.break_id,
            template=kept["template"],
            amount_minor=kept["amount_minor"],
            currency=kept["currency"],
            reason=reason,
            proposed_by=stored.proposed_by or "",
            approved_by=stored.approved_by or "",
            approved_at=self._now,
            **kept["parameters"],
        )
        event_id = self._outbox.append(TOPIC, said, key=stored.break_id, cause_id=stored.break_id)
        values = {
            "event_id": event_id,
            "break_id": stored.break_id,
            "proposed_at": kept["proposed_at"],
            "approved_by": stored.approved_by,
            "now": self._now,
        }
        self._connection.exec_driver_sql(_TOLD, values)

    def withdraw(self, break_id: str, reason: str, actor: str) -> None:
        """Tell the ledger that what was told last about this break is wanted no more."""
        asked = self._connection.exec_driver_sql(_ASKED_LAST, {"break_id": break_id}).scalar_one()
        self._withdraw(asked, break_id, reason, withdrawn_by=actor)

    def withdraw_gone(self, run_id: str) -> int:
        """Tell the ledger of each wish whose break is gone; how many."""
        gone = self._connection.exec_driver_sql(_GONE).all()
        for asked, break_id in gone:
            self._withdraw(asked, break_id, WENT_AWAY, run_id=run_id)
        return len(gone)

    def _withdraw(
        self,
        asked: str,
        break_id: str,
        reason: str,
        *,
        withdrawn_by: str | None = None,
        run_id: str | None = None,
    ) -> None:
        said = AdjustmentWithdrawnV1(
            break_id=break_id,
            proposal_event_id=asked,
            reason=reason,
            withdrawn_by=withdrawn_by,
            withdrawn_at=self._now,
        )
        values = {
            "asked_event_id": asked,
            "event_id": self._outbox.append(TOPIC, said, key=break_id, cause_id=run_id or break_id),
            "break_id": break_id,
            "reason": reason,
            "withdrawn_by": withdrawn_by,
            "run_id": run_id,
            "now": self._now,
        }
        self._connection.exec_driver_sql(_WITHDRAWN, values)
