"""What is wrong with files themselves, as breaks: totals that do not come out, lines that nobody could read, and
statements of which one is missing between two.

A corrected file takes them away: a payout's own row is held to the lines that stand now, a file to whole readings of
the same payouts or statements in another one. Work is marked as in ``finding_breaks_sql``.
"""

from __future__ import annotations

from typing import Final

from services.reconciliation.domain.breaks import BreakType

#: What keeps a month from being closed while it stands.
HOLDING_UP: Final = (
    BreakType.PAYOUT_TOTAL_MISMATCH, BreakType.STATEMENT_TOTAL_MISMATCH, BreakType.UNREADABLE_LINES,
    BreakType.FILE_ORDER_UNKNOWN,
)  # fmt: skip
#: Subjects of these breaks, as ranges of text.
SUBJECTS: Final = " OR ".join(
    f"(subject >= '{what}:' AND subject < '{what};')" for what in ("file", "order", "statement", "total")
)

#: Payouts with a row of their own, in any currency, against what their lines come to.
PAYOUT_TOTALS: Final = """
SELECT p.*, coalesce(stated_net_minor, 0) AS stated_minor,
       coalesce(expected_on::timestamp AT TIME ZONE 'UTC', closed_at) AS stated_at
  FROM (SELECT *, bool_or(stated_net_minor IS NOT NULL) OVER (PARTITION BY source, payout_id) AS has_its_row
          FROM payouts WHERE closed_at IS NOT NULL /*of bank*/) AS p
 WHERE has_its_row"""

# Whether the file ``{p}`` settles the pair of files ``c``: it is one of both, or says all that both say. Of a payout or
# a statement that it states in whole it says every line, also that there is none.
SETTLES: Final = """
({p} IN (c.file_id, c.former_file_id) OR (
 EXISTS (SELECT FROM report_files AS a JOIN report_files AS b USING (source)
          WHERE a.file_id = {p} AND b.file_id = c.file_id)
 AND NOT EXISTS (
     SELECT FROM report_lines AS r WHERE r.file_id IN (c.file_id, c.former_file_id)
        AND NOT EXISTS (SELECT FROM report_lines AS o WHERE o.file_id = {p} AND o.line_id = r.line_id)
        AND NOT EXISTS (SELECT FROM stated_payouts AS w
                         WHERE w.file_id = {p} AND w.whole
                           AND (w.payout_id, w.currency) = (r.payout_id, r.net_currency)))
 AND NOT EXISTS (
     SELECT FROM statement_heads AS h WHERE h.file_id IN (c.file_id, c.former_file_id)
        AND NOT EXISTS (SELECT FROM statement_heads AS e
                          JOIN stated_statements AS w ON (w.file_id, w.head) = (e.file_id, e.nth)
                         WHERE w.file_id = {p} AND w.whole AND NOT w.overtaken
                           AND (e.account_number, e.statement_id, e.sequence, e.currency, e.opening_on)
                             = (h.account_number, h.statement_id, h.sequence, h.currency, h.opening_on)))))"""
# Files that say other money than one before them, of which no person said by then or later which one holds. What they
# contradict each other about happened in the time of one of both, whenever they came.
ORDERS: Final = f"""
SELECT c.*, s.processor, s.account, coalesce(least(f.period_from, e.period_from), f.received_at) AS since
  FROM contradicted_files AS c JOIN report_files AS f USING (file_id) JOIN sources AS s USING (source)
  JOIN report_files AS e ON e.file_id = c.former_file_id
 WHERE NOT EXISTS (SELECT FROM preferred_files AS p JOIN report_files AS a ON a.file_id = p.after_file_id
                    WHERE a.staged_nth >= f.staged_nth AND {SETTLES.format(p="p.file_id")}) /*of bank*/"""

# A file is made good where another one has all its payouts, or all its statements, in whole.
_PAYOUTS_ELSEWHERE: Final = """
EXISTS (SELECT FROM stated_payouts AS p WHERE p.file_id = f.file_id)
AND NOT EXISTS (
    SELECT FROM stated_payouts AS p
     WHERE p.file_id = f.file_id AND NOT EXISTS (
           SELECT FROM stated_payouts AS o JOIN report_files AS g USING (file_id)
            WHERE o.payout_id = p.payout_id AND o.currency = p.currency AND o.whole AND o.file_id <> p.file_id
              AND g.source = f.source))"""
_STATEMENTS_ELSEWHERE: Final = """
EXISTS (SELECT FROM statement_heads AS h WHERE h.file_id = f.file_id)
AND NOT EXISTS (
    SELECT FROM statement_heads AS h
     WHERE h.file_id = f.file_id AND NOT EXISTS (
           SELECT FROM statement_heads AS e JOIN stated_statements AS s ON (s.file_id, s.head) = (e.file_id, e.nth)
             JOIN report_files AS g ON g.file_id = e.file_id
            WHERE g.source = f.source AND s.whole AND e.file_id <> h.file_id
              AND (e.account_number, e.statement_id, e.sequence, e.currency, e.opening_on)
                = (h.account_number, h.statement_id, h.sequence, h.currency, h.opening_on)))"""
_BALANCES: Final = "opening + booked = closing"
#: Files that are read and not whole, each with the total that differs most; counts of rows are no money.
FILES: Final = f"""
SELECT f.file_id, s.processor, s.account, coalesce(f.period_from, f.received_at) AS since,
       t.file_id IS NOT NULL AS differs, coalesce(t.currency, l.currency, b.currency, 'XXX') AS currency,
       CASE WHEN t.name = '{_BALANCES}' THEN t.counted_minor ELSE 0 END AS counted_minor,
       CASE WHEN t.name = '{_BALANCES}' THEN t.stated_minor ELSE 0 END AS stated_minor
  FROM (SELECT file_id FROM control_totals WHERE stated_minor <> counted_minor
        UNION SELECT file_id FROM report_files WHERE quarantined_count > 0) AS suspected
  JOIN report_files AS f USING (file_id) JOIN sources AS s USING (source)
  LEFT JOIN LATERAL (
       SELECT * FROM control_totals AS c
        WHERE c.file_id = f.file_id AND s.kind = 'bank' AND c.stated_minor <> c.counted_minor
        ORDER BY c.name = '{_BALANCES}' DESC, abs(c.stated_minor - c.counted_minor) DESC, c.nth LIMIT 1) AS t ON true
  LEFT JOIN LATERAL (SELECT min(net_currency) AS currency FROM report_lines WHERE file_id = f.file_id) AS l ON true
  LEFT JOIN LATERAL (SELECT min(currency) AS currency FROM statement_lines WHERE file_id = f.file_id) AS b ON true
 WHERE f.state = 'STAGED' /*of bank*/
   AND (t.file_id IS NOT NULL OR EXISTS (
        SELECT FROM quarantined_lines AS q WHERE q.file_id = f.file_id AND q.code <> 'line_repeated'))
   AND NOT CASE s.kind WHEN 'bank' THEN {_STATEMENTS_ELSEWHERE} ELSE {_PAYOUTS_ELSEWHERE} END"""

# The last reading of each statement, from a booked opening to a booked closing balance, or the parts that have these.
# One that was preferred came last by then.
_READINGS: Final = """
SELECT DISTINCT ON (f.source, h.currency, h.account_number, h.statement_id, h.sequence, h.part, h.opening_on)
       f.source, h.account_number, h.currency, h.statement_id, h.nth, h.opening_on, h.opening_minor, h.closing_minor,
       coalesce(h.opens, true) AS opens, coalesce(h.closes, true) AS closes
  FROM statement_heads AS h JOIN stated_statements AS s ON (s.file_id, s.head) = (h.file_id, h.nth)
  JOIN report_files AS f ON f.file_id = h.file_id
  LEFT JOIN LATERAL (SELECT p.nth, a.staged_nth AS place FROM preferred_files AS p
                       JOIN report_files AS a ON a.file_id = p.after_file_id
                      WHERE p.file_id = h.file_id ORDER BY p.nth DESC LIMIT 1) AS last ON true
 WHERE NOT s.overtaken AND (h.final OR h.part IS NOT NULL) AND h.opening_on IS NOT NULL
   AND h.opening_minor IS NOT NULL AND h.closing_minor IS NOT NULL /*of bank*/
 ORDER BY f.source, h.currency, h.account_number, h.statement_id, h.sequence, h.part, h.opening_on,
          coalesce(last.place, f.staged_nth) DESC, last.nth DESC NULLS LAST, f.staged_nth DESC, h.nth DESC"""
#: Statements that open with what none closed with, neither of the day before that there is one of nor of their own.
#: Days without a statement are nothing: its money would show in the next opening balance.
GAPS: Final = f"""
WITH readings AS MATERIALIZED ({_READINGS})
SELECT r.source, r.account_number, r.currency, r.statement_id, r.opening_on, r.opening_minor, d.former_on,
       d.former[array_upper(d.former, 1)] AS closed_minor
  FROM readings AS r
  JOIN (SELECT source, currency, opening_on, closings, lag(closings) OVER before AS former,
               lag(opening_on) OVER before AS former_on
          FROM (SELECT source, currency, opening_on,
                       array_agg(closing_minor ORDER BY nth) FILTER (WHERE closes) AS closings
                  FROM readings GROUP BY source, currency, opening_on) AS days
        WINDOW before AS (PARTITION BY source, currency ORDER BY opening_on)) AS d USING (source, currency, opening_on)
 WHERE r.opens AND d.former IS NOT NULL AND r.opening_minor <> ALL (d.former)
   AND (SELECT count(*) FROM unnest(d.closings) AS c WHERE c = r.opening_minor)
     <= (r.closes AND r.opening_minor = r.closing_minor)::int"""
