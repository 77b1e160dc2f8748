"""Checks of what came from outside: accepted webhooks are told once, told facts are kept as evidence."""

from __future__ import annotations

from typing import Final

from tools.auditor.model import Check, Moment

CHECKS: Final = (
    Check(
        "I14.deliveries_told_once",
        "every accepted or unrecognised webhook has exactly one event in the outbox, a quarantined one has none",
        Moment.LIVE,
        "SELECT count(*) FROM deliveries",
        """
        SELECT d.delivery_id, d.processor_event_id, d.verdict, count(e.event_id) AS events, max(e.event_type) AS type
        FROM deliveries d LEFT JOIN webhook_events e ON e.delivery_id = d.delivery_id
        GROUP BY d.delivery_id
        HAVING NOT EXISTS (SELECT 1 FROM dropped_days x WHERE x.service = 'webhook_ingest')
           AND CASE d.verdict
               WHEN 'accepted' THEN count(e.event_id) <> 1 OR max(e.event_type) <> 'WebhookFactReceived.v1'
               WHEN 'unrecognised' THEN count(e.event_id) <> 1 OR max(e.event_type) <> 'WebhookUnrecognised.v1'
               ELSE count(e.event_id) <> 0 END
        UNION ALL
        SELECT e.delivery_id, e.event_id, 'no delivery', 1, e.event_type FROM webhook_events e
        LEFT JOIN deliveries d ON d.delivery_id = e.delivery_id WHERE d.delivery_id IS NULL
        """,
    ),
    Check(
        "I14.acknowledged_is_stored",
        "every webhook that the processor was told to have arrived is stored, and each stored one has its claim",
        Moment.LIVE,
        "SELECT count(*) FROM book_webhooks WHERE state = 'sent'",
        """
        SELECT w.event_id, 'acknowledged, not stored' AS why FROM book_webhooks w
        LEFT JOIN claims c ON c.processor_event_id = w.event_id
        WHERE w.state = 'sent' AND c.processor_event_id IS NULL
        UNION ALL
        SELECT d.processor_event_id, 'stored, not claimed' FROM deliveries d
        LEFT JOIN claims c ON c.processor_event_id = d.processor_event_id WHERE c.processor_event_id IS NULL
        """,
    ),
    Check(
        "I14.told_facts_are_evidence",
        "every webhook fact that payment applied is kept as evidence",
        Moment.LIVE,
        "SELECT count(*) FROM webhook_events WHERE fact_key IS NOT NULL",
        """
        SELECT i.event_id, e.delivery_id, e.fact_key FROM inbox i JOIN webhook_events e ON e.event_id = i.event_id
        WHERE i.consumer = 'payment' AND i.outcome = 'applied' AND e.fact_key IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM evidence v WHERE v.fact_key = e.fact_key)
        """,
    ),
    Check(
        "I14.counted_money_has_evidence",
        "whatever counts in a payment's amounts and was not only implied has the evidence for it",
        Moment.LIVE,
        "SELECT count(*) FROM objects WHERE counted > 0 AND NOT implied",
        """
        SELECT o.object_id, o.payment_id, o.object_type, o.status, o.counted, o.fact_key FROM objects o
        WHERE o.counted > 0 AND NOT o.implied AND NOT EXISTS (
            SELECT 1 FROM evidence v WHERE v.fact_key = o.fact_key AND v.payment_id IS o.payment_id)
        """,
    ),
)
