"""Repository of decisions: one per operation and payment version, written together, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
import sqlalchemy as sa

from services.risk.adapters import tables
from services.risk.app.ports import Decision
from shared.persistence.statements import execute

_WRITE: Final = f"""
INSERT INTO decisions ({", ".join(tables.DECISION)})
SELECT {", ".join(tables.DECISION)} FROM jsonb_populate_recordset(NULL::decisions, %(rows)s::jsonb)
ON CONFLICT DO NOTHING RETURNING decision_id
"""


class StoredDecisions:
    """Decisions of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._added: list[Decision] = []

    def add(self, decision: Decision) -> None:
        """Write it at flush."""
        self._added.append(decision)

    def flush(self) -> Sequence[Decision]:
        """Write what was added; return what was not decided before, so that it can be announced."""
        added, self._added = self._added, []
        if not added:
            return []
        rows = [_row(decision) for decision in added]
        written = execute(self._connection, _WRITE, {"rows": orjson.dumps(rows).decode()}).rows
        new = {row[0] for row in written}
        return [decision for decision in added if decision.decision_id in new]


def _row(decision: Decision) -> dict[str, Any]:
    attempt, judgement = decision.attempt, decision.judgement
    return {
        "decision_id": decision.decision_id,
        "operation_id": attempt.operation_id,
        "payment_id": attempt.payment_id,
        "merchant_id": attempt.merchant_id,
        "payment_version": attempt.payment_version,
        "operation_type": attempt.operation_type,
        "amount_minor": attempt.amount_minor,
        "currency": attempt.currency,
        "rule_set_version": judgement.rule_set_version,
        "decision": judgement.verdict,
        "reasons": judgement.reasons,
        "cause_event_id": decision.cause_event_id,
        "decided_at": decision.decided_at,
    }
