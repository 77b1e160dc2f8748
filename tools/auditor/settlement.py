"""Checks of settlement: lines, what they cover, what the books made available for it, and what must clear to zero."""

from __future__ import annotations

from typing import Final

from tools.auditor.model import Check, Moment

_TAKEN: Final = "o.object_type = 'capture' AND o.role IN ('counted', 'adopted') AND o.counted > 0"
#: Older than what is still in the outbox: the archive files speak for it.
_ARCHIVED: Final = """SELECT p.payment_id FROM payments p JOIN dropped_days d ON d.service = 'payment'
    AND d.day >= date(p.day, '-1 day')"""
_LINES_OF_CAPTURES: Final = f"""
    SELECT o.payment_id, o.clearing_key, o.counted, o.settled, coalesce(sum(l.gross), 0) AS gross
    FROM objects o JOIN payments p ON p.payment_id = o.payment_id
    LEFT JOIN settlement_lines l ON l.object_key = o.clearing_key AND l.payment_id = o.payment_id
     AND l.category = 'charge' AND l.currency = p.currency
    WHERE {_TAKEN} GROUP BY o.clearing_key
"""
#: Of a line only the newest match of its newest revision says under which object its claim counts.
CLAIMS: Final = """
    SELECT coalesce((SELECT m.clearing_key FROM line_matches m WHERE m.line_key = e.clearing_key
                      ORDER BY m.revision DESC, m.number DESC LIMIT 1), e.clearing_key) AS clearing_key,
           e.currency, e.net
    FROM entries_of_facts e WHERE e.family = 'processor_receivable'
"""

CHECKS: Final = (
    Check(
        "I3.settled_as_lines_say",
        "a capture is settled while the newest readings of its lines cover it; a payment's settled is their sum",
        Moment.LIVE,
        "SELECT count(*) FROM settlement_lines",
        f"""
        SELECT clearing_key AS what, payment_id, settled AS held, gross AS lines, counted FROM ({_LINES_OF_CAPTURES})
        WHERE settled <> (gross >= counted)
        UNION ALL
        SELECT 'settled', p.payment_id, p.settled, coalesce(sum(c.gross), 0), p.captured
        FROM payments p LEFT JOIN ({_LINES_OF_CAPTURES}) c ON c.payment_id = p.payment_id
        GROUP BY p.payment_id HAVING p.settled <> max(0, coalesce(sum(c.gross), 0))
        """,
    ),
    Check(
        "I3.settlement_told",
        "a settled capture was told to be settled once more often than to be taken back, any other as often",
        Moment.LIVE,
        f"SELECT count(*) FROM objects o WHERE o.settled = 1 AND {_TAKEN}",
        f"""
        SELECT o.clearing_key, o.payment_id, o.settled, coalesce(sum(
            CASE e.event_type WHEN 'CaptureSettled' THEN 1 WHEN 'CaptureUnsettled' THEN -1 END), 0) AS told
        FROM objects o LEFT JOIN events e ON e.payment_id = o.payment_id
         AND e.event_type IN ('CaptureSettled', 'CaptureUnsettled')
         AND (instr(substr(e.fact_key, length(o.clearing_key) + 1), ':settled:') = 1
              OR instr(substr(e.fact_key, length(o.clearing_key) + 1), ':unsettled:') = 1)
         AND substr(e.fact_key, 1, length(o.clearing_key)) = o.clearing_key
        WHERE {_TAKEN} AND o.payment_id NOT IN ({_ARCHIVED})
        GROUP BY o.clearing_key HAVING o.settled <> coalesce(sum(
            CASE e.event_type WHEN 'CaptureSettled' THEN 1 WHEN 'CaptureUnsettled' THEN -1 END), 0)
        """,
    ),
    Check(
        "I3.fee_as_captured",
        "what settles or is taken back of a capture carries the amount and the fee that it was captured with",
        Moment.LIVE,
        "SELECT count(*) FROM events WHERE event_type = 'CaptureSettled'",
        f"""
        SELECT s.event_type, s.event_id, s.payment_id, s.object_key, s.fee, c.fee AS captured_with, s.amount,
               c.amount AS captured
        FROM events s LEFT JOIN events c ON c.event_type = 'PaymentCaptured' AND c.payment_id = s.payment_id
         AND c.object_key = s.object_key
        WHERE s.event_type IN ('CaptureSettled', 'CaptureUnsettled') AND s.payment_id NOT IN ({_ARCHIVED})
          AND (c.event_id IS NULL OR s.fee IS NOT c.fee OR s.amount IS NOT c.amount)
        """,
    ),
    Check(
        "I3.available_as_settled",
        "what the books made available of a payment is its settled captures less their fees",
        Moment.QUIESCENT,
        "SELECT count(*) FROM events WHERE event_type = 'CaptureSettled'",
        f"""
        SELECT payment_id, sum(told) AS told_available, sum(booked) AS booked_available FROM (
            SELECT payment_id, CASE event_type WHEN 'CaptureSettled' THEN amount - fee ELSE fee - amount END AS told,
                   0 AS booked FROM events WHERE event_type IN ('CaptureSettled', 'CaptureUnsettled')
            UNION ALL
            SELECT payment_id, 0, net FROM booked WHERE family = 'merchant_pending' AND rule = 'capture_settled'
        ) WHERE payment_id NOT IN ({_ARCHIVED})
        GROUP BY payment_id HAVING sum(told) <> sum(booked)
        """,
    ),
    Check(
        "I3.claims_clear",
        "by facts alone our claim for a capture or refund is what it moved less what was taken back less its lines",
        Moment.QUIESCENT,
        "SELECT count(*) FROM objects WHERE object_type IN ('capture', 'refund') AND role IN ('counted', 'adopted')",
        f"""
        SELECT clearing_key, currency, sum(ours) AS left_by_payment, sum(booked) AS left_in_books FROM (
            SELECT clearing_key, currency, CASE object_type WHEN 'capture' THEN counted ELSE -counted END AS ours,
                   0 AS booked FROM objects
            WHERE object_type IN ('capture', 'refund') AND role IN ('counted', 'adopted')
            UNION ALL
            SELECT clearing_key, currency, given_back - taken, 0 FROM reversals
            UNION ALL
            SELECT object_key, currency, -gross, 0 FROM settlement_lines
            WHERE category NOT IN ('reserve', 'other')
            UNION ALL
            SELECT clearing_key, currency, 0, net FROM ({CLAIMS})
        ) WHERE clearing_key IN (SELECT o.clearing_key FROM objects o
                                 WHERE o.object_type IN ('capture', 'refund') AND o.role IN ('counted', 'adopted'))
        GROUP BY clearing_key, currency HAVING sum(ours) <> sum(booked)
        """,
    ),
    Check(
        "I3.lines_stand_once",
        "of every settlement line at most one revision stands in the books",
        Moment.LIVE,
        "SELECT count(*) FROM journals WHERE rule = 'settlement_line'",
        """
        SELECT j.subject, count(*) AS standing, group_concat(j.journal_id) AS which FROM journals j
        WHERE j.rule = 'settlement_line' AND NOT EXISTS (SELECT 1 FROM journals r WHERE r.reverses = j.position)
        GROUP BY j.subject HAVING count(*) > 1
        """,
    ),
    Check(
        "I3.open_keys_as_entries_say",
        "the rows of open clearing keys are what the entries sum to, up to the position that they were folded to",
        Moment.LIVE,
        "SELECT coalesce(sum(number), 0) FROM folded_entries",
        """
        SELECT account_id, max(family) AS family, clearing_key, coalesce(max(kept), '0') AS kept,
               coalesce(max(booked), '0') AS booked FROM (
            SELECT account_id, family, clearing_key, net AS kept, NULL AS booked FROM folded_keys
            UNION ALL
            SELECT account_id, NULL, clearing_key, NULL, net FROM folded_entries
        ) GROUP BY account_id, clearing_key HAVING coalesce(max(kept), '0') <> coalesce(max(booked), '0')
        """,
    ),
)
