"""Checks of reconciliation's own figures: matches, what is left of them, what was told of it, files and months.

What nobody has looked at since it changed (``unseen``) is no violation: the next run does. All the rest must hold at
any moment, for a run takes what changed and writes what it made of it in one transaction.
"""

from __future__ import annotations

from typing import Final

from tools.auditor.model import Check, Moment

_MOVES: Final = "('charge', 'refund', 'refund_failure', 'dispute', 'reversal')"
_NAMED: Final = "EXISTS (SELECT 1 FROM breaks b WHERE b.subject = {} AND b.state <> 'SELF_CLOSED')"
_UNSEEN: Final = "EXISTS (SELECT 1 FROM unseen u WHERE u.what = '{}' AND u.which = {})"
_ANY_UNSEEN: Final = "EXISTS (SELECT 1 FROM unseen WHERE what = '{}')"
_TOLERANCE: Final = """coalesce((SELECT t.tolerance FROM tolerances t WHERE t.source = {0}.source
    AND t.currency = {0}.currency AND t.field = '{1}'), 0)"""
#: Older than what is still in the outbox: the archive files speak for it.
_ARCHIVED: Final = (
    "EXISTS (SELECT 1 FROM dropped_days d WHERE d.service = 'reconciliation' AND d.day >= date({}, '-1 day'))"
)
# Of what is agreed by hand, each line and each item with what claims it.
_BY_HAND: Final = f"""
    SELECT h.hand_match_id, c.match_id,
           {_UNSEEN.format("line", "h.line_key")} OR {_UNSEEN.format("item", "h.item_key")} AS is_unseen
    FROM hand_members h LEFT JOIN matched c ON c.rule = 'by_hand'
     AND (c.line_key = h.line_key OR c.item_key = h.item_key)
"""
_SUMS: Final = f"""
    SELECT c.match_id, max(c.rule) AS rule, max(l.source) AS source, max(l.currency) AS currency,
           sum(i.amount) AS ours, sum(l.gross) AS theirs, max(l.owner) AS line_owner, max(i.owner) AS item_owner,
           max(l.category) AS line_category, max(i.category) AS item_category,
           min(min(l.currency), min(i.currency)) <> max(max(l.currency), max(i.currency)) AS currencies_differ,
           max({_UNSEEN.format("line", "c.line_key")} OR {_UNSEEN.format("item", "c.item_key")}) AS is_unseen
    FROM matched c LEFT JOIN report_lines l ON l.line_key = c.line_key AND l.stands AND NOT l.withdrawn
    LEFT JOIN our_items i ON i.item_key = c.item_key GROUP BY c.match_id
"""
# A match is told where all of it is about one object of ours.
_STANDING: Final = f"""
    SELECT l.line_key, l.revision,
           coalesce(t.payment_id, CASE WHEN t.line_key IS NULL THEN a.payment_id END) AS told_payment,
           coalesce(t.object_id, CASE WHEN t.line_key IS NULL THEN a.object_id END) AS told_object,
           CASE WHEN m.objects = 1 THEN m.payment_id END AS payment_id,
           CASE WHEN m.objects = 1 THEN m.object_id END AS object_id
    FROM report_lines l JOIN announced_lines a ON a.line_key = l.line_key AND a.revision = l.revision
    LEFT JOIN told_matches t ON t.line_key = l.line_key AND t.revision = l.revision AND t.number = (
        SELECT max(n.number) FROM told_matches n WHERE n.line_key = l.line_key AND n.revision = l.revision)
    LEFT JOIN (
        SELECT c.line_key, min(i.payment_id) AS payment_id, min(i.object_id) AS object_id,
               count(DISTINCT i.payment_id || ' ' || coalesce(i.object_id, '')) AS objects
        FROM matched c JOIN matched o ON o.match_id = c.match_id JOIN our_items i ON i.item_key = o.item_key
        WHERE c.line_key IS NOT NULL GROUP BY c.line_key HAVING min(i.object_id) IS NOT NULL
    ) m ON m.line_key = l.line_key
    WHERE l.stands AND NOT l.withdrawn AND NOT {_UNSEEN.format("line", "l.line_key")}
      AND NOT {_UNSEEN.format("match", "l.line_key")}
"""

CHECKS: Final = (
    Check(
        "I26.claimed_once",
        "no line and no item of ours is in two matches, and every match is of lines and items that there are",
        Moment.LIVE,
        "SELECT count(*) FROM matched",
        """
        SELECT 'line' AS what, line_key AS which, count(*) AS matches, group_concat(match_id) AS named FROM matched
        WHERE line_key IS NOT NULL GROUP BY line_key HAVING count(*) > 1
        UNION ALL
        SELECT 'item', item_key, count(*), group_concat(match_id) FROM matched
        WHERE item_key IS NOT NULL GROUP BY item_key HAVING count(*) > 1
        UNION ALL
        SELECT 'unknown', coalesce(c.line_key, c.item_key), 1, c.match_id FROM matched c
        WHERE c.line_key IS NOT NULL AND c.line_key NOT IN (SELECT line_key FROM report_lines)
           OR c.item_key IS NOT NULL AND c.item_key NOT IN (SELECT item_key FROM our_items)
        """,
    ),
    Check(
        "I26.matches_come_out",
        "the lines of a match are its items to the minor unit, or differ by what is agreed, or a break names it",
        Moment.LIVE,
        "SELECT count(DISTINCT match_id) FROM matched",
        f"""
        SELECT m.match_id, m.rule, m.ours, m.theirs, m.currency, m.line_owner, m.item_owner FROM ({_SUMS}) m
        WHERE NOT m.is_unseen AND (
            m.ours IS NULL OR m.theirs IS NULL OR m.line_owner <> m.item_owner OR m.line_category <> m.item_category
            OR (m.currencies_differ OR abs(m.ours - m.theirs) > {_TOLERANCE.format("m", "gross")})
               AND NOT {_ANY_UNSEEN.format("rules")} AND NOT {_NAMED.format("'line:' || m.match_id")})
        """,
    ),
    Check(
        "I26.by_hand_as_agreed",
        "what is matched by hand two people agreed so, and what they agreed is one match, of these lines and items",
        Moment.LIVE,
        "SELECT (SELECT count(*) FROM hand_members) + (SELECT count(*) FROM matched WHERE rule = 'by_hand')",
        f"""
        SELECT 'not agreed' AS what, c.match_id AS which, c.line_key AS line, c.item_key AS item FROM matched c
        LEFT JOIN hand_members l ON l.line_key = c.line_key LEFT JOIN hand_members i ON i.item_key = c.item_key
        WHERE c.rule = 'by_hand' AND NOT {_UNSEEN.format("line", "c.line_key")}
          AND NOT {_UNSEEN.format("item", "c.item_key")}
          AND (c.line_key IS NOT NULL AND l.hand_match_id IS NULL OR c.item_key IS NOT NULL AND i.hand_match_id IS NULL
               OR l.hand_match_id <> i.hand_match_id)
        UNION ALL
        SELECT 'not matched so', hand_match_id, min(match_id), max(match_id) FROM ({_BY_HAND})
        GROUP BY hand_match_id
        HAVING NOT max(is_unseen) AND (count(match_id) <> count(*) OR min(match_id) IS NOT max(match_id))
        """,
    ),
    Check(
        "I26.nothing_unexplained",
        "every line that moves money is matched or in a named break, and so is every item of ours that is due",
        Moment.LIVE,
        "SELECT count(*) FROM report_lines WHERE stands",
        f"""
        SELECT 'line' AS what, l.line_key AS which, l.category, l.currency, l.gross, l.net FROM report_lines l
        WHERE l.stands AND NOT l.withdrawn
          AND (l.category IN {_MOVES} AND l.gross <> 0
               AND NOT EXISTS (SELECT 1 FROM matched c WHERE c.line_key = l.line_key)
               OR l.category = 'other' AND l.net <> 0)
          AND NOT {_UNSEEN.format("line", "l.line_key")} AND NOT {_NAMED.format("'line:' || l.line_key")}
        UNION ALL
        SELECT 'item', i.item_key, i.category, i.currency, i.amount, NULL FROM our_items i
        WHERE i.standing = 'expected' AND i.due AND NOT EXISTS (SELECT 1 FROM matched c WHERE c.item_key = i.item_key)
          AND NOT {_UNSEEN.format("item", "i.item_key")} AND NOT {_NAMED.format("'item:' || i.item_key")}
        """,
    ),
    Check(
        "I26.payouts_explained",
        "a payout is the sum of its lines; what the bank credited of it, or for nothing, is all or has a named break",
        Moment.LIVE,
        "SELECT count(*) FROM payouts",
        f"""
        SELECT p.payout_key AS which, p.currency, p.net AS stated, coalesce(sum(l.net), 0) AS found, 'lines' AS what
        FROM payouts p LEFT JOIN report_lines l ON l.payout_key = p.payout_key AND l.net_currency = p.currency
         AND l.stands AND NOT l.withdrawn
        GROUP BY p.payout_key, p.currency HAVING p.net <> coalesce(sum(l.net), 0)
        UNION ALL
        SELECT p.payout_key, p.currency, p.net, coalesce(sum(a.amount), 0), 'credits'
        FROM payouts p LEFT JOIN allocations a ON a.payout_key = p.payout_key AND a.currency = p.currency
        WHERE p.closed AND NOT {_ANY_UNSEEN.format("bank")} AND NOT {_ANY_UNSEEN.format("rules")}
        GROUP BY p.payout_key, p.currency
        HAVING abs(p.net - coalesce(sum(a.amount), 0)) > {_TOLERANCE.format("p", "bank")}
           AND (p.late OR sign(p.net - coalesce(sum(a.amount), 0)) <> sign(p.net))
           AND NOT {_NAMED.format("'payout:' || p.payout_key || ':' || p.currency")}
        UNION ALL
        SELECT b.line_key, b.currency, b.amount, coalesce(sum(a.amount), 0), 'bank line'
        FROM bank_lines b LEFT JOIN allocations a ON a.line_key = b.line_key
        WHERE NOT {_ANY_UNSEEN.format("bank")}
        GROUP BY b.line_key HAVING b.amount <> coalesce(sum(a.amount), 0)
           AND NOT {_NAMED.format("'bank:' || b.line_key")}
        """,
    ),
    Check(
        "I26.announced_once",
        "a revision of a line is marked as told exactly where it was, in order, and the newest one stands",
        Moment.LIVE,
        "SELECT count(*) FROM announced_lines",
        """
        SELECT l.line_key, l.revision, l.announced, l.stands, a.event_id FROM report_lines l
        LEFT JOIN announced_lines a ON a.line_key = l.line_key AND a.revision = l.revision
        WHERE l.announced <> (a.event_id IS NOT NULL)
           OR l.stands <> (l.revision = (SELECT max(n.revision) FROM report_lines n WHERE n.line_key = l.line_key))
           OR a.amended >= l.revision
        UNION ALL
        SELECT a.line_key, a.revision, NULL, NULL, a.event_id FROM announced_lines a
        WHERE NOT EXISTS (
            SELECT 1 FROM report_lines l WHERE l.line_key = a.line_key AND l.revision = a.revision)
        """,
    ),
    Check(
        "I26.told_as_they_stand",
        "what was told last of the match of a line is the match that stands",
        Moment.LIVE,
        "SELECT count(*) FROM announced_lines",
        f"""
        SELECT s.* FROM ({_STANDING}) s
        WHERE (s.payment_id IS NOT s.told_payment OR s.object_id IS NOT s.told_object)
        """,
    ),
    Check(
        "I26.told_as_kept",
        "every telling that is kept is in the outbox with the same words, and the outbox has no other",
        Moment.LIVE,
        "SELECT count(*) FROM kept_tellings",
        f"""
        SELECT event_id, kept, told FROM (
            SELECT event_id, max(kept) AS kept, max(told) AS told, min(day) AS day FROM (
                SELECT event_id, said AS kept, NULL AS told, day FROM kept_tellings
                UNION ALL SELECT event_id, NULL, said, day FROM told_tellings)
            GROUP BY event_id HAVING count(*) <> 2 OR max(kept) IS NOT max(told))
        WHERE NOT {_ARCHIVED.format("day")}
        """,
    ),
    Check(
        "I26.breaks_as_history_says",
        "every break stands where its history ends, and each of its steps starts where the one before it ended",
        Moment.LIVE,
        "SELECT count(*) FROM break_steps",
        """
        SELECT break_id, state AS stands, to_state AS ended FROM (
            SELECT b.break_id, b.state, (SELECT s.to_state FROM break_steps s WHERE s.break_id = b.break_id
                                          ORDER BY s.nth DESC LIMIT 1) AS to_state FROM breaks b)
        WHERE to_state IS NOT state
        UNION ALL
        SELECT break_id, from_state, former FROM (
            SELECT break_id, from_state, lag(to_state) OVER (PARTITION BY break_id ORDER BY nth) AS former
            FROM break_steps) WHERE from_state IS NOT former
        """,
    ),
    Check(
        "I26.decided_by_two",
        "breaks, terms, months, returns, adjustments and matches by hand were decided by two people, by two acts",
        Moment.LIVE,
        "SELECT count(*) FROM decided",
        f"""
        SELECT d.what, d.which, d.proposed_by, d.decided_by, d.action FROM decided d
        WHERE d.proposed_by IS NULL OR d.decided_by IS NULL OR d.proposed_by = d.decided_by
           OR NOT {_ARCHIVED.format("d.day")} AND (
              NOT EXISTS (SELECT 1 FROM reconciliation_acts a
                           WHERE a.target = d.which AND a.actor = d.decided_by
                             AND instr(d.action, '|' || a.action || '|') > 0)
              OR NOT EXISTS (SELECT 1 FROM reconciliation_acts a
                              WHERE a.target = d.which AND a.actor = d.proposed_by
                                AND instr(d.action, '|' || a.action || '|') = 0))
        """,
    ),
    Check(
        "I26.files_as_hashed",
        "the bytes of every file are those that its hash says, also the hash that a closed month was computed from",
        Moment.LIVE,
        "SELECT count(*) FROM stored_files",
        """
        SELECT f.file_id, f.sha, f.bytes, s.sha AS found, s.bytes AS found_bytes, NULL AS period FROM report_files f
        LEFT JOIN stored_files s ON s.file_id = f.file_id
        WHERE CASE WHEN f.bytes = 0 THEN s.sha IS NOT NULL ELSE s.sha IS NOT f.sha OR s.bytes IS NOT f.bytes END
        UNION ALL
        SELECT m.file_id, m.sha, NULL, f.sha, f.bytes, m.period FROM month_files m
        LEFT JOIN report_files f ON f.file_id = m.file_id WHERE f.sha IS NOT m.sha
        """,
    ),
    Check(
        "I26.months_roll_forward",
        "a closed month opens with what the one before closed with, moves to what it closes with, and names all of it",
        Moment.LIVE,
        "SELECT count(*) FROM month_rolls",
        """
        SELECT r.*, 'adds up' AS fails FROM month_rolls r
        WHERE r.closing <> r.opening + r.ours - r.theirs OR r.closing <> r.timing + r.broken + r.accepted
           OR r.period NOT IN (SELECT period FROM closed_months)
        UNION ALL
        SELECT r.*, 'opens with' FROM month_rolls r JOIN closed_months m ON m.period = r.period
        LEFT JOIN month_rolls f ON f.period = m.former AND f.leg = r.leg AND f.account = r.account
         AND f.currency = r.currency WHERE r.opening <> coalesce(f.closing, 0)
        UNION ALL
        SELECT f.*, 'is not taken over' FROM month_rolls f JOIN closed_months m ON m.former = f.period
        WHERE f.closing <> 0 AND NOT EXISTS (
            SELECT 1 FROM month_rolls r WHERE r.period = m.period AND r.leg = f.leg AND r.account = f.account
               AND r.currency = f.currency)
        UNION ALL
        SELECT r.*, 'positions of ' || b.band FROM month_rolls r
        JOIN (SELECT 'timing' AS band UNION ALL SELECT 'broken' UNION ALL SELECT 'accepted') b
        LEFT JOIN month_positions p ON p.period = r.period AND p.leg = r.leg AND p.account = r.account
         AND p.currency = r.currency AND p.band = b.band
        WHERE coalesce(p.net, 0) <> CASE b.band WHEN 'timing' THEN r.timing WHEN 'broken' THEN r.broken
                                    ELSE r.accepted END
        """,
    ),
    Check(
        "I26.months_keep_their_days",
        "the days of a closed month come to the words it was computed from, and to its payouts; all that is left has"
        " its share in a name",
        Moment.LIVE,
        "SELECT (SELECT count(*) FROM month_days) + (SELECT count(*) FROM month_explained)",
        """
        SELECT 'items' AS what, period, day, currency, sum(kept) AS kept, sum(closed) AS closed FROM (
            SELECT period, day, currency, items AS kept, 0 AS closed FROM month_days
            UNION ALL SELECT period, day, currency, 0, items FROM month_words)
        GROUP BY period, day, currency HAVING sum(kept) <> sum(closed)
        UNION ALL
        SELECT 'names', period, day, currency, named, remains FROM month_explained WHERE named <> remains
        UNION ALL
        SELECT 'payouts', period, NULL, currency, sum(kept), sum(closed) FROM (
            SELECT period, currency, net AS kept, 0 AS closed FROM month_explained
            UNION ALL SELECT period, currency, 0, ours FROM month_rolls WHERE leg = 'payout')
        WHERE period IN (SELECT period FROM closed_months WHERE former IS NULL AND keeps_days)
        GROUP BY period, currency HAVING sum(kept) <> sum(closed)
        UNION ALL
        SELECT 'month', period, day, currency, items, NULL FROM month_days
        WHERE period NOT IN (SELECT period FROM closed_months WHERE keeps_days)
        """,
    ),
)
