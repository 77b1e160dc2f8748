"""The statements that let a report's lines stand, in their order; each sees what those before it did.

A reading that was not announced is replaced where it lies: the ledger has not heard of it, and ``report_lines`` keeps
what every file said. One that was announced stays, and the next revision takes its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.reconciliation.adapters import tables

_SAYS: Final = ", ".join(tables.SETTLEMENT_LINE)
_REST: Final = ", ".join(column for column in tables.SETTLEMENT_LINE if column != "payout_id")


def _of(alias: str, columns: str) -> str:
    return ", ".join(f"{alias}.{column}" for column in columns.split(", "))


# Of a line that a file has twice, the first holds; the others are said to be in quarantine.
_SAID: Final = """
SELECT DISTINCT ON (line_id) * FROM {table} WHERE file_id = %(file_id)s ORDER BY line_id, line_number"""
REPEATED: Final = """
INSERT INTO quarantined_lines (file_id, line_number, code, field, expected, raw)
SELECT %(file_id)s, line_number, 'line_repeated', 'line_id', 'each id once in a file', line_id
  FROM (SELECT line_number, line_id, row_number() OVER (PARTITION BY line_id ORDER BY line_number) AS nth
          FROM {table} WHERE file_id = %(file_id)s) AS said
 WHERE nth > 1 ORDER BY line_number
"""
# What is paid out is not taken back to unpaid by a report that does not know of the payout yet.
_OTHERWISE: Final = f"""
(coalesce(s.payout_id, n.payout_id), {_of("s", _REST)}) IS DISTINCT FROM ({_of("n", _SAYS)})"""
# What could not be read may be what seems to be gone: such a file is not whole, and takes nothing away.
_STATED: Final = f"""
INSERT INTO stated_payouts (file_id, payout_id, currency, stated_net_minor, lines_net_minor, line_count, whole)
SELECT %(file_id)s, payout_id, net_currency, -sum(net_minor) FILTER (WHERE category = 'payout'),
       coalesce(sum(net_minor) FILTER (WHERE category <> 'payout'), 0), count(*) FILTER (WHERE category <> 'payout'),
       bool_or(category = 'payout') AND sum(net_minor) = 0 AND NOT EXISTS (
           SELECT FROM quarantined_lines AS q WHERE q.file_id = %(file_id)s AND q.code <> 'line_repeated')
  FROM ({_SAID.format(table="report_lines")}) AS s WHERE payout_id IS NOT NULL GROUP BY payout_id, net_currency
"""
_MONEY: Final = (
    "category",
    "currency",
    "gross_minor",
    "fee_currency",
    "fee_minor",
    "net_currency",
    "net_minor",
)
_KIND: Final = ("category", "currency", "fee_currency", "net_currency")


def _differ(columns: Sequence[str]) -> str:
    """Whether the file's word ``s`` says another of these than what stands, ``n``."""
    said, stands = (", ".join(f"{side}.{name}" for name in columns) for side in "sn")
    return f"({said}) IS DISTINCT FROM ({stands})"


# Lines that only earlier files have which stated the same payout in whole, as this one does. First those that this file
# lacks: joined the other way round each line of a payout would look through all lines of the payout.
_GONE: Final = """
WITH lacking AS MATERIALIZED (
    SELECT n.source, n.line_id, n.revision, n.payout_id, n.net_currency FROM settlement_lines AS n
      JOIN stated_payouts AS p
        ON p.file_id = %(file_id)s AND p.whole AND p.payout_id = n.payout_id AND p.currency = n.net_currency
     WHERE n.source = %(source)s AND n.stands AND NOT n.withdrawn
       AND NOT EXISTS (SELECT FROM report_lines AS r WHERE r.file_id = %(file_id)s AND r.line_id = n.line_id))
SELECT n.source, n.line_id, n.revision FROM lacking AS n
 WHERE EXISTS (SELECT FROM stated_payouts AS e JOIN report_files AS f USING (file_id)
                 JOIN report_lines AS r ON r.file_id = e.file_id AND r.payout_id = e.payout_id
                WHERE f.source = %(source)s AND e.whole AND e.file_id <> %(file_id)s AND e.payout_id = n.payout_id
                  AND e.currency = n.net_currency AND r.line_id = n.line_id)"""
# Lines that only this file has of those which stated the same payout in whole: the same as ``_GONE``, had this one come
# first. The last of the others is what lacks them: where another one has a line, it was asked about when that came.
# What the last one withdrew is another reading of a line that is there. Line by line, by key: of a file that nobody
# knows yet no plan is to be trusted.
_MORE: Final = f"""
WITH told AS MATERIALIZED (
    SELECT FROM stated_payouts AS p JOIN stated_payouts AS o USING (payout_id, currency)
      JOIN report_files AS f ON f.file_id = o.file_id
     WHERE p.file_id = %(file_id)s AND p.whole AND o.whole AND o.file_id <> p.file_id AND f.source = %(source)s LIMIT 1)
SELECT last.file_id, s.net_currency, s.gross_minor, s.net_minor FROM ({_SAID.format(table="report_lines")}) AS s
 CROSS JOIN LATERAL (
       SELECT o.file_id FROM stated_payouts AS p JOIN stated_payouts AS o USING (payout_id, currency)
         JOIN report_files AS f ON f.file_id = o.file_id
        WHERE p.file_id = %(file_id)s AND p.whole AND p.payout_id = s.payout_id AND p.currency = s.net_currency
          AND o.whole AND o.file_id <> p.file_id AND f.source = %(source)s
        ORDER BY f.staged_nth DESC LIMIT 1) AS last
 WHERE EXISTS (SELECT FROM told) AND s.category <> 'payout'
   AND (SELECT count(*) FROM report_lines AS r WHERE r.file_id = last.file_id AND r.line_id = s.line_id) = 0
   AND (SELECT count(*) FROM settlement_lines AS n
         WHERE n.source = %(source)s AND n.line_id = s.line_id AND n.stands AND n.file_id = last.file_id) = 0
   AND (SELECT count(*) FROM stated_payouts AS o JOIN report_files AS f USING (file_id)
          JOIN report_lines AS r ON r.file_id = o.file_id AND r.payout_id = o.payout_id
         WHERE f.source = %(source)s AND o.whole AND o.file_id <> %(file_id)s AND o.payout_id = s.payout_id
           AND o.currency = s.net_currency AND r.line_id = s.line_id) = 0"""
# No report says when it was made: a file that says other money than an earlier one may correct it, or be what that one
# corrected. Pieces of a feed are numbered by who sends them. A payout's own row is held to its lines elsewhere.
_CONTRADICTED: Final = f"""
INSERT INTO contradicted_files (file_id, former_file_id, currency, line_count, at_risk_minor)
SELECT %(file_id)s, former.file_id, o.currency, count(*), sum(o.minor)
  FROM (SELECT n.file_id, n.net_currency AS currency,
               CASE WHEN n.withdrawn OR s.payout_id <> n.payout_id OR {_differ(_KIND)}
                    THEN greatest(abs(s.gross_minor), abs(s.net_minor), abs(n.gross_minor), abs(n.net_minor))
                    ELSE greatest(abs(s.gross_minor - n.gross_minor), abs(s.fee_minor - n.fee_minor),
                                  abs(s.net_minor - n.net_minor)) END AS minor
          FROM ({_SAID.format(table="report_lines")}) AS s
          JOIN settlement_lines AS n ON n.source = %(source)s AND n.line_id = s.line_id AND n.stands
         WHERE (n.withdrawn OR s.payout_id <> n.payout_id OR {_differ(_MONEY)})
           AND (s.category, n.category) <> ('payout', 'payout')
        UNION ALL
        SELECT n.file_id, n.net_currency, greatest(abs(n.gross_minor), abs(n.net_minor))
          FROM ({_GONE}) AS gone JOIN settlement_lines AS n USING (source, line_id, revision)
         WHERE n.category <> 'payout'
        UNION ALL
        SELECT more.file_id, more.net_currency, greatest(abs(more.gross_minor), abs(more.net_minor))
          FROM ({_MORE}) AS more) AS o
  JOIN report_files AS former ON former.file_id = o.file_id
  JOIN report_files AS this ON this.file_id = %(file_id)s
 WHERE former.feed_sequence IS NULL OR this.feed_sequence IS NULL
 GROUP BY former.file_id, o.currency
"""
# Payouts that this file changes: those that it names, and those that its lines were in before.
_TOUCHED: Final = f"""
INSERT INTO payouts (processor, account, payout_id, currency, source, lines_net_minor, line_count)
SELECT %(processor)s, %(account)s, payout_id, net_currency, %(source)s, 0, 0
  FROM (SELECT payout_id, net_currency FROM report_lines WHERE file_id = %(file_id)s AND payout_id IS NOT NULL
        UNION
        SELECT n.payout_id, n.net_currency FROM ({_SAID.format(table="report_lines")}) AS s
          JOIN settlement_lines AS n ON n.source = %(source)s AND n.line_id = s.line_id AND n.stands
         WHERE n.payout_id IS NOT NULL) AS named
ON CONFLICT (processor, account, payout_id, currency) DO UPDATE
   SET stated_net_minor = NULL, lines_net_minor = 0, line_count = 0, bank_reference = NULL, expected_on = NULL
"""
# A run looks at it anew whatever changed: also where only the fee, the net or the rate did, which no match rests on.
_REPLACE: Final = f"""
WITH replaced AS (
UPDATE settlement_lines AS n
   SET (file_id, line_number, withdrawn, {_SAYS})
     = (s.file_id, s.line_number, false, coalesce(s.payout_id, n.payout_id), {_of("s", _REST)})
  FROM ({_SAID.format(table="report_lines")}) AS s
 WHERE n.source = %(source)s AND n.line_id = s.line_id AND n.stands AND NOT n.announced
   AND (n.withdrawn OR {_OTHERWISE})
RETURNING n.source, n.line_id)
INSERT INTO touched_lines (source, line_id, fresh) SELECT source, line_id, false FROM replaced ON CONFLICT DO NOTHING
"""
_OVERTAKE: Final = f"""
UPDATE settlement_lines AS n SET stands = false
  FROM ({_SAID.format(table="report_lines")}) AS s
 WHERE n.source = %(source)s AND n.line_id = s.line_id AND n.stands AND n.announced AND (n.withdrawn OR {_OTHERWISE})
"""
# Of a line that is there already its key says so, row by row: how a join would be planned for a table that is empty by
# then, and grows by this very statement, nobody could tell.
_ADD: Final = f"""
INSERT INTO settlement_lines (source, line_id, revision, file_id, line_number, {_SAYS})
SELECT %(source)s, s.line_id, 1, s.file_id, s.line_number, {_of("s", _SAYS)}
  FROM ({_SAID.format(table="report_lines")}) AS s
ON CONFLICT (source, line_id, revision) DO NOTHING
"""
# The newest revision stands, or none does: then it was just overtaken.
_ADD_NEXT: Final = f"""
INSERT INTO settlement_lines (source, line_id, revision, file_id, line_number, {_SAYS})
SELECT n.source, n.line_id, n.revision + 1, s.file_id, s.line_number, coalesce(s.payout_id, n.payout_id),
       {_of("s", _REST)}
  FROM ({_SAID.format(table="report_lines")}) AS s
  JOIN settlement_lines AS n ON n.source = %(source)s AND n.line_id = s.line_id AND NOT n.stands
 WHERE NOT EXISTS (SELECT FROM settlement_lines AS l
                    WHERE l.source = n.source AND l.line_id = n.line_id AND l.revision > n.revision)
"""
_NOTHING: Final = "gross_minor = 0, fee_minor = 0, net_minor = 0, fee_in_net_currency_minor = NULL"
_WITHDRAW_UNTOLD: Final = f"""
UPDATE settlement_lines AS n SET withdrawn = true, file_id = %(file_id)s, line_number = 0, {_NOTHING}
  FROM ({_GONE}) AS gone
 WHERE (n.source, n.line_id, n.revision) = (gone.source, gone.line_id, gone.revision) AND NOT n.announced
"""
# Inserted before the former revision stops to stand is not possible, and after it nobody knows which ones were gone:
# the revision that stops says so itself, by being announced, not withdrawn, and the last.
_WITHDRAW_TOLD: Final = f"""
WITH gone AS MATERIALIZED ({_GONE})
UPDATE settlement_lines AS n SET stands = false FROM gone
 WHERE (n.source, n.line_id, n.revision) = (gone.source, gone.line_id, gone.revision) AND n.announced
"""
_SAYS_NOTHING: Final = ", ".join(
    {
        "gross_minor": "0",
        "fee_minor": "0",
        "net_minor": "0",
        "fee_in_net_currency_minor": "NULL",
    }.get(column, column)
    for column in tables.SETTLEMENT_LINE
)
_ADD_WITHDRAWN: Final = f"""
INSERT INTO settlement_lines (source, line_id, revision, file_id, line_number, withdrawn, {_SAYS})
SELECT source, line_id, revision + 1, %(file_id)s, 0, true, {_SAYS_NOTHING}
  FROM settlement_lines AS n
 WHERE n.source = %(source)s AND NOT n.stands
   AND n.payout_id IN (SELECT payout_id FROM stated_payouts WHERE file_id = %(file_id)s AND whole)
   AND NOT EXISTS (SELECT FROM settlement_lines AS l
                    WHERE l.source = n.source AND l.line_id = n.line_id AND l.revision > n.revision)
"""
_SUM: Final = """
UPDATE payouts AS p
   SET stated_net_minor = summed.stated_net_minor, lines_net_minor = summed.lines_net_minor,
       line_count = summed.line_count, bank_reference = summed.bank_reference, expected_on = summed.expected_on,
       closed_at = coalesce(p.closed_at, CASE WHEN %(naming_closes)s OR summed.has_its_row
                                              THEN %(now)s::timestamptz END)
  FROM (SELECT n.payout_id, n.net_currency,
               bool_or(bool_or(category = 'payout')) OVER (PARTITION BY n.payout_id) AS has_its_row,
               -sum(net_minor) FILTER (WHERE category = 'payout') AS stated_net_minor,
               coalesce(sum(net_minor) FILTER (WHERE category <> 'payout'), 0) AS lines_net_minor,
               count(*) FILTER (WHERE category <> 'payout' AND NOT withdrawn) AS line_count,
               coalesce(max(n.bank_reference) FILTER (WHERE category = 'payout'), max(n.bank_reference))
                   AS bank_reference,
               max((n.available_on AT TIME ZONE 'UTC')::date) FILTER (WHERE category = 'payout') AS expected_on
          FROM settlement_lines AS n
          JOIN (SELECT DISTINCT payout_id FROM payouts WHERE source = %(source)s AND line_count = 0) AS touched
            USING (payout_id)
         WHERE n.source = %(source)s AND n.stands
         GROUP BY n.payout_id, n.net_currency) AS summed
 WHERE p.source = %(source)s AND (p.payout_id, p.currency) = (summed.payout_id, summed.net_currency)
"""
#: What a file says, once.
SETTLEMENT_SAYS: Final = (REPEATED.format(table="report_lines"), _STATED, _CONTRADICTED)
#: Has it stand: as it is staged, and whenever it is preferred to what came later.
SETTLEMENT_STANDS: Final = (
    _TOUCHED,
    _REPLACE,
    _OVERTAKE,
    _ADD,
    _ADD_NEXT,
    _WITHDRAW_UNTOLD,
    _WITHDRAW_TOLD,
    _ADD_WITHDRAWN,
    _SUM,
)

_COUNT: Final = """
SELECT count(*) AS lines, min({time}) AS period_from, max({time}) AS period_to,
       (SELECT count(*) FROM quarantined_lines WHERE file_id = %(file_id)s) AS quarantined
  FROM {table} WHERE file_id = %(file_id)s
"""
COUNTED: Final = {
    "settlement": _COUNT.format(table="report_lines", time="occurred_at"),
    "bank": _COUNT.format(table="statement_lines", time="booked_on"),
}
