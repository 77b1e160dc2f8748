"""Checks of manual journals: each was proposed by one person, approved by another, and booked as it was proposed."""

from __future__ import annotations

from typing import Final

from tools.auditor.model import Check, Moment

_MANUAL: Final = "j.rule GLOB 'adjustment:*'"
_PAIR: Final = """
    SELECT j.journal_id, j.rule, a.adjustment_id, a.state, j.amount AS booked, a.amount AS proposed, a.proposed_by,
           a.decided_by
"""
#: Older than what is still in the outbox of the ledger: the archive files speak for it.
_ARCHIVED: Final = (
    "EXISTS (SELECT 1 FROM dropped_days d WHERE d.service = 'ledger' AND d.day >= date({day}, '-1 day'))"
)

CHECKS: Final = (
    Check(
        "I3.manual_journals_as_approved",
        "every manual journal is what an approved adjustment says, and every approved adjustment has its journal",
        Moment.LIVE,
        "SELECT count(*) FROM adjustments WHERE state = 'APPROVED'",
        f"""
        {_PAIR} FROM journals j LEFT JOIN adjustments a ON a.journal_id = j.journal_id
        LEFT JOIN adjustments o ON o.adjustment_id = a.reverses LEFT JOIN journals oj ON oj.journal_id = o.journal_id
        WHERE {_MANUAL} AND (a.state IS NOT 'APPROVED' OR j.amount <> a.amount OR j.currency <> a.currency
          OR j.rule <> 'adjustment:' || a.template || CASE WHEN a.reverses IS NULL THEN '' ELSE '_reversed' END
          OR j.fact_key <> coalesce(a.reverses, a.adjustment_id) OR j.payment_id IS NOT NULL
          OR o.state IS NOT CASE WHEN a.reverses IS NOT NULL THEN 'APPROVED' END OR j.reverses IS NOT oj.position
          OR (SELECT sum(max(e.net, 0)) FROM entries e WHERE e.position = j.position) IS NOT a.amount
          OR EXISTS (SELECT 1 FROM entries e WHERE e.position = j.position AND (e.currency <> a.currency
             OR e.clearing_key IS NOT NULL AND e.clearing_key IS NOT a.clearing_key
             OR e.family = 'merchant_available' AND e.owner IS NOT a.merchant_id)))
        UNION ALL
        {_PAIR} FROM adjustments a LEFT JOIN journals j ON j.journal_id = a.journal_id
        WHERE a.state = 'APPROVED' AND (j.position IS NULL OR NOT {_MANUAL})
        """,
    ),
    Check(
        "I3.manual_journals_by_two",
        "what caused a manual journal is its approval, by somebody else than proposed it; both acts were told",
        Moment.LIVE,
        f"SELECT count(*) FROM journals j WHERE {_MANUAL}",
        f"""
        SELECT j.journal_id, j.rule, a.adjustment_id, a.proposed_by, a.decided_by, j.cause_event_id,
               p.actor AS told_proposed_by, d.action AS cause_found, d.actor AS told_decided_by
        FROM journals j LEFT JOIN adjustments a ON a.journal_id = j.journal_id
        LEFT JOIN operator_acts d ON d.event_id = j.cause_event_id
        LEFT JOIN operator_acts p ON p.target = a.adjustment_id AND p.action = 'adjustment_proposed'
        WHERE {_MANUAL} AND (j.cause_event_type IS NOT 'OperatorActed.v1' OR a.proposed_by IS a.decided_by
          OR NOT {_ARCHIVED.format(day="j.day")} AND (d.action IS NOT 'adjustment_approved'
             OR d.target IS NOT a.adjustment_id OR d.actor IS NOT a.decided_by)
          OR NOT {_ARCHIVED.format(day="a.day")} AND p.actor IS NOT a.proposed_by)
        """,
    ),
)
