"""Checks of disputes and reversals: payment, its objects, the books and the processor's book say one thing."""

from __future__ import annotations

from typing import Final

from tools.auditor.model import Check, Moment
from tools.auditor.settlement import CLAIMS

#: Outstanding of a lost dispute, the merchant's alone.
_WRITTEN_OFF: Final = """
    CASE WHEN stray_id IS NULL AND status IN ('lost', 'accepted') THEN max(withdrawn - reinstated, 0) ELSE 0 END
"""
_KEYS: Final = (
    "SELECT clearing_key FROM disputes UNION SELECT clearing_key FROM reversals WHERE cause = 'processor'"
)

CHECKS: Final = (
    Check(
        "I3.taken_back_equals_disputes",
        "disputed and reversed of every payment are the sums over its disputes and reversals, losses in full",
        Moment.LIVE,
        "SELECT count(*) FROM payments",
        f"""
        WITH mine AS (
            SELECT payment_id, CASE WHEN status IN ('opened', 'under_review') THEN amount ELSE 0 END AS open,
                   written_off AS gone, written_off <> {_WRITTEN_OFF} AS wrong
            FROM disputes WHERE stray_id IS NULL
            UNION ALL
            SELECT payment_id, 0, max(taken - given_back, 0), 0 FROM reversals WHERE stray_id IS NULL
        ), sums AS (
            SELECT payment_id, sum(open) AS open, sum(gone) AS gone, max(wrong) AS wrong FROM mine GROUP BY payment_id
        )
        SELECT p.payment_id, p.status, p.disputed_open, s.open AS disputes_open, p.reversed, s.gone AS disputes_gone,
               s.wrong
        FROM payments p LEFT JOIN sums s ON s.payment_id = p.payment_id
        WHERE p.disputed_open <> coalesce(s.open, 0) OR p.reversed <> coalesce(s.gone, 0) OR coalesce(s.wrong, 0)
        """,
    ),
    Check(
        "I5.captures_in_bounds",
        "no capture has given back, promised and lost more than it took, unless a case says that facts did so",
        Moment.LIVE,
        "SELECT count(*) FROM objects WHERE object_type = 'capture' AND role IN ('counted', 'adopted')",
        """
        WITH gone AS (
            SELECT payment_id, capture_id, amount FROM refunds
            WHERE state = 'SUCCEEDED' OR (state = 'REQUESTED' AND NOT adopted)
            UNION ALL
            SELECT payment_id, capture_id,
                   written_off + CASE WHEN status IN ('opened', 'under_review') THEN amount ELSE 0 END
            FROM disputes WHERE stray_id IS NULL
            UNION ALL
            SELECT payment_id, capture_id, max(taken - given_back, 0) FROM reversals WHERE stray_id IS NULL
        )
        SELECT c.payment_id, c.object_id, c.counted, sum(g.amount) AS gone
        FROM objects c JOIN gone g ON g.payment_id = c.payment_id AND g.capture_id = c.object_id
        WHERE c.object_type = 'capture' AND c.role IN ('counted', 'adopted')
          AND NOT EXISTS (SELECT 1 FROM cases k WHERE k.payment_id = c.payment_id
                          AND k.reason = 'refunds_exceed_captured' AND k.subject IN (c.object_id, c.payment_id))
        GROUP BY c.payment_id, c.object_id, c.counted HAVING sum(g.amount) > c.counted
        """,
    ),
    Check(
        "I3.disputes_equal_rows",
        "what was withdrawn, reinstated, taken and given back is the sum of the processor's money rows",
        Moment.LIVE,
        "SELECT count(*) FROM disputes",
        """
        SELECT object_id, payment_id, sum(ours) AS ours, sum(theirs) AS theirs FROM (
            SELECT object_id, payment_id, 'out' AS way, withdrawn AS ours, 0 AS theirs FROM disputes
            UNION ALL SELECT object_id, payment_id, 'back', reinstated, 0 FROM disputes
            UNION ALL SELECT object_id, payment_id, 'out', taken, 0 FROM reversals WHERE cause = 'processor'
            UNION ALL SELECT object_id, payment_id, 'back', given_back, 0 FROM reversals WHERE cause = 'processor'
            UNION ALL
            SELECT parent_id, payment_id, CASE WHEN status IN ('opened', 'succeeded') THEN 'out' ELSE 'back' END, 0,
                   amount
            FROM objects WHERE object_type = 'money_row' AND role <> 'seen'
        ) GROUP BY object_id, payment_id, way HAVING sum(ours) <> sum(theirs)
        """,
    ),
    Check(
        "I3.disputes_equal_ledger",
        "by facts alone what is disputed, withheld, taken less its lines, and its fees are booked as payment has it",
        Moment.QUIESCENT,
        "SELECT count(*) FROM disputes",
        f"""
        SELECT family, clearing_key, sum(ours) AS payment_has, sum(booked) AS ledger_has FROM (
            SELECT 'disputed' AS family, clearing_key, withdrawn - reinstated - written_off AS ours, 0 AS booked
            FROM disputes WHERE stray_id IS NULL
            UNION ALL
            SELECT 'merchant_held', clearing_key, withdrawn - reinstated - written_off, 0
            FROM disputes WHERE stray_id IS NULL
            UNION ALL SELECT 'processor_receivable', clearing_key, reinstated - withdrawn, 0 FROM disputes
            UNION ALL
            SELECT 'processor_receivable', clearing_key, given_back - taken, 0 FROM reversals WHERE cause = 'processor'
            UNION ALL
            SELECT 'processor_receivable', object_key, -gross, 0 FROM settlement_lines
            WHERE category NOT IN ('reserve', 'other') AND object_key IN ({_KEYS})
            UNION ALL SELECT 'dispute_fees', '', fee, 0 FROM disputes
            UNION ALL
            SELECT family, coalesce(clearing_key, ''), 0,
                   CASE WHEN family IN ('merchant_held', 'dispute_fees') THEN -net ELSE net END
            FROM entries_of_facts WHERE family IN ('disputed', 'merchant_held', 'dispute_fees')
            UNION ALL
            SELECT 'processor_receivable', clearing_key, 0, net FROM ({CLAIMS}) WHERE clearing_key IN ({_KEYS})
        ) GROUP BY family, clearing_key HAVING sum(ours) <> sum(booked)
        """,
    ),
    Check(
        "I4.book_equals_disputes",
        "the processor's book has withdrawn and reversed of every payment as ours, strays counted, per currency",
        Moment.QUIESCENT,
        "SELECT count(*) FROM disputes",
        """
        SELECT payment_id, currency, sum(our_withdrawn) AS our_withdrawn, sum(book_withdrawn) AS book_withdrawn,
               sum(our_reversed) AS our_reversed, sum(book_reversed) AS book_reversed
        FROM (
            SELECT payment_id, currency, withdrawn - reinstated AS our_withdrawn, 0 AS book_withdrawn,
                   0 AS our_reversed, 0 AS book_reversed FROM disputes
            UNION ALL SELECT payment_id, currency, 0, 0, taken - given_back, 0 FROM reversals
            UNION ALL SELECT payment_id, currency, 0, withdrawn, 0, reversed FROM book
        ) GROUP BY payment_id, currency
        HAVING sum(our_withdrawn) <> sum(book_withdrawn) OR sum(our_reversed) <> sum(book_reversed)
        """,
    ),
)
