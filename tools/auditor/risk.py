"""Checks of risk: decisions pinned to what was asked, made once, told once."""

from __future__ import annotations

from typing import Final

from tools.auditor.model import Check, Moment

CHECKS: Final = (
    Check(
        "I25.one_decision_per_version",
        "an operation is decided at most once per version of its payment, by rules that were in force",
        Moment.LIVE,
        "SELECT count(*) FROM decisions",
        """
        SELECT operation_id, payment_version, count(*) AS decisions, 'decided twice' AS why FROM decisions
        GROUP BY operation_id, payment_version HAVING count(*) > 1
        UNION ALL
        SELECT operation_id, payment_version, rules, 'by rules that were never in force' FROM decisions
        WHERE NOT in_force
        """,
    ),
    Check(
        "I25.decisions_pinned",
        "every decision answers one request of the payment service, for the operation and version that it named",
        Moment.LIVE,
        "SELECT count(*) FROM decisions",
        """
        SELECT d.decision_id, d.operation_id, d.payment_version, a.operation_id AS asked_operation,
               a.payment_version AS asked_version, a.waits
        FROM decisions d LEFT JOIN asked a ON a.event_id = d.cause_event_id
        WHERE (a.event_id IS NULL AND NOT EXISTS (SELECT 1 FROM dropped_days x WHERE x.service = 'payment'))
           OR a.operation_id <> d.operation_id OR a.payment_version <> d.payment_version OR NOT a.waits
        """,
    ),
    Check(
        "I25.decisions_told_once",
        "every decision is told exactly once, as it was made, and nothing is told that was not decided",
        Moment.LIVE,
        "SELECT count(*) FROM told_decisions",
        """
        SELECT d.decision_id, d.decision, count(t.decision_id) AS times, min(t.decision) AS told
        FROM decisions d LEFT JOIN told_decisions t ON t.decision_id = d.decision_id
        GROUP BY d.decision_id
        HAVING (count(t.decision_id) <> 1 AND NOT EXISTS (SELECT 1 FROM dropped_days x WHERE x.service = 'risk'))
            OR min(t.decision) <> d.decision OR min(t.operation_id) <> d.operation_id
            OR min(t.payment_version) <> d.payment_version OR min(t.rules) <> d.rules
        UNION ALL
        SELECT t.decision_id, t.decision, 1, 'never decided' FROM told_decisions t
        WHERE NOT EXISTS (SELECT 1 FROM decisions d WHERE d.decision_id = t.decision_id)
        """,
    ),
    Check(
        "I25.every_question_decided",
        "every operation that waits for risk is decided in the end, once",
        Moment.QUIESCENT,
        "SELECT count(*) FROM asked WHERE waits",
        """
        SELECT a.event_id, a.operation_id, a.payment_version FROM asked a
        WHERE a.waits AND NOT EXISTS (SELECT 1 FROM decisions d
            WHERE d.operation_id = a.operation_id AND d.payment_version = a.payment_version)
        """,
    ),
    Check(
        "I25.nothing_sent_before_allowed",
        "no command went out for an operation that waits for risk or was refused, and none was sent past its wait",
        Moment.LIVE,
        "SELECT count(*) FROM risk_waits",
        """
        SELECT w.operation_id, w.payment_id, w.risk, c.kind AS command FROM risk_waits w
        JOIN commands c ON c.operation_id = w.operation_id AND c.kind IN ('authorize', 'capture')
        WHERE w.risk IN ('WAITING', 'REVIEW', 'BLOCKED', 'WITHDRAWN')
        """,
    ),
    Check(
        "I25.no_wait_past_deadline",
        "nothing waits for risk a minute past its deadline",
        Moment.LIVE,
        "SELECT count(*) FROM risk_waits",
        "SELECT operation_id, payment_id, state FROM risk_waits WHERE overdue",
    ),
    Check(
        "I25.stands_on_its_decision",
        "what payment holds for risk's own word is what risk decided, of that operation and version of its payment",
        Moment.QUIESCENT,
        "SELECT count(*) FROM risk_waits WHERE risk_by = 'risk'",
        """
        SELECT w.operation_id, w.payment_id, w.risk, d.decision FROM risk_waits w
        LEFT JOIN decisions d ON d.operation_id = w.operation_id AND d.payment_version = w.payment_version
        WHERE w.risk_by = 'risk' AND d.decision IS DISTINCT FROM (CASE w.risk
            WHEN 'ALLOWED' THEN 'allow' WHEN 'REVIEW' THEN 'review' ELSE 'block' END)
        """,
    ),
    Check(
        "I25.refused_keeps_nothing",
        "no hold stands that risk refused: it was given back, or a case asks a person; what another method"
        " holds may stand",
        Moment.QUIESCENT,
        "SELECT count(*) FROM risk_waits",
        """
        SELECT w.operation_id, w.payment_id, w.risk, p.status FROM risk_waits w
        JOIN payments p ON p.payment_id = w.payment_id
        JOIN operations o ON o.operation_id = w.operation_id
        WHERE w.risk IN ('BLOCKED', 'DENIED') AND p.status = 'AUTHORIZED'
          AND (o.type <> 'authorize' OR o.state = 'SUCCEEDED')
          AND NOT EXISTS (SELECT 1 FROM cases c WHERE c.payment_id = w.payment_id)
        """,
    ),
)
