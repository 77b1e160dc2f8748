"""Checks of the ledger: balanced journals, one journal per fact, nothing without a cause, fees, clearing to zero."""

from __future__ import annotations

from typing import Final

from tools.auditor.model import Check, Moment

#: Which event must be booked under which rule. Written here a second time on purpose: it is the auditor's own.
_EXPECTED: Final = """
    SELECT event_id, event_type, payment_id, merchant_id, amount, currency,
           CASE event_type WHEN 'PaymentCaptured' THEN 'capture'
                WHEN 'CaptureSettled' THEN CASE WHEN amount <> fee THEN 'capture_settled' END
                WHEN 'RefundRequested' THEN 'refund_requested' WHEN 'RefundSucceeded' THEN 'refund_succeeded'
                WHEN 'RefundAdopted' THEN 'refund_adopted' WHEN 'StrayReturnRequested' THEN 'stray_return_requested'
                WHEN 'StrayReturnSucceeded' THEN 'stray_return_succeeded'
                WHEN 'RefundStrayFound' THEN 'refund_stray_found'
                WHEN 'StrayFound' THEN CASE kind WHEN 'money' THEN 'stray_found' END
                WHEN 'DisputeWithdrawn' THEN
                    CASE charged_to WHEN 'merchant' THEN 'dispute_withdrawn' ELSE 'stray_disputed' END
                WHEN 'DisputeReinstated' THEN
                    CASE charged_to WHEN 'merchant' THEN 'dispute_reinstated' ELSE 'stray_reinstated' END
                WHEN 'DisputeWrittenOff' THEN 'dispute_written_off'
                WHEN 'DisputeWriteOffReversed' THEN 'dispute_write_off_reversed'
                WHEN 'ReversalReceived' THEN
                    CASE charged_to WHEN 'merchant' THEN 'reversal_received' ELSE 'stray_reversed' END
                WHEN 'ReversalGivenBack' THEN
                    CASE charged_to WHEN 'merchant' THEN 'reversal_given_back' ELSE 'stray_reversal_given_back' END
                WHEN 'OperationUncertain' THEN CASE direction WHEN 'in' THEN 'capture_in_doubt'
                                                              WHEN 'out' THEN 'refund_in_doubt' END
           END AS rule,
           CASE event_type WHEN 'RefundRequested' THEN refund_id WHEN 'StrayReturnRequested' THEN operation_id
                WHEN 'OperationUncertain' THEN operation_id ELSE fact_key END AS fact_key
    FROM events
"""

#: Which rules an event takes back, and for which subject.
_TAKEN_BACK: Final = """
    SELECT event_id, event_type, payment_id,
           CASE event_type WHEN 'RefundFailed' THEN refund_id WHEN 'StrayAccepted' THEN stray_id
                WHEN 'RefundStrayFailed' THEN stray_id WHEN 'CaptureUnsettled' THEN settled_fact_key
                ELSE operation_id END AS subject,
           CASE event_type
                WHEN 'RefundFailed' THEN '|refund_requested|refund_succeeded|refund_adopted|'
                WHEN 'OperationResolved' THEN '|capture_in_doubt|refund_in_doubt|'
                WHEN 'StrayReturnFailed' THEN '|stray_return_requested|stray_return_succeeded|'
                WHEN 'StrayAccepted' THEN '|stray_found|refund_stray_found|'
                WHEN 'RefundStrayFailed' THEN '|refund_stray_found|'
                WHEN 'CaptureUnsettled' THEN '|capture_settled|' END AS rules
    FROM events
    WHERE event_type IN ('RefundFailed', 'OperationResolved', 'StrayReturnFailed', 'StrayAccepted',
                         'RefundStrayFailed', 'CaptureUnsettled')
"""

#: Not payment's: what reports made the ledger book, manual and imported journals. They have checks of their own.
_OF_PAYMENT: Final = (
    "NOT (j.rule GLOB 'adjustment:*' AND j.cause_event_type = 'OperatorActed.v1')"
    " AND NOT (j.rule = 'imported' AND j.cause_event_type = 'JournalImported.v1')"
    " AND NOT EXISTS (SELECT 1 FROM subscriptions s WHERE s.topic = 'reconciliation.events' AND s.consumer = 'ledger'"
    " AND s.handling = 'handled' AND s.event_type = j.cause_event_type)"
)
#: Older than what is still in the outbox: the archive files speak for it.
_NOT_ARCHIVED: Final = (
    "NOT EXISTS (SELECT 1 FROM dropped_days d WHERE d.service = 'payment' AND d.day >= date(j.day, '-1 day'))"
)


def _booked_as_told(types: str) -> str:
    return f"""
        SELECT x.event_id, x.event_type, x.payment_id, x.rule AS rule_expected, x.amount AS amount_expected,
               x.currency AS currency_expected, x.merchant_id AS merchant_expected, count(j.position) AS journals,
               max(j.amount) AS amount_booked, max(j.currency) AS currency_booked, max(j.merchant_id) AS merchant_booked
        FROM ({_EXPECTED}) x LEFT JOIN journals j ON j.cause_event_id = x.event_id AND j.reverses IS NULL
        WHERE x.event_type IN ({types}) AND x.rule IS NOT NULL AND x.amount <> 0
        GROUP BY x.event_id
        HAVING count(j.position) <> 1 OR max(j.rule) <> x.rule OR max(j.amount) <> x.amount
            OR max(j.currency) <> x.currency OR max(j.merchant_id) IS NOT x.merchant_id
            OR max(j.payment_id) IS NOT x.payment_id OR max(j.fact_key) IS NOT x.fact_key
    """


def _told(types: str) -> str:
    return f"SELECT count(*) FROM events WHERE event_type IN ({types})"


_CAPTURES: Final = "'PaymentCaptured', 'CaptureSettled'"
_REFUNDS: Final = "'RefundRequested', 'RefundSucceeded', 'RefundAdopted'"
_TAKEN_BY_PROCESSOR: Final = (
    "'DisputeWithdrawn', 'DisputeReinstated', 'DisputeWrittenOff', 'DisputeWriteOffReversed',"
    " 'ReversalReceived', 'ReversalGivenBack'"
)
_OTHERS: Final = (
    "'OperationUncertain', 'StrayFound', 'StrayReturnRequested', 'StrayReturnSucceeded', 'RefundStrayFound'"
)


#: What another ledger left open comes back to zero when somebody books its end, which no fact of ours says.
_BROUGHT_OPEN: Final = """
    SELECT 1 FROM entries i JOIN journals b ON b.position = i.position AND b.rule = 'imported'
    WHERE i.family = entries.family AND i.clearing_key = entries.clearing_key
"""


def _clears(families: str, excused: str) -> str:
    return f"""
        SELECT family, clearing_key, currency, sum(net) AS still_open FROM entries
        WHERE family IN ({families}) GROUP BY family, owner, clearing_key, currency
        HAVING sum(net) <> 0 AND NOT EXISTS ({excused}) AND NOT EXISTS ({_BROUGHT_OPEN})
    """


_IN_REVIEW: Final = (
    "SELECT 1 FROM operations o WHERE o.state = 'IN_REVIEW' AND clearing_key IN (o.operation_id, o.refund_id)"
)

CHECKS: Final = (
    Check(
        "I1.journals_zero_sum",
        "every journal has all its entries and they sum to zero per currency",
        Moment.LIVE,
        "SELECT count(*) FROM journals",
        """
        SELECT j.journal_id, j.rule, j.payment_id, e.currency, e.net AS imbalance, j.entry_count, n.found
        FROM journals j
        LEFT JOIN (SELECT position, currency, sum(net) AS net FROM entries GROUP BY 1, 2) e ON e.position = j.position
        LEFT JOIN (SELECT position, count(*) AS found FROM entries GROUP BY 1) n ON n.position = j.position
        WHERE coalesce(e.net, 1) <> 0 OR n.found <> j.entry_count
        """,
    ),
    Check(
        "I1.ledger_zero_sum",
        "all entries of the ledger sum to zero per currency, and each belongs to a journal and an account",
        Moment.LIVE,
        "SELECT count(*) FROM entries",
        """
        SELECT 'sum' AS what, currency, sum(net) AS imbalance FROM entries GROUP BY currency HAVING sum(net) <> 0
        UNION ALL
        SELECT 'orphan', e.currency, e.net FROM entries e LEFT JOIN journals j ON j.position = e.position
        WHERE j.position IS NULL OR e.family IS NULL
        """,
    ),
    Check(
        "I1.reversals_exact",
        "a reversal takes back its original line by line, and no original is reversed twice",
        Moment.LIVE,
        "SELECT count(*) FROM journals WHERE reverses IS NOT NULL",
        """
        SELECT j.journal_id, j.rule, j.reverses, e.family, e.clearing_key, sum(e.net) AS left_over
        FROM journals j JOIN entries e ON e.position IN (j.position, j.reverses)
        WHERE j.reverses IS NOT NULL
        GROUP BY j.position, e.family, e.owner, e.currency, e.clearing_key HAVING sum(e.net) <> 0
        UNION ALL
        SELECT min(journal_id), 'reversed twice', reverses, NULL, NULL, count(*)
        FROM journals WHERE reverses IS NOT NULL GROUP BY reverses HAVING count(*) > 1
        """,
    ),
    Check(
        "I3.captures_booked_once",
        "every capture told, and every one settled, is booked by exactly one journal as it was told",
        Moment.QUIESCENT,
        _told(_CAPTURES),
        _booked_as_told(_CAPTURES),
    ),
    Check(
        "I3.refunds_booked_once",
        "every refund asked for, succeeded or adopted is booked by exactly one journal each",
        Moment.QUIESCENT,
        _told(_REFUNDS),
        _booked_as_told(_REFUNDS),
    ),
    Check(
        "I3.doubts_and_strays_booked_once",
        "every operation in doubt and every stray is booked by exactly one journal",
        Moment.QUIESCENT,
        _told(_OTHERS),
        _booked_as_told(_OTHERS),
    ),
    Check(
        "I3.disputes_booked_once",
        "every money row and every write-off of a dispute or reversal is booked by exactly one journal",
        Moment.QUIESCENT,
        _told(_TAKEN_BY_PROCESSOR),
        _booked_as_told(_TAKEN_BY_PROCESSOR),
    ),
    Check(
        "I3.failures_taken_back",
        "what failed, was resolved or accepted has its journals reversed",
        Moment.QUIESCENT,
        f"SELECT count(*) FROM ({_TAKEN_BACK})",
        f"""
        SELECT x.event_id, x.event_type, x.payment_id, x.subject, o.journal_id AS not_reversed, o.rule
        FROM ({_TAKEN_BACK}) x JOIN journals o ON o.payment_id = x.payment_id AND o.subject = x.subject
         AND o.reverses IS NULL AND instr(x.rules, '|' || o.rule || '|') > 0
        LEFT JOIN journals r ON r.reverses = o.position WHERE r.position IS NULL
        """,
    ),
    Check(
        "I3.one_journal_per_fact",
        "no fact and no cause is booked twice under one rule",
        Moment.LIVE,
        "SELECT count(*) FROM journals",
        """
        SELECT rule, fact_key, count(*) AS journals, group_concat(journal_id) AS which FROM journals
        GROUP BY rule, fact_key HAVING count(*) > 1
        UNION ALL
        SELECT rule, cause_event_id, count(*), group_concat(journal_id) FROM journals
        GROUP BY rule, cause_event_id HAVING count(*) > 1
        """,
    ),
    Check(
        "I3.no_journal_without_cause",
        "every journal about a payment's own facts names an event that payment has told, of a kind that books that",
        Moment.LIVE,
        f"SELECT count(*) FROM journals j WHERE {_OF_PAYMENT}",
        f"""
        SELECT j.journal_id, j.rule, j.payment_id, j.amount, j.cause_event_id,
               coalesce(e.event_type, 'none') AS cause_found
        FROM journals j LEFT JOIN events e ON e.event_id = j.cause_event_id
        LEFT JOIN ({_EXPECTED}) x ON x.event_id = j.cause_event_id
        LEFT JOIN ({_TAKEN_BACK}) t ON t.event_id = j.cause_event_id
        LEFT JOIN journals o ON o.position = j.reverses
        WHERE {_NOT_ARCHIVED} AND {_OF_PAYMENT} AND (e.event_id IS NULL OR e.payment_id IS NOT j.payment_id
          OR CASE WHEN j.reverses IS NULL THEN x.rule IS NOT j.rule
                  ELSE o.subject IS NOT t.subject OR instr(coalesce(t.rules, ''), '|' || o.rule || '|') = 0 END)
        """,
    ),
    Check(
        "I3.no_charge_for_uncaptured",
        "payments that captured nothing (authorized only, failed, canceled) have no capture or refund booked",
        Moment.LIVE,
        "SELECT count(*) FROM payments WHERE captured = 0",
        """
        SELECT j.journal_id, j.rule, j.amount, j.payment_id, coalesce(p.status, 'unknown payment') AS status
        FROM journals j LEFT JOIN payments p ON p.payment_id = j.payment_id
        WHERE j.reverses IS NULL AND j.payment_id IS NOT NULL AND (p.payment_id IS NULL
           OR (p.captured = 0 AND j.rule = 'capture')
           -- Doubt is no refund yet, and a refund found astray is the platform's until somebody decides.
           OR (p.captured = 0 AND j.rule LIKE 'refund%' AND j.rule NOT IN ('refund_in_doubt', 'refund_stray_found')))
        """,
    ),
    Check(
        "I3.amounts_equal_ledger",
        "captured and refunded of every payment are what the ledger nets to, per payment and currency",
        Moment.QUIESCENT,
        "SELECT count(*) FROM payments",
        """
        SELECT payment_id, currency, sum(ours_captured) AS payment_captured, sum(booked_captured) AS ledger_captured,
               sum(ours_refunded) AS payment_refunded, sum(booked_refunded) AS ledger_refunded
        FROM (
            SELECT payment_id, currency, captured AS ours_captured, 0 AS booked_captured,
                   refunded AS ours_refunded, 0 AS booked_refunded FROM payments
            UNION ALL
            SELECT payment_id, currency, 0, CASE WHEN rule = 'capture' THEN net ELSE 0 END,
                   0, CASE WHEN rule IN ('refund_succeeded', 'refund_adopted') THEN -net ELSE 0 END
            FROM booked WHERE family = 'processor_receivable'
        ) GROUP BY payment_id, currency
        HAVING sum(ours_captured) <> sum(booked_captured) OR sum(ours_refunded) <> sum(booked_refunded)
        """,
    ),
    Check(
        "I3.in_doubt_returned",
        "what was booked as in doubt is back to zero, but for what a person still reviews",
        Moment.QUIESCENT,
        "SELECT count(*) FROM entries WHERE family IN ('in_doubt_in', 'in_doubt_out', 'in_doubt_contra')",
        _clears("'in_doubt_in', 'in_doubt_out', 'in_doubt_contra'", _IN_REVIEW),
    ),
    Check(
        "I3.no_refund_in_flight",
        "refunds in flight are back to zero, but for what a person still reviews",
        Moment.QUIESCENT,
        "SELECT count(*) FROM entries WHERE family = 'refunds_in_flight'",
        _clears("'refunds_in_flight'", _IN_REVIEW),
    ),
    Check(
        "I3.suspense_equals_strays",
        "suspense holds by facts alone exactly the strays that were neither returned nor accepted",
        Moment.QUIESCENT,
        "SELECT count(*) FROM strays",
        """
        SELECT stray_id, sum(ours) AS payment_open, sum(booked) AS ledger_open FROM (
            SELECT stray_id, CASE WHEN released THEN 0
                   WHEN kind = 'money' THEN amount - returned - reserved - taken_back
                   WHEN kind = 'refund' THEN -amount ELSE 0 END AS ours, 0 AS booked FROM strays
            UNION ALL SELECT clearing_key, 0, -net FROM entries_of_facts
            WHERE family = 'suspense' AND clearing_key NOT LIKE 'line:%'
        ) GROUP BY stray_id HAVING sum(ours) <> sum(booked)
        """,
    ),
    Check(
        "I3.fees_equal",
        "fee revenue per payment is the sum of its captures' fees less what refunds gave back, in all three books",
        Moment.QUIESCENT,
        "SELECT count(*) FROM payments WHERE captured > 0",
        """
        SELECT payment_id, sum(ours) AS payment_fees, sum(told) AS events_fees, sum(booked) AS ledger_fees FROM (
            SELECT payment_id, fee_total - fee_returned AS ours, 0 AS told, 0 AS booked FROM payments
            UNION ALL
            SELECT e.payment_id, 0, CASE WHEN e.event_type = 'PaymentCaptured' THEN e.fee
                WHEN EXISTS (SELECT 1 FROM events f WHERE f.payment_id = e.payment_id
                             AND f.event_type = 'RefundFailed' AND f.refund_id = e.refund_id) THEN 0
                ELSE -e.fee_returned END, 0
            FROM events e WHERE e.event_type IN ('PaymentCaptured', 'RefundRequested')
            UNION ALL
            SELECT payment_id, 0, 0, -net FROM booked WHERE family = 'fee_revenue' AND rule <> 'imported'
        ) WHERE payment_id NOT IN (
            SELECT p.payment_id FROM payments p JOIN dropped_days d ON d.service = 'payment'
             AND d.day >= date(p.day, '-1 day'))
        GROUP BY payment_id HAVING sum(ours) <> sum(told) OR sum(ours) <> sum(booked)
        """,
    ),
    Check(
        "I3.closed_months_stand",
        "nothing was booked into a closed month after its close, and each close names the end of the chain as it is",
        Moment.LIVE,
        "SELECT count(*) FROM closed_periods",
        """
        SELECT period, position, hash, sealed_hash, booked_later FROM closed_periods
        WHERE booked_later IS NOT NULL
           OR hash IS NOT coalesce(sealed_hash, CASE position WHEN 0 THEN printf('%.64d', 0) END)
        """,
    ),
)
