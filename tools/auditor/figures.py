"""Figures beside the verdict: how much was looked at, what was sent twice, what is in doubt; all from the copy."""

from __future__ import annotations

from typing import Final

from tools.auditor.scratch import Scratch

_BY_NAME: Final = {
    "payments by status": "SELECT status, count(*) FROM payments GROUP BY 1 ORDER BY 1",
    "operations by state": "SELECT type || ' ' || state, count(*) FROM operations GROUP BY 1 ORDER BY 1",
    "events in outboxes": "SELECT topic, count(*) FROM outbox GROUP BY 1 ORDER BY 1",
    "events in topics": "SELECT topic, count(DISTINCT event_id) FROM records GROUP BY 1 ORDER BY 1",
    "events in inboxes": "SELECT consumer || ' ' || topic, count(*) FROM inbox GROUP BY 1 ORDER BY 1",
    "duplicates in topics, dropped by inboxes": (
        "SELECT topic, count(*) - count(DISTINCT event_id) AS n FROM records GROUP BY 1 HAVING n > 0 ORDER BY 1"
    ),
    "refused webhooks": "SELECT reason, number FROM refused ORDER BY 1",
    "open cases": "SELECT reason, count(*) FROM cases WHERE NOT closed GROUP BY 1 ORDER BY 1",
    "open breaks": (
        "SELECT type, count(*) FROM breaks WHERE state NOT IN ('RESOLVED', 'SELF_CLOSED') GROUP BY 1 ORDER BY 1"
    ),
    "trial balance (debits less credits)": "SELECT currency, sum(net) FROM entries GROUP BY 1 ORDER BY 1",
    "account families (debits less credits)": (
        "SELECT family || ' ' || currency, sum(net) FROM entries GROUP BY 1 ORDER BY 1"
    ),
    "money in doubt": (
        "SELECT p.currency, sum(o.amount) FROM operations o JOIN payments p ON p.payment_id = o.payment_id"
        " WHERE o.state IN ('UNCERTAIN', 'IN_REVIEW') AND (o.takes_money OR o.type = 'refund') GROUP BY 1 ORDER BY 1"
    ),
    "money astray": (
        "SELECT currency, sum(amount - returned) FROM strays WHERE kind = 'money' AND NOT released"
        " GROUP BY 1 ORDER BY 1"
    ),
}

_SINGLE: Final = {
    "payments": "SELECT count(*) FROM payments",
    "journals": "SELECT count(*) FROM journals",
    "sends to the processor": "SELECT sum(sends) FROM attempts",
    "sends after the first": "SELECT sum(max(sends - 1, 0)) FROM attempts",
    "webhooks stored": "SELECT count(*) FROM deliveries",
    "webhooks received again": "SELECT sum(times_seen - 1) FROM claims",
    "strays": "SELECT count(*) FROM strays",
    "operations in review": "SELECT count(*) FROM operations WHERE state = 'IN_REVIEW'",
    "idempotency keys": "SELECT count(*) FROM keys",
    "records quarantined": "SELECT count(*) FROM quarantined",
    "records parked": "SELECT count(*) FROM parked_records",
}


def figures_of(scratch: Scratch) -> dict[str, object]:
    """Each figure by its name; one per line where it has several parts."""
    found: dict[str, object] = {name: scratch.number(query) for name, query in _SINGLE.items()}
    for name, query in _BY_NAME.items():
        found[name] = {str(part): number for part, number in (row.values() for row in scratch.rows(query))}
    return found
