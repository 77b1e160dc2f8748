"""Checks that reconciliation, payment and the ledger say the same: our side, lines, bank credits, open accounts."""

from __future__ import annotations

from typing import Final

from tools.auditor.model import Check, Moment

_MOVES: Final = "('charge', 'refund', 'refund_failure', 'dispute', 'reversal')"
_ONE_CURRENCY: Final = "l.currency = l.net_currency AND (l.fee_currency = l.net_currency OR l.fee = 0)"
#: What the books must have of a line: only the net of what goes to suspense whole, everything of the rest.
_IN_SUSPENSE: Final = f"(l.category = 'other' OR l.category = 'reserve' AND NOT ({_ONE_CURRENCY}))"
_TOLD: Final = f"""
    SELECT a.event_id, l.line_key AS which, l.revision, l.net AS clears,
           CASE WHEN l.category IN {_MOVES} THEN -l.gross ELSE 0 END AS claims,
           CASE WHEN {_IN_SUSPENSE} THEN 0 ELSE l.fee END AS fees, 0 AS cash,
           a.revision = (SELECT max(n.revision) FROM announced_lines n WHERE n.line_key = a.line_key) AS newest,
           CASE WHEN {_IN_SUSPENSE} THEN l.net <> 0 ELSE l.gross <> 0 OR l.net <> 0 OR l.fee <> 0 END AS moves
    FROM announced_lines a JOIN report_lines l ON l.line_key = a.line_key AND l.revision = a.revision
    UNION ALL
    SELECT event_id, line_key || ' ' || payout_key, NULL, -amount, 0, 0, amount, 1, 1 FROM allocations
"""
_BOOKED: Final = """
    SELECT j.cause_event_id, j.journal_id, j.rule, sum(CASE e.family WHEN 'bank_clearing' THEN e.net END) AS clears,
           sum(CASE e.family WHEN 'processor_receivable' THEN e.net END) AS claims,
           sum(CASE e.family WHEN 'processor_fees' THEN e.net END) AS fees,
           sum(CASE e.family WHEN 'bank_cash' THEN e.net END) AS cash,
           EXISTS (SELECT 1 FROM journals r WHERE r.reverses = j.position) AS reversed
    FROM journals j LEFT JOIN entries e ON e.position = j.position
    WHERE j.rule IN ('settlement_line', 'bank_credit', 'payout_returned') AND j.reverses IS NULL
    GROUP BY j.position
"""
_DIFFERS: Final = """
    coalesce(b.clears, 0) <> t.clears OR coalesce(b.claims, 0) <> t.claims OR coalesce(b.fees, 0) <> t.fees
    OR coalesce(b.cash, 0) <> t.cash
"""
#: The newest reading of a line that was told: of its newest revision the last match, else what it was accepted as.
_NEWEST: Final = """
    SELECT l.line_key, l.owner, l.category, l.gross, l.currency, a.revision, coalesce(t.number, 0) AS number,
           CASE WHEN t.line_key IS NULL THEN a.payment_id ELSE t.payment_id END AS payment_id,
           CASE WHEN t.line_key IS NULL THEN a.object_id ELSE t.object_id END AS object_id
    FROM announced_lines a JOIN report_lines l ON l.line_key = a.line_key AND l.revision = a.revision
    LEFT JOIN told_matches t ON t.line_key = a.line_key AND t.revision = a.revision AND t.number = (
        SELECT max(n.number) FROM told_matches n WHERE n.line_key = a.line_key AND n.revision = a.revision)
    WHERE a.revision = (SELECT max(n.revision) FROM announced_lines n WHERE n.line_key = a.line_key)
"""

CHECKS: Final = (
    Check(
        "I26.booked_lines_were_told",
        "every journal of a line or of a bank's credit was told by reconciliation, with just these amounts",
        Moment.LIVE,
        "SELECT count(*) FROM journals WHERE rule IN ('settlement_line', 'bank_credit', 'payout_returned')",
        f"""
        SELECT b.journal_id, b.rule, t.which, b.clears AS booked, t.clears AS told, b.claims, b.fees, b.cash
        FROM ({_BOOKED}) b LEFT JOIN ({_TOLD}) t ON t.event_id = b.cause_event_id
        WHERE t.event_id IS NULL OR {_DIFFERS}
        """,
    ),
    Check(
        "I26.told_lines_are_booked",
        "of every line that was told the newest revision stands in the books, and every credit of the bank, once",
        Moment.QUIESCENT,
        "SELECT (SELECT count(*) FROM announced_lines) + (SELECT count(*) FROM allocations)",
        f"""
        SELECT t.which, t.revision, t.event_id, count(b.journal_id) AS journals, max(b.reversed) AS reversed
        FROM ({_TOLD}) t LEFT JOIN ({_BOOKED}) b ON b.cause_event_id = t.event_id
        GROUP BY t.event_id HAVING count(b.journal_id) <> t.moves OR t.moves AND max(b.reversed) = t.newest
        """,
    ),
    Check(
        "I26.read_as_told",
        "payment reads every line about a payment, and the ledger every match, as reconciliation told it last",
        Moment.QUIESCENT,
        "SELECT count(*) FROM settlement_lines",
        f"""
        SELECT line_key, max(told) AS told, max(read) AS read FROM (
            SELECT 'line:' || line_key AS line_key, payment_id || ' ' || owner || ':' || object_id || ' ' || category
                   || ' ' || gross || ' ' || currency AS told, NULL AS read
            FROM ({_NEWEST}) WHERE payment_id IS NOT NULL
            UNION ALL
            SELECT line_key, NULL, payment_id || ' ' || object_key || ' ' || category || ' ' || gross || ' ' || currency
            FROM settlement_lines)
        GROUP BY line_key HAVING max(told) IS NOT max(read)
        UNION ALL
        SELECT m.line_key, n.owner || ':' || n.object_id, m.clearing_key FROM line_matches m
        LEFT JOIN ({_NEWEST}) n ON 'line:' || n.line_key = m.line_key
        WHERE NOT EXISTS (SELECT 1 FROM line_matches o WHERE o.line_key = m.line_key
                             AND (o.revision, o.number) > (m.revision, m.number))
          AND (n.line_key IS NULL OR (m.revision, m.number) <> (n.revision, n.number)
               OR m.clearing_key <> CASE WHEN n.object_id IS NULL THEN m.line_key
                                         ELSE n.owner || ':' || n.object_id END)
        UNION ALL
        SELECT 'line:' || n.line_key, n.owner || ':' || n.object_id, NULL FROM ({_NEWEST}) n
        WHERE n.number > 0 AND 'line:' || n.line_key NOT IN (SELECT line_key FROM line_matches)
        """,
    ),
    Check(
        "I26.our_side_is_ours",
        "what reconciliation expects of a payment is what payment says it moved, and what the books claim for that",
        Moment.QUIESCENT,
        "SELECT count(*) FROM our_items WHERE standing = 'expected'",
        """
        SELECT payment_id, currency, sum(expected) AS expected, sum(moved) AS moved, sum(booked) AS booked FROM (
            SELECT payment_id, currency, amount AS expected, 0 AS moved, 0 AS booked FROM our_items
            WHERE standing = 'expected'
            UNION ALL SELECT payment_id, currency, 0, captured - refunded, 0 FROM payments
            UNION ALL SELECT payment_id, currency, 0, amount - returned, 0 FROM strays
            WHERE kind = 'money' AND NOT accepted
            UNION ALL SELECT payment_id, currency, 0, -amount, 0 FROM strays WHERE kind = 'refund' AND NOT released
            UNION ALL SELECT payment_id, currency, 0, reinstated - withdrawn, 0 FROM disputes
            UNION ALL SELECT payment_id, currency, 0, given_back - taken, 0 FROM reversals
            UNION ALL SELECT payment_id, currency, 0, 0, net FROM booked
            WHERE family = 'processor_receivable' AND rule <> 'settlement_line' AND rule <> 'imported'
              AND rule NOT GLOB 'adjustment:*')
        GROUP BY payment_id, currency HAVING sum(expected) <> sum(moved) OR sum(expected) <> sum(booked)
        """,
    ),
    Check(
        "I26.journals_heard",
        "reconciliation has heard of every journal of the ledger as it was booked, and of no other",
        Moment.QUIESCENT,
        "SELECT count(*) FROM heard_journals",
        """
        SELECT journal_id, max(heard) AS heard, max(booked) AS booked FROM (
            SELECT journal_id, rule || ' ' || cause_event_id || ' ' || currency || ' ' || amount AS heard,
                   NULL AS booked FROM heard_journals
            UNION ALL SELECT journal_id, NULL, rule || ' ' || cause_event_id || ' ' || currency || ' ' || amount
            FROM journals)
        GROUP BY journal_id HAVING max(heard) IS NOT max(booked)
        """,
    ),
    Check(
        "I26.suspense_is_named",
        "what a line leaves by facts in the books' suspense is what a break says of it, to the minor unit",
        Moment.QUIESCENT,
        "SELECT count(*) FROM entries WHERE family = 'suspense' AND clearing_key LIKE 'line:%'",
        f"""
        SELECT s.line_key, s.currency, sum(waits) AS waits, sum(named) AS named FROM (
            SELECT substr(clearing_key, 6) AS line_key, currency, -net AS waits, 0 AS named FROM entries_of_facts
            WHERE family = 'suspense' AND clearing_key LIKE 'line:%'
            UNION ALL SELECT substr(subject, 9), currency, 0, excess FROM breaks
            WHERE subject LIKE 'residue:%' AND state <> 'SELF_CLOSED'
            UNION ALL SELECT l.line_key, b.currency, 0, b.excess FROM breaks b
            JOIN report_lines l ON b.subject = 'line:' || l.line_key
            WHERE l.stands AND {_IN_SUSPENSE} AND b.state <> 'SELF_CLOSED') s
        WHERE NOT EXISTS (SELECT 1 FROM unseen u WHERE u.what = 'line' AND u.which = s.line_key)
          AND NOT EXISTS (SELECT 1 FROM report_lines n WHERE n.line_key = s.line_key AND n.stands AND NOT n.announced)
        GROUP BY s.line_key, s.currency HAVING sum(waits) <> sum(named)
        """,
    ),
    Check(
        "I26.accounts_agree",
        "by facts alone the books' claims and payouts on their way are what reconciliation has open, to the minor unit",
        Moment.QUIESCENT,
        "SELECT count(*) FROM entries WHERE family IN ('processor_receivable', 'bank_clearing')",
        f"""
        SELECT family, which, currency, sum(open) AS open, sum(booked) AS booked FROM (
            SELECT 'processor_receivable' AS family, owner AS which, currency, amount AS open, 0 AS booked
            FROM our_items WHERE standing = 'expected'
            UNION ALL SELECT 'processor_receivable', owner, currency, -gross, 0 FROM ({_NEWEST})
            WHERE category IN {_MOVES}
            UNION ALL SELECT 'bank_clearing', l.payout_key, l.net_currency, l.net, 0 FROM announced_lines a
            JOIN report_lines l ON l.line_key = a.line_key AND l.revision = a.revision
            WHERE a.revision = (SELECT max(n.revision) FROM announced_lines n WHERE n.line_key = a.line_key)
            UNION ALL SELECT 'bank_clearing', payout_key, currency, -amount, 0 FROM allocations
            UNION ALL SELECT family, CASE family WHEN 'bank_clearing' THEN clearing_key ELSE owner END, currency, 0, net
            FROM entries_of_facts WHERE family IN ('processor_receivable', 'bank_clearing'))
        GROUP BY family, which, currency HAVING sum(open) <> sum(booked)
        """,
    ),
)
