"""The statements that look for what is wrong now, one row per subject, typed by the first-match table.

Written over everything; what a run that only looks at what changed joins beside it is marked (``/*of items*/`` and so
on) and filled in by :func:`narrowed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.reconciliation.adapters.bank_days_sql import (
    BANK_GRACE_DAYS,
    CALENDAR_OF_PAYOUT,
    in_time_before,
    late_on,
)
from services.reconciliation.adapters.exchange_sql import COMES_OUT, IN_SUSPENSE_WHOLE, WORKED_OUT
from services.reconciliation.adapters.fee_breaks_sql import FEES
from services.reconciliation.adapters.file_breaks_sql import FILES, GAPS, ORDERS, PAYOUT_TOTALS, SUBJECTS
from services.reconciliation.adapters.matching_sql import OF_SEVERAL
from services.reconciliation.domain.breaks import FIRST_MATCH, Sign
from services.reconciliation.domain.matching import BY_HAND, DIFFERS_FROM_RANK

#: A journal that has not come so long after its event is missed.
BOOKED_WITHIN_MINUTES: Final = 5


def _type(signs: Mapping[Sign, str]) -> str:
    """The break's type by the table of the first match, from one SQL condition per sign."""
    cases = [f"WHEN {signs[sign]} THEN '{kind.value}'" for sign, kind in FIRST_MATCH if sign in signs]
    return f"CASE {' '.join(cases)} END"


def _wanted(query: str) -> str:
    return f"""
INSERT INTO wanted_breaks (subject, type, currency, ours_minor, theirs_minor, processor, account, payment_id, since,
                           expected_by)
SELECT * FROM ({query}) AS found WHERE type IS NOT NULL
"""


_ITEMS_ALONE: Final = f"""
SELECT 'item:' || i.item_key,
       {
    _type(
        {
            Sign.KNOWN_AS_STRAY: "i.kind = 'stray'",
            Sign.REFUND_OVERDUE: "i.category = 'refund' AND i.lost_by <= %(as_of)s",
            Sign.LATE: "i.lost_by > %(as_of)s",
            Sign.OVERDUE: "i.lost_by <= %(as_of)s",
        }
    )
} AS type,
       i.currency, i.amount_minor, 0, i.processor, i.account, i.payment_id, i.occurred_at, i.expected_by
  FROM matchable_items AS i /*of items*/ LEFT JOIN claims AS c USING (item_key)
 WHERE c.match_id IS NULL AND i.standing = 'expected' AND i.expected_by <= %(as_of)s
"""
# All rows of the matches that are looked at; one of a line and an item has but one.
_CLAIMS: Final = f"""
            WITH looked_at AS (
                SELECT s.match_id, s.rule_rank, s.source, s.line_id, item_key
                  FROM claims AS s JOIN our_items AS o USING (item_key) /*of items*/
                 WHERE s.rule_rank >= {DIFFERS_FROM_RANK} OR s.rule_rank = {BY_HAND.rank} OR o.kind = 'stray')
            SELECT match_id, source, line_id, item_key FROM looked_at WHERE NOT {OF_SEVERAL}
            UNION ALL
            SELECT match_id, source, line_id, item_key FROM claims
             WHERE {OF_SEVERAL} AND match_id IN (SELECT match_id FROM looked_at)"""
_MATCHES: Final = f"""
SELECT 'line:' || m.match_id,
       {
    _type(
        {
            Sign.CURRENCY_DIFFERS: "m.currency <> m.line_currency",
            Sign.AMOUNT_DIFFERS: "abs(m.ours - m.theirs) > coalesce(t.tolerance_minor, 0)",
            Sign.KNOWN_AS_STRAY: "m.stray",
            Sign.WE_ARE_IN_DOUBT: "m.doubt",
        }
    )
} AS type,
       m.currency, m.ours, m.theirs, m.processor, m.account, m.payment_id, m.occurred_at, m.expected_by
  FROM (SELECT c.match_id, min(l.source) AS source, min(i.currency) AS currency, min(l.currency) AS line_currency,
               sum(i.amount_minor)::bigint AS ours, sum(l.gross_minor)::bigint AS theirs,
               bool_or(i.kind = 'stray') AS stray, bool_or(i.standing = 'in_doubt') AS doubt,
               min(i.processor) AS processor, min(i.account) AS account, min(i.payment_id) AS payment_id,
               min(i.occurred_at) AS occurred_at, min(i.expected_by) AS expected_by
          FROM ({_CLAIMS}) AS c LEFT JOIN matchable_lines AS l USING (source, line_id)
          LEFT JOIN our_items AS i USING (item_key)
         GROUP BY c.match_id) AS m
  LEFT JOIN tolerances AS t ON t.source = m.source AND t.currency = m.currency AND t.field = 'gross'
"""
_FEES: Final = f"""
SELECT 'line:' || f.match_id, {_type({Sign.FEE_DIFFERS: "abs(f.agreed - f.fee_minor) > f.tolerance"})} AS type,
       f.fee_currency, f.agreed, f.fee_minor, f.processor, f.account, f.payment_id, f.occurred_at, NULL::timestamptz
  FROM ({FEES}) AS f
 WHERE NOT EXISTS (SELECT FROM wanted_breaks AS w WHERE w.subject = 'line:' || f.match_id)
"""
# The object's or operation's item is claimed already, by another line.
_CLAIMED_ALREADY: Final = """l.category = 'charge' AND EXISTS (
               SELECT FROM our_items AS i JOIN claims USING (item_key)
                WHERE i.category = 'charge' AND i.processor = l.processor AND i.account = l.account
                  AND (i.object_id = l.object_id OR i.operation_id = l.our_reference
                       OR i.payment_id = l.our_reference))"""
# We hold the refund to have succeeded, and know of no failure of it.
_REFUND_STANDS: Final = """l.category = 'refund_failure' AND EXISTS (
               SELECT FROM our_items AS i
                WHERE i.category = 'refund' AND i.standing = 'expected' AND i.processor = l.processor
                  AND i.account = l.account AND i.object_id = l.object_id)
           AND NOT EXISTS (
               SELECT FROM our_items AS i
                WHERE i.category = 'refund_failure' AND i.processor = l.processor AND i.account = l.account
                  AND i.object_id = l.object_id)"""
_LINES_ALONE: Final = f"""
SELECT 'line:' || l.source || ':' || l.line_id,
       {
    _type(
        {
            Sign.SECOND_REFERENCE: _CLAIMED_ALREADY,
            Sign.WE_GAVE_UP: "g.name IS NOT NULL",
            Sign.WE_SAY_SUCCEEDED: _REFUND_STANDS,
            Sign.LINE_ALONE: "l.category <> 'refund'",
            Sign.REFUND_LINE_ALONE: "l.category = 'refund'",
        }
    )
} AS type,
       l.currency, 0, l.gross_minor, l.processor, l.account, g.payment_id, l.occurred_at, NULL::timestamptz
  FROM matchable_lines AS l /*of lines*/ LEFT JOIN claims AS c USING (source, line_id)
  LEFT JOIN given_up AS g ON g.name = l.our_reference AND g.category = l.category
 WHERE c.match_id IS NULL
UNION ALL
SELECT 'line:' || l.source || ':' || l.line_id, {
    _type({Sign.LINE_ALONE: "true"})
}, l.net_currency, 0, l.net_minor,
       s.processor, s.account, NULL, l.occurred_at, NULL
  FROM settlement_lines AS l JOIN sources AS s USING (source) /*of lines*/
 WHERE l.stands AND NOT l.withdrawn AND {IN_SUSPENSE_WHOLE} AND l.net_minor <> 0
"""
# What the ledger cannot post of a line but to suspense: a subject of its own, beside what is wrong with its match.
_RESIDUES: Final = f"""
SELECT 'residue:' || l.source || ':' || l.line_id, {_type({Sign.AMOUNT_DIFFERS: "true"})} AS type, l.net_currency,
       converted_minor, settled_minor, s.processor, s.account,
       (SELECT min(i.payment_id) FROM claims AS c JOIN our_items AS i USING (item_key)
         WHERE c.source = l.source AND c.line_id = l.line_id), l.occurred_at, NULL::timestamptz
  FROM settlement_lines AS l JOIN sources AS s USING (source) /*of lines*/ {WORKED_OUT}
 WHERE l.stands AND NOT l.withdrawn AND l.category <> 'payout' AND NOT {IN_SUSPENSE_WHOLE}
   AND NOT ({COMES_OUT}) AND unexplained_minor <> 0
"""
_PAYOUTS: Final = f"""
SELECT 'payout:' || p.processor || ':' || p.account || ':' || p.payout_id || ':' || p.currency,
       {
    _type(
        {
            Sign.PAYOUT_SHORT: "abs(p.net - p.paid) > p.tolerance AND sign(p.net - p.paid) = sign(p.net)"
            " AND p.late_on < (%(as_of)s AT TIME ZONE 'UTC')::date",
            Sign.BANK_LINE_LEFT: "abs(p.net - p.paid) > p.tolerance AND sign(p.net - p.paid) <> sign(p.net)",
        }
    )
} AS type,
       p.currency, p.net, p.paid, p.processor, p.account, NULL, p.closed_at,
       p.late_on::timestamp AT TIME ZONE 'UTC'
  FROM (SELECT p.processor, p.account, p.payout_id, p.currency, p.closed_at, p.lines_net_minor AS net,
               {late_on("coalesce(p.expected_on, (p.closed_at AT TIME ZONE 'UTC')::date)")} AS late_on,
               coalesce((SELECT sum(w.amount_minor) FROM payout_allocations AS w
                          WHERE (w.processor, w.account, w.payout_id, w.currency)
                              = (p.processor, p.account, p.payout_id, p.currency)), 0)::bigint AS paid,
               coalesce(t.tolerance_minor, 0) AS tolerance
          FROM payouts AS p {CALENDAR_OF_PAYOUT}
          LEFT JOIN tolerances AS t ON t.source = p.source AND t.currency = p.currency AND t.field = 'bank'
         WHERE p.closed_at IS NOT NULL /*of payouts*/) AS p
"""
_BANK: Final = f"""
SELECT 'bank:' || b.source || ':' || b.line_id, {_type({Sign.BANK_LINE_LEFT: "b.amount_minor <> b.allocated"})} AS type,
       b.currency, b.allocated, b.amount_minor, NULL, NULL, NULL, b.value_on::timestamp AT TIME ZONE 'UTC',
       NULL::timestamptz
  FROM (SELECT l.*, coalesce((SELECT sum(w.amount_minor) FROM payout_allocations AS w
                               WHERE w.source = l.source AND w.line_id = l.line_id), 0)::bigint AS allocated
          FROM bank_lines AS l WHERE l.stands AND NOT l.withdrawn /*of bank*/) AS b
"""
_UNPOSTED: Final = f"""
SELECT 'event:' || f.event_id, {_type({Sign.NO_JOURNAL: "true"})} AS type, f.currency, f.amount_minor, 0, NULL, NULL,
       f.payment_id, f.told_at, NULL::timestamptz
  FROM told_facts AS f /*of events*/
 WHERE f.told_at <= %(as_of)s - make_interval(mins => {BOOKED_WITHIN_MINUTES})
   AND NOT EXISTS (SELECT FROM journal_facts AS j WHERE j.cause_event_id = f.event_id)
UNION ALL
SELECT 'event:' || a.event_id, {_type({Sign.NO_JOURNAL: "true"})}, l.net_currency, 0, l.net_minor, s.processor,
       s.account, a.payment_id, a.announced_at, NULL
  FROM announced_lines AS a /*of events*/
  JOIN settlement_lines AS l USING (source, line_id, revision) JOIN sources AS s USING (source)
 WHERE a.announced_at <= %(as_of)s - make_interval(mins => {BOOKED_WITHIN_MINUTES})
   AND (l.gross_minor <> 0 OR l.net_minor <> 0 OR l.fee_minor <> 0)
   AND NOT EXISTS (SELECT FROM journal_facts AS j WHERE j.cause_event_id = a.event_id)
UNION ALL
SELECT 'event:' || p.event_id, {_type({Sign.NO_JOURNAL: "true"})}, p.currency, 0, p.amount_minor, p.processor,
       p.account, NULL, p.allocated_at, NULL
  FROM payout_allocations AS p /*of events*/
 WHERE p.allocated_at <= %(as_of)s - make_interval(mins => {BOOKED_WITHIN_MINUTES})
   AND NOT EXISTS (SELECT FROM journal_facts AS j WHERE j.cause_event_id = p.event_id)
"""
# A journal is explained by an event that we were told, or that we told ourselves; adjustments explain themselves.
_UNEXPLAINED: Final = f"""
SELECT 'journal:' || j.journal_id, {_type({Sign.NO_CAUSE: "true"})} AS type, j.currency, 0, j.amount_minor, NULL, NULL,
       j.payment_id, j.told_at, NULL::timestamptz
  FROM journal_facts AS j /*of causes*/
 WHERE j.told_at <= %(as_of)s - make_interval(mins => {BOOKED_WITHIN_MINUTES})
   AND split_part(j.cause_event_type, '.v', 1) <> ALL (%(explain_themselves)s)
   AND NOT EXISTS (SELECT FROM told_facts AS f WHERE f.event_id = j.cause_event_id)
   AND NOT EXISTS (SELECT FROM announced_lines AS a WHERE a.event_id = j.cause_event_id)
   AND NOT EXISTS (SELECT FROM payout_allocations AS p WHERE p.event_id = j.cause_event_id)
"""
#: What is done for a break that went away by itself: it follows from how the other breaks stand after they moved.
#: From the few wishes to their breaks, one by one: other breaks are not read.
UNFOUNDED: Final = f"""
SELECT 'adjustment:' || t.event_id AS subject, {_type({Sign.BOOKED_WITHOUT_BREAK: "true"})} AS type, a.currency,
       a.amount_minor AS ours_minor, 0::bigint AS theirs_minor, b.processor, b.account, b.payment_id,
       said.answered_at AS since, NULL::timestamptz AS expected_by
  FROM told_adjustments AS t JOIN break_adjustments AS a USING (break_id, proposed_at)
  JOIN asked_resolutions AS said ON said.event_id = t.event_id
 CROSS JOIN LATERAL (SELECT * FROM breaks WHERE break_id = t.break_id OFFSET 0) AS b
 WHERE b.state = 'SELF_CLOSED' AND said.outcome = 'applied'
UNION ALL
SELECT 'return:' || t.event_id, {_type({Sign.RETURNED_WITHOUT_BREAK: "true"})}, t.currency, t.amount_minor, 0::bigint,
       b.processor, b.account, t.payment_id, said.answered_at, NULL::timestamptz
  FROM told_returns AS t JOIN asked_resolutions AS said ON said.event_id = t.event_id
 CROSS JOIN LATERAL (SELECT * FROM breaks WHERE break_id = t.break_id OFFSET 0) AS b
 WHERE b.state = 'SELF_CLOSED' AND said.outcome = 'applied'
"""
_OF_ADJUSTMENTS: Final = "subject >= 'adjustment:' AND subject < 'adjustment;'"
_OF_RETURNS: Final = "subject >= 'return:' AND subject < 'return;'"
OF_ASKED: Final = f"(({_OF_ADJUSTMENTS}) OR ({_OF_RETURNS}))"
_PAYOUT_TOTALS: Final = f"""
SELECT 'total:' || p.processor || ':' || p.account || ':' || p.payout_id || ':' || p.currency,
       {_type({Sign.PAYOUT_STATED_OTHERWISE: "p.lines_net_minor <> p.stated_minor"})} AS type, p.currency,
       p.lines_net_minor, p.stated_minor, p.processor, p.account, NULL, p.stated_at, NULL::timestamptz
  FROM ({PAYOUT_TOTALS}) AS p
"""
_FILES: Final = f"""
SELECT 'file:' || f.file_id,
       {_type({Sign.STATEMENT_NOT_ADDING_UP: "f.differs", Sign.LINES_UNREAD: "true"})} AS type, f.currency,
       f.counted_minor, f.stated_minor, f.processor, f.account, NULL, f.since, NULL::timestamptz
  FROM ({FILES}) AS f
"""
_STATEMENTS: Final = f"""
SELECT 'statement:' || g.source || ':' || g.account_number || ':' || g.currency || ':' || g.former_on || ':'
       || g.opening_on || ':' || g.statement_id, {_type({Sign.NOT_CONTINUED: "true"})} AS type, g.currency,
       g.closed_minor, g.opening_minor, NULL, NULL, NULL, g.opening_on::timestamp AT TIME ZONE 'UTC', NULL::timestamptz
  FROM ({GAPS}) AS g
"""
_ORDERS: Final = f"""
SELECT 'order:' || o.file_id || ':' || o.former_file_id || ':' || o.currency,
       {_type({Sign.SAID_OTHERWISE: "true"})} AS type, o.currency, 0::bigint, o.at_risk_minor, o.processor, o.account,
       NULL, o.since, NULL::timestamptz
  FROM ({ORDERS}) AS o
"""
QUERIES: Final = tuple(
    _wanted(query)
    for query in (
        _ITEMS_ALONE, _MATCHES, _FEES, _LINES_ALONE, _RESIDUES, _PAYOUTS, _BANK, _UNPOSTED, _UNEXPLAINED,
        _PAYOUT_TOTALS, _FILES, _STATEMENTS, _ORDERS,
    )
)  # fmt: skip
#: Causes of journals that people decided or brought along, and that need no event of a payment.
EXPLAIN_THEMSELVES: Final = ("OperatorActed", "OperationResolved", "JournalImported")
#: What may have become late: the day until which it was in time is over since the last run.
_DUE_SINCE: Final = f"""AND coalesce(p.expected_on, (p.closed_at AT TIME ZONE 'UTC')::date)
           > {in_time_before("(%(since)s AT TIME ZONE 'UTC')::date")}
       AND coalesce(p.expected_on, (p.closed_at AT TIME ZONE 'UTC')::date)
           < (%(as_of)s AT TIME ZONE 'UTC')::date - {BANK_GRACE_DAYS}"""
_OF: Final[Mapping[str, str]] = {
    "/*of items*/": "JOIN suspect_items USING (item_key)",
    "/*of lines*/": "JOIN suspect_lines USING (source, line_id)",
    "/*of events*/": "JOIN suspect_events USING (event_id)",
    "/*of causes*/": "JOIN suspect_events AS cause ON cause.event_id = j.cause_event_id",
    "/*of payouts*/": _DUE_SINCE,
    "/*of bank*/": "AND false",
}
_OF_CHANGED_BANK: Final[Mapping[str, str]] = {**_OF, "/*of payouts*/": "", "/*of bank*/": ""}
_SUBJECTS: Final = """
SELECT subject FROM wanted_breaks
UNION ALL SELECT 'item:' || item_key FROM suspect_items
UNION ALL SELECT 'line:' || source || ':' || line_id FROM suspect_lines
UNION ALL SELECT 'residue:' || source || ':' || line_id FROM suspect_lines
UNION ALL SELECT 'event:' || event_id FROM suspect_events
UNION ALL SELECT 'journal:' || j.journal_id FROM journal_facts AS j /*of causes*/"""
_DUE_SUBJECTS: Final = f"""
UNION ALL SELECT 'payout:' || p.processor || ':' || p.account || ':' || p.payout_id || ':' || p.currency
  FROM payouts AS p WHERE p.closed_at IS NOT NULL {_DUE_SINCE}"""
_BANK_SUBJECTS: Final = f"""
UNION ALL SELECT subject FROM breaks
 WHERE (subject >= 'bank:' AND subject < 'bank;') OR (subject >= 'payout:' AND subject < 'payout;') OR {SUBJECTS}"""


def narrowed(query: str, *, bank_changed: bool) -> str:
    """The query over what changed only; payouts and the bank's lines are looked at whole if any of them did."""
    for mark, filled in (_OF_CHANGED_BANK if bank_changed else _OF).items():
        query = query.replace(mark, filled)
    return query


def suspects(*, bank_changed: bool) -> str:
    """Subjects of which a run that looks at what changed knows whether anything is wrong with them."""
    rest = _BANK_SUBJECTS if bank_changed else _DUE_SUBJECTS
    return narrowed(_SUBJECTS, bank_changed=bank_changed) + rest


#: What changed of our side or of the names that lines had can make another break of a line that nobody claimed.
SUSPECT: Final = (
    """
INSERT INTO suspect_lines
SELECT l.source, l.line_id
  FROM (SELECT i.object_id AS name FROM suspect_items JOIN our_items AS i USING (item_key)
         WHERE i.object_id IS NOT NULL
        UNION SELECT k FROM dirty_keys WHERE kind = 'object') AS named
  JOIN matchable_lines AS l ON l.object_id = named.name
  LEFT JOIN claims AS c ON c.source = l.source AND c.line_id = l.line_id
 WHERE c.match_id IS NULL ON CONFLICT DO NOTHING
""",
    """
INSERT INTO suspect_lines
SELECT DISTINCT l.source, l.line_id
  FROM (SELECT i.operation_id AS name FROM suspect_items JOIN our_items AS i USING (item_key)
         WHERE i.operation_id IS NOT NULL
        UNION SELECT i.payment_id FROM suspect_items JOIN our_items AS i USING (item_key)
        UNION SELECT k FROM dirty_keys WHERE kind IN ('operation', 'payment', 'named')) AS named
  JOIN matchable_lines AS l ON l.our_reference = named.name
  LEFT JOIN claims AS c ON c.source = l.source AND c.line_id = l.line_id
 WHERE c.match_id IS NULL ON CONFLICT DO NOTHING
""",
    """
INSERT INTO suspect_items
SELECT item_key FROM our_items WHERE expected_by > %(since)s AND expected_by <= %(as_of)s
UNION SELECT item_key FROM our_items WHERE lost_by > %(since)s AND lost_by <= %(as_of)s
    ON CONFLICT DO NOTHING
""",
)
#: Of events whose time has come, by the clock too: one that is looked at ahead of it is looked at again.
TAKE_EVENTS: Final = """
WITH due AS (SELECT DISTINCT event_id FROM touched_events WHERE look_at <= %(as_of)s),
taken AS (DELETE FROM touched_events WHERE look_at <= least(%(as_of)s, %(now)s))
INSERT INTO suspect_events SELECT event_id FROM due
"""
