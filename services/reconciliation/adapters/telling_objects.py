"""Tells payments what lines prove of objects that they hold in doubt, hold otherwise, or do not know: each once.

It starts from breaks: what matched is known, and of everything else a run has made one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from schemas.generated import ObjectReportedV1
from services.reconciliation.adapters.matching import TRY_TURN
from services.reconciliation.adapters.publishing import TOPIC
from services.reconciliation.domain.evidence import PROOFS, digest_of
from services.reconciliation.domain.lines import LineCategory
from services.reconciliation.domain.matching import Rule
from shared.persistence.outbox import Outbox

BATCH_MAX: Final = 200

# The line alone names its object, or one doubt of ours by our operation; and one payment alone fits all that it names.
_UNTOLD: Final = f"""
SELECT l.source, l.line_id, l.revision, s.processor, s.account, l.category, l.object_id, l.parent_object_id,
       CASE WHEN l.our_reference ~ '^op_[0-9a-z]{{{{26}}}}$' THEN l.our_reference END AS operation_id, l.currency,
       l.gross_minor, l.occurred_at, ours.payment_id
  FROM breaks AS b
  JOIN settlement_lines AS l ON l.source = split_part(b.subject, ':', 2)
   AND l.line_id = substr(b.subject, length('line:' || split_part(b.subject, ':', 2)) + 2) AND l.stands
  JOIN announced_lines AS a USING (source, line_id, revision)
  JOIN sources AS s USING (source)
  LEFT JOIN claims AS c ON c.source = l.source AND c.line_id = l.line_id
 CROSS JOIN LATERAL (
    SELECT min(payment_id) AS payment_id FROM (
        SELECT payment_id, processor, account FROM our_items WHERE operation_id = l.our_reference
        UNION ALL SELECT payment_id, processor, account FROM our_items WHERE payment_id = l.our_reference
        UNION ALL SELECT payment_id, processor, account FROM our_items
         WHERE object_id IN (l.object_id, l.parent_object_id)
        UNION ALL SELECT payment_id, s.processor, s.account FROM given_up WHERE name = l.our_reference) AS named
     WHERE (processor, account) = (s.processor, s.account)
    HAVING count(DISTINCT payment_id) = 1) AS ours
 WHERE b.state IN ('OPEN', 'DEFERRED', 'PROPOSED') AND b.subject LIKE 'line:%%'
   AND a.announced_at <= %(before)s
   AND (l.category, sign(l.gross_minor)) IN ({{proofs}})
   AND l.object_id IS NOT NULL AND NOT l.withdrawn
   AND (c.match_id IS NULL OR c.rule = '{Rule.IN_DOUBT.value}')
   AND NOT EXISTS (SELECT FROM settlement_lines AS other
                    WHERE other.object_id = l.object_id AND other.stands AND NOT other.withdrawn
                      AND other.category = l.category AND (other.source, other.line_id) <> (l.source, l.line_id)
                      AND other.source = l.source)
   AND NOT EXISTS (SELECT FROM told_objects AS t
                    WHERE (t.processor, t.account, t.object_id, t.category)
                        = (s.processor, s.account, l.object_id, l.category))
 ORDER BY l.occurred_at, l.source, l.line_id LIMIT %(limit)s
""".format(proofs=", ".join(f"('{category.value}', {proof.sign})" for category, proof in PROOFS.items()))
_KEEP: Final = """
INSERT INTO told_objects (processor, account, object_id, category, payment_id, source, line_id, revision, event_id,
                          told_at)
VALUES (%(processor)s, %(account)s, %(object_id)s, %(category)s, %(payment_id)s, %(source)s, %(line_id)s,
        %(revision)s, %(event_id)s, %(now)s)
"""


class ObjectTeller:
    """Tells in one transaction; takes turns with runs, so that no match changes meanwhile."""

    def __init__(self, connection: sa.Connection, outbox: Outbox, now: datetime) -> None:
        self._connection = connection
        self._outbox = outbox
        self._now = now

    def tell(self, after: timedelta) -> bool:
        """Tell a batch of what has stood alone so long; true where there may be more. Not while a run is at work.

        Facts on their way to us say it themselves meanwhile.
        """
        if not self._connection.exec_driver_sql(TRY_TURN).scalar_one():
            return False
        values = {"before": self._now - after, "limit": BATCH_MAX}
        lines = list(self._connection.exec_driver_sql(_UNTOLD, values).mappings())
        if lines:
            rows = [dict(line) | {"event_id": self._said(line), "now": self._now} for line in lines]
            self._connection.exec_driver_sql(_KEEP, rows)
        return len(lines) == BATCH_MAX

    def _said(self, line: Any) -> str:
        proof = PROOFS[LineCategory(line["category"])]
        said = ObjectReportedV1(
            payment_id=line["payment_id"],
            source=line["source"],
            line_id=line["line_id"],
            revision=line["revision"],
            processor=line["processor"],
            account=line["account"],
            object_type=proof.object_type,  # type: ignore[arg-type]  # the table's words are the contract's
            object_id=line["object_id"],
            status=proof.status,  # type: ignore[arg-type]
            amount_minor=abs(line["gross_minor"]),
            currency=line["currency"],
            operation_id=line["operation_id"],
            parent_object_id=line["parent_object_id"],
            effective_at=line["occurred_at"],
            digest=digest_of(proof, line),
        )
        cause_id = f"{line['source']}:{line['line_id']}:{line['revision']}"
        return self._outbox.append(TOPIC, said, key=line["payment_id"], cause_id=cause_id)
