"""Charges astray that two people decided to give back: which one a break is about, and payment told of it, once."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from schemas.generated import StrayReturnProposedV1, StrayReturnWithdrawnV1
from services.reconciliation.adapters.publishing import TOPIC
from services.reconciliation.app.propose_return import AstrayCharge
from services.reconciliation.app.resolve_break import StoredBreak
from shared.persistence.outbox import Outbox

# Its payment is the one that knows it as a stray, else the one that was told of it. A reading that was announced after
# the proposal nobody proposed: a corrected line may name another charge of the same amount.
_CHARGE: Final = """
SELECT coalesce(i.payment_id, t.payment_id) AS payment_id, s.processor, s.account, l.object_id,
       l.gross_minor AS amount_minor, l.currency, a.announced_at IS NOT NULL AS is_told,
       coalesce(a.announced_at <= (SELECT max(h.at) FROM break_history AS h
                                    WHERE h.break_id = b.break_id AND h.to_state = 'PROPOSED'), false) AS as_proposed
  FROM breaks AS b
  JOIN settlement_lines AS l ON l.source = split_part(b.subject, ':', 2)
   AND l.line_id = substr(b.subject, length('line:' || split_part(b.subject, ':', 2)) + 2) AND l.stands
  LEFT JOIN announced_lines AS a USING (source, line_id, revision)
  JOIN sources AS s USING (source)
  LEFT JOIN claims AS c ON c.source = l.source AND c.line_id = l.line_id
  LEFT JOIN our_items AS i ON i.item_key = c.item_key AND i.kind = 'stray' AND i.object_id = l.object_id
  LEFT JOIN told_objects AS t ON (t.processor, t.account, t.object_id, t.category)
                               = (s.processor, s.account, l.object_id, 'charge')
 WHERE b.break_id = %(break_id)s AND b.type IN ('duplicate_charge', 'stray_capture')
   AND l.category = 'charge' AND l.gross_minor > 0 AND NOT l.withdrawn AND l.object_id IS NOT NULL
   AND coalesce(i.payment_id, t.payment_id) IS NOT NULL
"""
_KEEP: Final = """
INSERT INTO told_returns (event_id, break_id, payment_id, object_id, amount_minor, currency, proposed_by, approved_by,
                          told_at)
VALUES (%(event_id)s, %(break_id)s, %(payment_id)s, %(object_id)s, %(amount_minor)s, %(currency)s, %(proposed_by)s,
        %(approved_by)s, %(now)s)
"""
# A return that payment has under way, or of which nothing was heard: one that is done is a break of its own.
_GONE: Final = """
SELECT t.event_id, t.break_id, t.payment_id
  FROM told_returns AS t JOIN asked_resolutions AS said ON said.event_id = t.event_id
 CROSS JOIN LATERAL (SELECT state FROM breaks WHERE break_id = t.break_id OFFSET 0) AS b
 WHERE b.state = 'SELF_CLOSED' AND coalesce(said.outcome, 'accepted') = 'accepted'
   AND NOT EXISTS (SELECT FROM withdrawn_returns AS w WHERE w.asked_event_id = t.event_id)
 ORDER BY t.event_id
"""
_ASKED_LAST: Final = """
SELECT event_id, break_id, payment_id FROM told_returns WHERE break_id = %(break_id)s ORDER BY told_at DESC LIMIT 1
"""
_WITHDRAWN: Final = """
INSERT INTO withdrawn_returns (asked_event_id, event_id, break_id, payment_id, reason, withdrawn_by, run_id,
                               withdrawn_at)
VALUES (%(asked_event_id)s, %(event_id)s, %(break_id)s, %(payment_id)s, %(reason)s, %(withdrawn_by)s, %(run_id)s,
        %(now)s)
"""
LOST_ITS_GROUND: Final = "what it was to give back is explained otherwise"


class StoredReturns:
    """Returns of one transaction."""

    def __init__(self, connection: sa.Connection, outbox: Outbox, now: datetime) -> None:
        self._connection = connection
        self._outbox = outbox
        self._now = now

    def charge_of(self, break_id: str) -> AstrayCharge | None:
        """The charge that a break is about, as its line stands now."""
        found = self._connection.exec_driver_sql(_CHARGE, {"break_id": break_id}).mappings().first()
        return None if found is None else AstrayCharge(**found)

    def tell(self, stored: StoredBreak, charge: AstrayCharge, reason: str) -> None:
        """Tell payment, on its stream: what was reported of the object is before it."""
        people = {"proposed_by": stored.proposed_by or "", "approved_by": stored.approved_by or ""}
        said = StrayReturnProposedV1(
            break_id=stored.break_id,
            payment_id=charge.payment_id,
            processor=charge.processor,
            account=charge.account,
            object_id=charge.object_id,
            amount_minor=charge.amount_minor,
            currency=charge.currency,
            reason=reason,
            approved_at=self._now,
            **people,
        )
        event_id = self._outbox.append(TOPIC, said, key=charge.payment_id, cause_id=stored.break_id)
        values = {
            "event_id": event_id,
            "break_id": stored.break_id,
            "payment_id": charge.payment_id,
            "object_id": charge.object_id,
            "amount_minor": charge.amount_minor,
            "currency": charge.currency,
            "now": self._now,
        }
        self._connection.exec_driver_sql(_KEEP, values | people)

    def withdraw(self, break_id: str, reason: str, actor: str) -> None:
        """Tell payment that what was told last about this break is wanted no more."""
        asked = self._connection.exec_driver_sql(_ASKED_LAST, {"break_id": break_id}).one()
        self._withdraw(asked, reason, withdrawn_by=actor)

    def withdraw_gone(self, run_id: str) -> int:
        """Tell payment of each return whose break is gone; how many."""
        gone = self._connection.exec_driver_sql(_GONE).all()
        for asked in gone:
            self._withdraw(asked, LOST_ITS_GROUND, run_id=run_id)
        return len(gone)

    def _withdraw(
        self,
        asked: sa.Row[Any],
        reason: str,
        *,
        withdrawn_by: str | None = None,
        run_id: str | None = None,
    ) -> None:
        """On the stream of the proposal, and so after it."""
        asked_event_id, break_id, payment_id = asked.event_id, asked.break_id, asked.payment_id
        said = StrayReturnWithdrawnV1(
            break_id=break_id,
            payment_id=payment_id,
            proposal_event_id=asked_event_id,
            reason=reason,
            withdrawn_by=withdrawn_by,
            withdrawn_at=self._now,
        )
        values = {
            "asked_event_id": asked_event_id,
            "event_id": self._outbox.append(TOPIC, said, key=payment_id, cause_id=run_id or break_id),
            "break_id": break_id,
            "payment_id": payment_id,
            "reason": reason,
            "withdrawn_by": withdrawn_by,
            "run_id": run_id,
            "now": self._now,
        }
        self._connection.exec_driver_sql(_WITHDRAWN, values)
