"""Checks of strays: none goes out while it is claimed, and none twice without a person hearing of it."""

from __future__ import annotations

from typing import Final

from tools.auditor.model import Check, Moment

CHECKS: Final = (
    Check(
        "I5.claimed_strays_not_returned",
        "no return of a stray was asked for while a dispute claimed it",
        Moment.LIVE,
        "SELECT count(*) FROM operations WHERE type = 'stray_return'",
        """
        WITH told AS (
            SELECT e.event_type, e.kind, e.stray_id, e.operation_id, e.dispute_id, o.version
            FROM events e JOIN outbox o ON o.event_id = e.event_id
            WHERE e.stray_id IS NOT NULL
              AND e.event_type IN ('StrayReturnRequested', 'DisputeOpened', 'DisputeClosed')
        )
        SELECT r.stray_id, r.operation_id, c.dispute_id, c.kind AS claim, c.version AS claimed_at,
               r.version AS asked_at
        FROM told r
        JOIN operations p ON p.operation_id = r.operation_id AND p.type = 'stray_return'
        JOIN told c ON c.stray_id = r.stray_id AND c.version < r.version
                   AND c.event_type IN ('DisputeOpened', 'DisputeClosed') AND c.kind NOT IN ('inquiry', 'won')
        WHERE r.event_type = 'StrayReturnRequested' AND NOT EXISTS (
            SELECT 1 FROM told w WHERE w.dispute_id = c.dispute_id AND w.event_type = 'DisputeClosed'
               AND w.kind = 'won' AND w.version BETWEEN c.version AND r.version)
        """,
    ),
    Check(
        "I5.strays_gone_twice_have_a_case",
        "where more of a stray was given or taken back than it was, a person hears of it",
        Moment.LIVE,
        "SELECT count(*) FROM strays WHERE kind = 'money'",
        """
        SELECT s.stray_id, s.payment_id, s.amount, s.returned, s.reserved, s.taken_back FROM strays s
        WHERE s.kind = 'money' AND s.returned + s.reserved + max(s.taken_back, 0) > s.amount
          AND NOT EXISTS (SELECT 1 FROM cases c WHERE c.payment_id = s.payment_id AND c.reason = 'stray_returned_twice')
        """,
    ),
)
