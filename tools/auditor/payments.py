"""Checks of payments: legal histories, status from amounts, amounts from facts and events, keys, decided operations."""

from __future__ import annotations

from typing import Final

from tools.auditor.model import Check, Moment

#: The legal steps, written down here once more from the design: the auditor believes neither the code nor the table.
OWN_LEGAL: Final[dict[str, dict[str, str]]] = {
    "payment": {
        "CREATED": "REQUIRES_PAYMENT_METHOD AUTHORIZED FAILED CANCELED",
        "REQUIRES_PAYMENT_METHOD": "AUTHORIZED FAILED CANCELED",
        "AUTHORIZED": "CAPTURED CANCELED",
        "CAPTURED": "SETTLED REFUNDED DISPUTED REVERSED",
        "SETTLED": "REFUNDED DISPUTED REVERSED CAPTURED",
        "DISPUTED": "CAPTURED SETTLED REFUNDED REVERSED",
        "REFUNDED": "CAPTURED SETTLED DISPUTED REVERSED",
        "REVERSED": "CAPTURED SETTLED REFUNDED DISPUTED",
    },
    "operation": {
        "REQUESTED": "SENT ABANDONED",
        "SENT": "SUCCEEDED DECLINED PENDING UNCERTAIN ABANDONED",
        "PENDING": "SUCCEEDED DECLINED UNCERTAIN",
        "UNCERTAIN": "SUCCEEDED DECLINED PENDING ABANDONED IN_REVIEW",
        "IN_REVIEW": "SUCCEEDED DECLINED",
        "SUCCEEDED": "FAILED_LATER",
        "DECLINED": "SUCCEEDED",
    },
}


def own_legal_rows() -> list[tuple[str, str, str]]:
    """The same as (subject, from, to)."""
    return [
        (subject, source, target)
        for subject, steps in OWN_LEGAL.items()
        for source, targets in steps.items()
        for target in targets.split()
    ]


def _walk(subject: str, born: str, table: str, key: str, state: str) -> str:
    """Each step starts where the last one ended, is legal, the first is the birth, the last is the state shown."""
    return f"""
        WITH steps AS (
            SELECT h.*, lag(to_state) OVER w AS before, lead(to_state) OVER w IS NULL AS is_last
            FROM history h WHERE h.subject = '{subject}' WINDOW w AS (PARTITION BY subject_id ORDER BY history_id)
        )
        SELECT s.subject_id, s.payment_id, s.history_id, s.before, s.from_state, s.to_state,
               CASE WHEN t.{key} IS NULL THEN 'nobody''s history' WHEN s.from_state IS NOT s.before THEN 'broken chain'
                    WHEN s.before IS NULL THEN 'wrong birth' WHEN l.subject IS NULL THEN 'illegal step'
                    ELSE 'ends elsewhere than ' || t.{state} END AS why
        FROM steps s LEFT JOIN {table} t ON t.{key} = s.subject_id
        LEFT JOIN own_legal l ON l.subject = s.subject AND l.from_state = s.from_state AND l.to_state = s.to_state
        WHERE t.{key} IS NULL OR s.from_state IS NOT s.before OR (s.before IS NULL AND s.to_state <> '{born}')
           OR (s.before IS NOT NULL AND l.subject IS NULL) OR (s.is_last AND s.to_state <> t.{state})
        UNION ALL
        SELECT t.{key}, t.payment_id, NULL, NULL, NULL, t.{state}, 'no history' FROM {table} t
        WHERE NOT EXISTS (SELECT 1 FROM history h WHERE h.subject = '{subject}' AND h.subject_id = t.{key})
    """


_UNDECIDED: Final = "('REQUESTED', 'SENT', 'PENDING', 'UNCERTAIN')"

_DERIVED: Final = """
    CASE WHEN disputed_open > 0 THEN 'DISPUTED'
         WHEN reversed > 0 AND reversed + refunded >= captured THEN 'REVERSED'
         WHEN refunded >= captured THEN 'REFUNDED'
         WHEN settled >= captured AND capturable = 0 THEN 'SETTLED' ELSE 'CAPTURED' END
"""

CHECKS: Final = (
    Check(
        "I6.operations_decided",
        "no operation is left requested (unless risk has put it before a person), sent, pending or uncertain, and no"
        " fact still waits for its payment, unless an operator has dismissed it",
        Moment.QUIESCENT,
        "SELECT count(*) FROM operations",
        f"""
        SELECT payment_id, operation_id, type, state FROM operations WHERE state IN {_UNDECIDED}
           AND operation_id NOT IN (SELECT w.operation_id FROM risk_waits w WHERE w.risk = 'REVIEW')
        UNION ALL SELECT payment_id, waiting_id, 'waiting fact', 'WAITS' FROM waiting
        """,
    ),
    Check(
        "I6.answered_reviews_are_closed",
        "a case that asks a person to decide an operation is open only while the operation is in review",
        Moment.LIVE,
        "SELECT count(*) FROM operations",
        """
        SELECT c.case_id, c.payment_id, c.reason, o.operation_id, o.state FROM cases c
        JOIN operations o ON o.operation_id = c.operation_id
        WHERE NOT c.closed AND c.reason IN ('ladder_exhausted', 'decided_without_proof', 'closed_in_doubt')
          AND o.state <> 'IN_REVIEW'
        """,
    ),
    Check(
        "I11.payment_histories",
        "every payment's history is a walk through the legal table that ends in its status",
        Moment.LIVE,
        "SELECT count(*) FROM history WHERE subject = 'payment'",
        _walk("payment", "CREATED", "payments", "payment_id", "status"),
    ),
    Check(
        "I11.operation_histories",
        "every operation's history is a walk through the legal table that ends in its state",
        Moment.LIVE,
        "SELECT count(*) FROM history WHERE subject = 'operation'",
        _walk("operation", "REQUESTED", "operations", "operation_id", "state"),
    ),
    Check(
        "I11.legal_table",
        "the legal steps stored in the database are those of the design",
        Moment.LIVE,
        "SELECT count(*) FROM own_legal",
        """
        SELECT 'only in the database' AS what, subject, from_state, to_state FROM (
            SELECT * FROM stored_legal WHERE subject <> 'refund' EXCEPT SELECT * FROM own_legal)
        UNION ALL
        SELECT 'missing in the database', subject, from_state, to_state FROM (
            SELECT * FROM own_legal EXCEPT SELECT * FROM stored_legal)
        """,
    ),
    Check(
        "I11.status_follows_amounts",
        "once money is captured the status is what the amounts say; before, nothing is captured or held unseen",
        Moment.LIVE,
        "SELECT count(*) FROM payments",
        f"""
        SELECT payment_id, status, CASE WHEN captured > 0 THEN {_DERIVED} END AS derived, authorized, capturable,
               captured, refunded, disputed_open, reversed, settled
        FROM payments
        WHERE CASE WHEN captured > 0 THEN status <> {_DERIVED}
                   WHEN status = 'AUTHORIZED' THEN authorized = 0
                   WHEN status IN ('CREATED', 'REQUIRES_PAYMENT_METHOD') THEN authorized > 0
                   ELSE status NOT IN ('FAILED', 'CANCELED') END
        """,
    ),
    Check(
        "I5.amounts_in_bounds",
        "captured is within authorized, what is capturable is the rest of a hold that stands, ours refunded fit",
        Moment.LIVE,
        "SELECT count(*) FROM payments",
        """
        SELECT payment_id, status, authorized, capturable, captured, refunded, adopted, reserved, released
        FROM payments p LEFT JOIN (
            SELECT c.payment_id AS of, t.currency AS taken_in, sum(t.amount) AS astray
            FROM objects c JOIN strays t ON t.stray_id = c.stray_id
            WHERE c.object_type = 'capture' AND c.role = 'stray' AND c.parent_id IS NOT NULL
              AND NOT EXISTS (SELECT 1 FROM objects h WHERE h.object_id = c.parent_id AND h.role = 'stray')
            GROUP BY c.payment_id, t.currency
        ) s ON s.of = p.payment_id AND s.taken_in = p.currency
        WHERE captured > authorized OR refunded - adopted + reserved > captured
           OR capturable <> CASE WHEN released OR status IN ('FAILED', 'CANCELED') THEN 0
                                 ELSE max(authorized - captured - coalesce(astray, 0), 0) END
        """,
    ),
    Check(
        "I3.amounts_equal_events",
        "authorized, captured and refunded of every payment are the sums of the events that told them",
        Moment.LIVE,
        "SELECT count(*) FROM payments",
        """
        WITH told AS (
            SELECT payment_id,
                   sum(CASE event_type WHEN 'PaymentAuthorized' THEN amount ELSE 0 END) AS authorized,
                   sum(CASE event_type WHEN 'PaymentCaptured' THEN amount ELSE 0 END) AS captured,
                   sum(CASE WHEN event_type IN ('RefundSucceeded', 'RefundAdopted') THEN amount
                            WHEN event_type = 'RefundFailed' AND was_succeeded THEN -amount ELSE 0 END) AS refunded
            FROM events GROUP BY payment_id
        )
        SELECT p.payment_id, p.status, p.authorized, t.authorized AS told_authorized, p.captured,
               t.captured AS told_captured, p.refunded, t.refunded AS told_refunded
        FROM payments p LEFT JOIN told t ON t.payment_id = p.payment_id
        WHERE (p.authorized <> coalesce(t.authorized, 0) OR p.captured <> coalesce(t.captured, 0)
               OR p.refunded <> coalesce(t.refunded, 0))
          AND NOT EXISTS (SELECT 1 FROM dropped_days d WHERE d.service = 'payment' AND d.day >= date(p.day, '-1 day'))
        """,
    ),
    Check(
        "I3.releases_equal_events",
        "what is told as given back of a hold is what was held and, as told before, neither captured nor astray of it;"
        " it is told once, and of every hold whose end is decided",
        Moment.LIVE,
        "SELECT count(*) FROM payments WHERE released",
        """
        WITH told AS (
            SELECT r.payment_id, r.event_id, r.version, r.amount, sum(CASE
                WHEN e.event_type = 'PaymentAuthorized' THEN e.amount
                WHEN e.event_type = 'PaymentCaptured' OR t.object_id IS NOT NULL THEN -e.amount ELSE 0 END) AS rest
            FROM events r JOIN events e ON e.payment_id = r.payment_id AND e.version < r.version
            LEFT JOIN objects t ON e.event_type = 'StrayFound' AND e.kind = 'money' AND e.currency = r.currency
                AND t.clearing_key = e.object_key AND t.object_type = 'capture' AND t.parent_id IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM objects h WHERE h.object_id = t.parent_id AND h.role = 'stray')
                AND NOT EXISTS (SELECT 1 FROM events a WHERE a.event_type = 'StrayAccepted'
                                AND a.stray_id = e.stray_id AND a.version < r.version)
            WHERE r.event_type = 'HoldReleased' GROUP BY r.event_id
        ), wrong AS (
            SELECT payment_id, amount, rest, 'another amount' AS why FROM told WHERE amount <> rest
            UNION ALL
            SELECT payment_id, sum(amount), max(rest), 'told twice' FROM told GROUP BY payment_id HAVING count(*) > 1
            UNION ALL
            SELECT p.payment_id, NULL, p.authorized - p.captured, 'never told' FROM payments p
            WHERE p.released AND p.authorized > p.captured AND p.payment_id NOT IN (SELECT payment_id FROM told)
              AND NOT EXISTS (SELECT 1 FROM operations o WHERE o.payment_id = p.payment_id AND o.takes_money
                              AND o.state NOT IN ('SUCCEEDED', 'DECLINED', 'ABANDONED', 'FAILED_LATER'))
              AND NOT EXISTS (SELECT 1 FROM objects t WHERE t.payment_id = p.payment_id AND t.role = 'stray'
                              AND t.object_type = 'capture')
        )
        SELECT w.* FROM wrong w JOIN payments p ON p.payment_id = w.payment_id
        WHERE NOT EXISTS (SELECT 1 FROM dropped_days d WHERE d.service = 'payment' AND d.day >= date(p.day, '-1 day'))
        """,
    ),
    Check(
        "I3.amounts_equal_objects",
        "captured, refunded, reserved and stray of every payment are the sums over its objects, refunds and strays",
        Moment.LIVE,
        "SELECT count(*) FROM payments",
        """
        WITH things AS (
            SELECT payment_id,
                   sum(CASE WHEN object_type = 'capture' AND role IN ('counted', 'adopted') THEN counted ELSE 0 END)
                       AS captured,
                   sum(CASE WHEN object_type = 'refund' AND role <> 'stray' THEN counted ELSE 0 END) AS refunded
            FROM objects GROUP BY payment_id
        ), asked AS (
            SELECT payment_id, sum(amount) AS reserved FROM refunds
            WHERE state = 'REQUESTED' AND NOT adopted GROUP BY payment_id
        ), astray AS (
            SELECT s.payment_id, sum(max(s.amount - s.returned - s.taken_back, 0)) AS stray
            FROM strays s JOIN payments p ON p.payment_id = s.payment_id AND p.currency = s.currency
            WHERE s.kind = 'money' AND NOT s.released GROUP BY s.payment_id
        )
        SELECT p.payment_id, p.status, p.captured, t.captured AS objects_captured, p.refunded,
               t.refunded AS objects_refunded, p.reserved, a.reserved AS refunds_reserved, p.stray, s.stray AS strays
        FROM payments p LEFT JOIN things t ON t.payment_id = p.payment_id
        LEFT JOIN asked a ON a.payment_id = p.payment_id LEFT JOIN astray s ON s.payment_id = p.payment_id
        WHERE p.captured <> coalesce(t.captured, 0) OR p.refunded <> coalesce(t.refunded, 0)
           OR p.reserved <> coalesce(a.reserved, 0) OR p.stray <> coalesce(s.stray, 0)
        """,
    ),
    Check(
        "I11.refund_follows_operation",
        "a refund has succeeded or failed exactly as its operation did",
        Moment.LIVE,
        "SELECT count(*) FROM refunds WHERE NOT adopted",
        """
        SELECT r.refund_id, r.payment_id, r.state, o.operation_id, o.state AS operation_state, r.amount,
               o.amount AS operation_amount
        FROM refunds r LEFT JOIN operations o ON o.operation_id = r.operation_id
        WHERE NOT r.adopted AND (o.operation_id IS NULL OR r.amount <> o.amount OR r.state <> CASE
            WHEN o.state = 'SUCCEEDED' THEN 'SUCCEEDED'
            WHEN o.state IN ('DECLINED', 'ABANDONED', 'FAILED_LATER') THEN 'FAILED' ELSE 'REQUESTED' END)
        """,
    ),
    Check(
        "I12.one_key_one_payment",
        "no payment or refund was made by two keys, and every stored success names the one that its key made",
        Moment.LIVE,
        "SELECT count(*) FROM keys",
        """
        SELECT endpoint, resource_id, count(*) AS keys, NULL AS reply_id, 'made by two keys' AS why FROM keys
        WHERE endpoint IN ('POST /payments', 'POST /refunds') AND coalesce(status, 200) < 300
          AND resource_id IS NOT NULL
        GROUP BY endpoint, resource_id HAVING count(*) > 1
        UNION ALL
        SELECT k.endpoint, k.resource_id, 1, k.reply_id, 'nothing of that name' FROM keys k
        WHERE k.state = 'finished' AND k.status < 300 AND k.resource_id IS NOT NULL
          AND k.endpoint LIKE 'POST /payments%'
          AND NOT EXISTS (SELECT 1 FROM payments p WHERE p.payment_id = k.resource_id)
        UNION ALL
        SELECT k.endpoint, k.resource_id, 1, k.reply_id, 'the reply names another' FROM keys k
        WHERE k.state = 'finished' AND k.status < 300 AND k.reply_id <> k.resource_id
        """,
    ),
    Check(
        "I12.sent_again_once_stored",
        "no reply is counted as sent again of a key that has none yet",
        Moment.LIVE,
        "SELECT count(*) FROM keys WHERE sent_again IS NOT NULL",
        "SELECT endpoint, resource_id, state, sent_again FROM keys WHERE state = 'in_flight' AND sent_again > 0",
    ),
    Check(
        "I12.one_operation_per_key",
        "a payment has at most as many authorizes, captures, refunds and answers as requests under a key asked for",
        Moment.LIVE,
        "SELECT count(*) FROM operations WHERE type NOT IN ('cancel', 'stray_return', 'stray_void')",
        """
        WITH asked AS (
            SELECT k.resource_id AS subject, CASE k.endpoint
                WHEN 'POST /payments/{payment_id}/capture' THEN 'capture'
                WHEN 'POST /refunds' THEN 'refund'
                WHEN 'POST /disputes/{dispute_id}/evidence' THEN 'dispute_evidence'
                WHEN 'POST /disputes/{dispute_id}/accept' THEN 'dispute_accept'
                ELSE 'authorize' END AS type, count(*) AS keys
            FROM keys k
            WHERE coalesce(k.status, 200) < 300 AND k.endpoint IN ('POST /payments', 'POST /refunds',
                'POST /payments/{payment_id}/confirm', 'POST /payments/{payment_id}/capture',
                'POST /disputes/{dispute_id}/evidence', 'POST /disputes/{dispute_id}/accept') GROUP BY 1, 2
        ), done AS (
            SELECT CASE type WHEN 'refund' THEN refund_id ELSE coalesce(dispute_id, payment_id) END AS subject, type,
                   min(payment_id) AS payment_id, count(*) AS operations
            FROM operations WHERE type NOT IN ('cancel', 'stray_return', 'stray_void') GROUP BY 1, 2
        )
        SELECT d.payment_id, d.subject, d.type, d.operations, coalesce(a.keys, 0) AS keys
        FROM done d LEFT JOIN asked a ON a.subject = d.subject AND a.type = d.type
        WHERE d.operations > coalesce(a.keys, 0)
        """,
    ),
)
