"""The statements that let a bank statement's lines stand, in their order; each sees what those before it did.

Which statement it is is said by account, id, sequence, currency and opening balance with its day: an id alone comes
again next year. A part of a statement is the same with another opening balance as well, as the part before it may have
been corrected. One that is whole corrects every earlier whole one that is the same, and one that the bank made before
a whole one that is here already changes nothing: so the order in which they come does not count.
"""

from __future__ import annotations

from typing import Final

from services.reconciliation.adapters import tables
from services.reconciliation.adapters.staging_sql import REPEATED

_BANK: Final = ", ".join(tables.BANK_LINE)


def _of(alias: str) -> str:
    return ", ".join(f"{alias}.{column}" for column in tables.BANK_LINE)


STATED_ACCOUNT: Final = """
SELECT coalesce(
    (SELECT h.account_number FROM statement_heads AS h JOIN report_files AS f USING (file_id)
      WHERE f.source = %(source)s ORDER BY f.staged_nth, h.nth LIMIT 1),
    (SELECT account_number FROM bank_lines WHERE source = %(source)s LIMIT 1))
"""
_OTHERS: Final = """
SELECT e.*, s.overtaken, f.staged_nth FROM statement_heads AS e
  JOIN stated_statements AS s ON (s.file_id, s.head) = (e.file_id, e.nth)
  JOIN report_files AS f ON f.file_id = e.file_id
 WHERE f.source = %(source)s AND s.whole AND e.file_id <> h.file_id
   AND (e.account_number, e.statement_id, e.sequence, e.currency, e.opening_on)
     = (h.account_number, h.statement_id, h.sequence, h.currency, h.opening_on)
   AND (e.opening_minor = h.opening_minor OR NOT h.opens)
   AND (coalesce(e.opens, true), coalesce(e.closes, true)) = (coalesce(h.opens, true), coalesce(h.closes, true))"""
# Whole: from a booked opening to a booked closing balance, or a part that says which it is; all between its balances
# comes to them, and every row was read.
_STATED: Final = f"""
INSERT INTO stated_statements (file_id, statement_id, head, whole, overtaken)
SELECT h.file_id, h.statement_id, h.nth,
       (h.final OR h.part IS NOT NULL) AND coalesce(h.closing_minor = h.opening_minor + coalesce((
           SELECT sum(l.amount_minor) FROM statement_lines AS l
            WHERE l.file_id = h.file_id AND l.line_number BETWEEN h.first_line AND h.last_line), 0), false)
       AND NOT EXISTS (SELECT FROM control_totals AS c
                        WHERE c.file_id = h.file_id AND c.stated_minor <> c.counted_minor)
       AND NOT EXISTS (SELECT FROM quarantined_lines AS q
                        WHERE q.file_id = h.file_id AND q.code <> 'line_repeated'),
       EXISTS (SELECT FROM ({_OTHERS}) AS e WHERE e.created_at > h.created_at)
  FROM statement_heads AS h WHERE h.file_id = %(file_id)s
"""
_SAID: Final = """
SELECT DISTINCT ON (l.line_id) l.* FROM statement_lines AS l
 WHERE l.file_id = %(file_id)s AND NOT EXISTS (
       SELECT FROM statement_heads AS h JOIN stated_statements AS s ON (s.file_id, s.head) = (h.file_id, h.nth)
        WHERE h.file_id = l.file_id AND s.overtaken AND l.line_number BETWEEN h.first_line AND h.last_line)
 ORDER BY l.line_id, l.line_number"""
# Lines that only earlier ones have, all of them whole readings of the same statement, as this one is.
_GONE: Final = f"""
  FROM stated_statements AS p JOIN statement_heads AS h ON (h.file_id, h.nth) = (p.file_id, p.head)
 {{joined}} p.file_id = %(file_id)s AND p.whole AND NOT p.overtaken
   AND n.source = %(source)s AND n.stands AND NOT n.withdrawn AND n.statement_id = h.statement_id
   AND NOT EXISTS (SELECT FROM statement_lines AS r WHERE r.file_id = %(file_id)s AND r.line_id = n.line_id)
   AND EXISTS (SELECT FROM ({_OTHERS}) AS e
                 JOIN statement_lines AS r ON r.file_id = e.file_id AND r.line_id = n.line_id
                WHERE r.line_number BETWEEN e.first_line AND e.last_line)
"""
# Lines that only this file has of the whole readings of one statement: the same as ``_GONE``, had this one come first.
# The last of those that the bank does not say to be older is what lacks them.
_MORE: Final = f"""
SELECT last.file_id, s.line_id, h.statement_id, s.currency, h.created_at, abs(s.amount_minor)
  FROM ({_SAID}) AS s
  JOIN statement_heads AS h ON h.file_id = %(file_id)s AND s.line_number BETWEEN h.first_line AND h.last_line
  JOIN stated_statements AS p ON (p.file_id, p.head) = (h.file_id, h.nth) AND p.whole
 CROSS JOIN LATERAL (
       SELECT e.file_id FROM ({_OTHERS}) AS e
        WHERE NOT e.overtaken AND NOT coalesce(e.created_at < h.created_at, false)
        ORDER BY e.staged_nth DESC LIMIT 1) AS last
 WHERE (SELECT count(*) FROM statement_lines AS r WHERE r.file_id = last.file_id AND r.line_id = s.line_id) = 0
   AND (SELECT count(*) FROM bank_lines AS n
         WHERE n.source = %(source)s AND n.line_id = s.line_id AND n.stands AND n.file_id = last.file_id) = 0
   AND (SELECT count(*) FROM ({_OTHERS}) AS e
          JOIN statement_lines AS r ON r.file_id = e.file_id AND r.line_id = s.line_id
         WHERE NOT e.overtaken AND r.line_number BETWEEN e.first_line AND e.last_line) = 0"""
# Of a statement that was made later, by the bank's own times, no one asks.
_CONTRADICTED: Final = f"""
INSERT INTO contradicted_files (file_id, former_file_id, currency, line_count, at_risk_minor)
SELECT %(file_id)s, o.file_id, o.currency, count(*), sum(o.minor)
  FROM (SELECT n.file_id, n.line_id, n.statement_id, n.currency, h.created_at,
               CASE WHEN n.withdrawn OR s.currency <> n.currency THEN greatest(abs(s.amount_minor), abs(n.amount_minor))
                    ELSE abs(s.amount_minor - n.amount_minor) END AS minor
          FROM ({_SAID}) AS s
          JOIN bank_lines AS n ON n.source = %(source)s AND n.line_id = s.line_id AND n.stands
          JOIN statement_heads AS h
            ON h.file_id = %(file_id)s AND s.line_number BETWEEN h.first_line AND h.last_line
         WHERE n.withdrawn OR (s.amount_minor, s.currency) <> (n.amount_minor, n.currency)
        UNION
        SELECT n.file_id, n.line_id, n.statement_id, n.currency, h.created_at, abs(n.amount_minor)
        {_GONE.format(joined="CROSS JOIN bank_lines AS n WHERE")}
        UNION
        {_MORE}) AS o
 WHERE NOT EXISTS (SELECT FROM statement_heads AS e
                    WHERE e.file_id = o.file_id AND e.statement_id = o.statement_id AND e.created_at < o.created_at)
 GROUP BY o.file_id, o.currency
"""
_OVERTAKE: Final = f"""
UPDATE bank_lines AS n SET stands = false
  FROM ({_SAID}) AS s
 WHERE n.source = %(source)s AND n.line_id = s.line_id AND n.stands
   AND (n.withdrawn OR ({_of("s")}) IS DISTINCT FROM ({_of("n")}))
"""
_ADD: Final = f"""
INSERT INTO bank_lines (source, line_id, revision, file_id, line_number, {_BANK})
SELECT %(source)s, s.line_id, coalesce(former.revision, 0) + 1, s.file_id, s.line_number, {_of("s")}
  FROM ({_SAID}) AS s
  LEFT JOIN bank_lines AS n ON n.source = %(source)s AND n.line_id = s.line_id AND n.stands
  LEFT JOIN LATERAL (SELECT max(revision) AS revision FROM bank_lines AS f
                      WHERE f.source = %(source)s AND f.line_id = s.line_id) AS former ON true
 WHERE n.line_id IS NULL
"""
_WITHDRAW: Final = f"""
UPDATE bank_lines AS n SET stands = false
{_GONE.format(joined="WHERE")}
"""
_SAYS_NOTHING: Final = ", ".join("0" if column == "amount_minor" else column for column in tables.BANK_LINE)
_ADD_WITHDRAWN: Final = f"""
INSERT INTO bank_lines (source, line_id, revision, file_id, line_number, withdrawn, {_BANK})
SELECT source, line_id, revision + 1, %(file_id)s, 0, true, {_SAYS_NOTHING}
  FROM bank_lines AS n
 WHERE n.source = %(source)s AND NOT n.stands
   AND n.statement_id IN (SELECT statement_id FROM stated_statements WHERE file_id = %(file_id)s AND whole)
   AND NOT EXISTS (SELECT FROM bank_lines AS l
                    WHERE l.source = n.source AND l.line_id = n.line_id AND l.revision > n.revision)
"""
#: What a file says, once; and what has it stand, as it is staged and whenever it is preferred to what came later.
BANK_SAYS: Final = (REPEATED.format(table="statement_lines"), _STATED, _CONTRADICTED)
BANK_STANDS: Final = (_OVERTAKE, _ADD, _WITHDRAW, _ADD_WITHDRAWN)
