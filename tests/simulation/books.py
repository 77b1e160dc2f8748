"""What the books must come to where no report settles anything: the merchant's money that is not available yet."""

from tools.auditor.model import Check, Moment

CHECKS = (
    Check(
        "I3.pending_equals_captures",
        "what is pending for the merchant of every payment is what was captured less its fees, and nothing else",
        Moment.QUIESCENT,
        "SELECT count(*) FROM payments WHERE captured > 0",
        """
        SELECT payment_id, sum(ours) AS payment_pending, sum(booked) AS ledger_pending FROM (
            SELECT payment_id, captured - fee_total AS ours, 0 AS booked FROM payments
            UNION ALL SELECT payment_id, 0, -net FROM booked WHERE family = 'merchant_pending'
        ) GROUP BY payment_id HAVING sum(ours) <> sum(booked)
        """,
    ),
)
