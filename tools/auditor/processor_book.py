"""Checks against the processor's own book, which our code cannot write: sums, single effects, objects, attempts."""

from __future__ import annotations

from typing import Final

from tools.auditor.model import Check, Moment

CHECKS: Final = (
    Check(
        "I4.book_equals_payments",
        "the processor's book has captured and refunded of every payment as ours, strays counted, per currency",
        Moment.QUIESCENT,
        "SELECT count(*) FROM payments",
        """
        SELECT payment_id, currency, sum(our_captured) AS our_captured, sum(book_captured) AS book_captured,
               sum(our_refunded) AS our_refunded, sum(book_refunded) AS book_refunded
        FROM (
            SELECT payment_id, currency, captured AS our_captured, 0 AS book_captured, refunded AS our_refunded,
                   0 AS book_refunded FROM payments
            UNION ALL
            SELECT payment_id, currency, amount, 0, returned, 0 FROM strays
            WHERE kind = 'money' AND NOT accepted
            UNION ALL
            SELECT payment_id, currency, 0, 0, amount, 0 FROM strays WHERE kind = 'refund' AND NOT released
            UNION ALL
            SELECT payment_id, currency, 0, captured, 0, refunded FROM book
        ) GROUP BY payment_id, currency
        HAVING sum(our_captured) <> sum(book_captured) OR sum(our_refunded) <> sum(book_refunded)
        """,
    ),
    Check(
        "I4.holds_equal",
        "what the processor still holds for a payment is what we say is capturable, stray holds counted",
        Moment.QUIESCENT,
        "SELECT count(*) FROM payments",
        """
        SELECT payment_id, currency, sum(ours) AS our_held, sum(theirs) AS book_held FROM (
            SELECT payment_id, currency, capturable AS ours, 0 AS theirs FROM payments
            UNION ALL
            SELECT s.payment_id, s.currency, s.amount - s.taken_back, 0 FROM strays s
            WHERE s.kind = 'hold' AND NOT s.released
            UNION ALL
            SELECT payment_id, currency, 0, held FROM book
        ) GROUP BY payment_id, currency HAVING sum(ours) <> sum(theirs)
        """,
    ),
    Check(
        "I4.objects_equal",
        "every object at the processor is known to its payment with the same status, amount and currency",
        Moment.QUIESCENT,
        "SELECT count(*) FROM book_objects",
        """
        SELECT b.id AS object_id, b.kind, b.payment_id, b.status, o.status AS our_status, b.amount,
               o.amount AS our_amount, b.currency, o.currency AS our_currency, o.payment_id AS our_payment
        FROM book_objects b LEFT JOIN objects o ON o.object_id = b.id
        WHERE o.object_id IS NULL OR o.status <> b.status OR o.amount <> b.amount OR o.currency <> b.currency
           OR o.object_type <> b.kind OR (b.payment_id IS NOT NULL AND o.payment_id <> b.payment_id)
        UNION ALL
        SELECT o.object_id, o.object_type, o.payment_id, NULL, o.status, NULL, o.amount, NULL, o.currency, o.payment_id
        FROM objects o LEFT JOIN book_objects b ON b.id = o.object_id WHERE b.id IS NULL
        """,
    ),
    Check(
        "I4.operations_took_effect",
        "a succeeded operation took effect at the processor once with its amount; a dead one did not, or is a stray",
        Moment.QUIESCENT,
        "SELECT count(*) FROM operations",
        """
        SELECT o.operation_id, o.payment_id, o.type, o.state, o.amount, coalesce(sum(b.captured), 0) AS captured,
               coalesce(sum(b.refunded), 0) AS refunded, coalesce(sum(b.authorizations), 0) AS authorizations
        FROM operations o LEFT JOIN book_references b ON b.reference = o.operation_id
        WHERE o.type NOT IN ('cancel', 'stray_void', 'dispute_evidence', 'dispute_accept')
          AND o.state IN ('SUCCEEDED', 'DECLINED', 'ABANDONED', 'FAILED_LATER')
        GROUP BY o.operation_id
        HAVING CASE
            -- A capture that failed later is taken back beside what was captured, not from it.
            WHEN o.state IN ('SUCCEEDED', 'FAILED_LATER') AND o.takes_money
                THEN coalesce(sum(b.captured), 0) <> o.amount
            WHEN o.state = 'SUCCEEDED' AND o.type IN ('refund', 'stray_return')
                THEN coalesce(sum(b.refunded), 0) <> o.amount
            WHEN o.state = 'SUCCEEDED' THEN coalesce(sum(b.authorizations), 0) <> 1
            -- Where the processor echoed another reference, only its own book tells whose the object is.
            ELSE coalesce(sum(b.captured), 0) + coalesce(sum(b.refunded), 0) > 0 AND NOT EXISTS (
                SELECT 1 FROM objects t WHERE t.role IN ('stray', 'adopted') AND (t.operation_id = o.operation_id
                  OR t.object_id IN (SELECT id FROM book_objects WHERE reference = o.operation_id)))
              AND NOT EXISTS (
                SELECT 1 FROM objects t JOIN refunds r ON r.payment_id = t.payment_id AND r.adopted
                WHERE t.payment_id = o.payment_id AND o.type = 'refund') END
        """,
    ),
    Check(
        "I5.one_effect_per_reference",
        "whatever was retried, one reference of ours took effect at most once at the processor",
        Moment.LIVE,
        "SELECT count(*) FROM book_references",
        """
        SELECT reference, payment_id, authorizations, charges, refunds, captured, refunded FROM book_references
        WHERE authorizations > 1 OR charges > 1 OR refunds > 1
        """,
    ),
    Check(
        "I5.one_key_per_call",
        "whatever was retried, an operation's call came to the processor under the operation's own key alone",
        Moment.LIVE,
        "SELECT count(*) FROM book_keys",
        """
        SELECT k.reference, k.payment_id, k.kind, k.sent_under FROM book_keys k
        JOIN operations o ON o.operation_id = k.reference
        WHERE k.sent_under <> k.reference
        """,
    ),
    Check(
        "I5.processor_limits",
        "at the processor captured stays within authorized and refunded within captured",
        Moment.LIVE,
        "SELECT count(*) FROM book_objects",
        """
        SELECT payment_id, id, 'object' AS what, amount, captured + released AS taken, refunded FROM book_objects
        WHERE captured + released > amount OR refunded > amount
        UNION ALL
        SELECT payment_id, currency, 'payment', captured, held, refunded FROM book
        WHERE refunded > captured OR held < 0 OR captured < 0 OR refunded < 0
        """,
    ),
    Check(
        "I5.references_are_ours",
        "every effect at the processor names an operation that payment had committed before, of the same payment",
        Moment.LIVE,
        "SELECT count(*) FROM book_references",
        """
        SELECT b.reference, b.payment_id, o.payment_id AS our_payment, b.captured, b.refunded
        FROM book_references b LEFT JOIN operations o ON o.operation_id = b.reference
        WHERE o.operation_id IS NULL OR o.payment_id IS NOT b.payment_id
        """,
    ),
    Check(
        "I5.attempts_were_asked_for",
        "every attempt carries out exactly what a command of payment asked for",
        Moment.LIVE,
        "SELECT count(*) FROM attempts",
        """
        SELECT a.operation_id, a.payment_id, a.kind, c.kind AS asked, a.amount, c.amount AS asked_amount
        FROM attempts a LEFT JOIN commands c ON c.operation_id = a.operation_id
        WHERE (c.operation_id IS NULL AND NOT EXISTS (SELECT 1 FROM dropped_days d WHERE d.service = 'payment'))
           OR a.kind <> c.kind OR a.amount IS NOT c.amount OR a.currency IS NOT c.currency
           OR a.payment_id <> c.payment_id
        """,
    ),
    Check(
        "I6.commands_have_closed_attempts",
        "every command has exactly one attempt, and it is closed",
        Moment.QUIESCENT,
        "SELECT count(*) FROM commands",
        """
        SELECT c.operation_id, c.payment_id, c.kind, count(DISTINCT c.event_id) AS commands,
               count(DISTINCT a.operation_id) AS attempts, max(a.state) AS state
        FROM commands c LEFT JOIN attempts a ON a.operation_id = c.operation_id
        LEFT JOIN operations o ON o.operation_id = c.operation_id
        GROUP BY c.operation_id
        HAVING count(DISTINCT c.event_id) <> 1 OR count(DISTINCT a.operation_id) <> 1
            OR (max(a.state) <> 'closed' AND max(o.state) IS NOT 'IN_REVIEW')
        """,
    ),
)
