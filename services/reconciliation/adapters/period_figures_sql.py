"""The statement that works a month out: every table that it reads is read as of one moment, as it is one statement.

Members are all money of a leg with the time at which it happened: our items and the processor's lines; what a payout
comes to and what the bank credited; the bank's lines and what they are for. Members of one subject before the month's
end either come to zero or are a position, which a break or a reason must name.
"""

from __future__ import annotations

from typing import Final

from services.reconciliation.adapters.bank_days_sql import CALENDAR_OF_PAYOUT, late_on
from services.reconciliation.adapters.breaks import STANDING
from services.reconciliation.adapters.day_pictures import BANDED, band_sql
from services.reconciliation.adapters.explained_days import DAYS, LEFT
from services.reconciliation.adapters.file_breaks_sql import HOLDING_UP
from services.reconciliation.adapters.our_items import ITEM
from services.reconciliation.domain.pictures import Band

_ITEMS: Final = """
SELECT 'processor' AS leg, coalesce(i.processor || ':' || i.account, '-') AS account, i.currency,
       CASE WHEN c.match_id IS NULL THEN 'item:' || i.item_key ELSE 'line:' || c.match_id END AS subject,
       i.amount_minor AS ours, 0::bigint AS theirs, i.occurred_at AS at, c.match_id IS NULL AS alone,
       i.standing = 'in_doubt' AS doubt, i.expected_by AS due_at, 0::bigint AS tolerance
  FROM matchable_items AS i LEFT JOIN claims AS c USING (item_key)
"""
_LINES: Final = """
SELECT 'processor', l.processor || ':' || l.account, l.currency,
       'line:' || coalesce(c.match_id, l.source || ':' || l.line_id), 0, l.gross_minor, l.occurred_at, false, false,
       NULL, coalesce(t.tolerance_minor, 0)
  FROM matchable_lines AS l LEFT JOIN claims AS c USING (source, line_id)
  LEFT JOIN tolerances AS t ON t.source = l.source AND t.currency = l.currency AND t.field = 'gross'
"""
_PAYOUT: Final = "'payout:' || p.processor || ':' || p.account || ':' || p.payout_id || ':' || p.currency"
_PAYOUTS: Final = f"""
SELECT 'payout', p.processor || ':' || p.account, p.currency, {_PAYOUT}, p.lines_net_minor, 0,
       p.due_on::timestamp AT TIME ZONE 'UTC', true, false,
       ({late_on("p.due_on")} + 1)::timestamp AT TIME ZONE 'UTC', coalesce(t.tolerance_minor, 0)
  FROM (SELECT *, coalesce(expected_on, (closed_at AT TIME ZONE 'UTC')::date) AS due_on FROM payouts) AS p
  {CALENDAR_OF_PAYOUT}
  LEFT JOIN tolerances AS t ON t.source = p.source AND t.currency = p.currency AND t.field = 'bank'
 WHERE p.closed_at IS NOT NULL
"""
_ALLOCATIONS: Final = """
  FROM payout_allocations AS p JOIN bank_lines AS b ON b.source = p.source AND b.line_id = p.line_id AND b.stands
"""
_CREDITS: Final = f"""
SELECT 'payout', p.processor || ':' || p.account, p.currency, {_PAYOUT}, 0, p.amount_minor,
       b.value_on::timestamp AT TIME ZONE 'UTC', false, false, NULL, 0 {_ALLOCATIONS}
"""
_BANK_ALLOCATED: Final = f"""
SELECT 'bank', p.source, p.currency, 'bank:' || p.source || ':' || p.line_id, p.amount_minor, 0,
       b.value_on::timestamp AT TIME ZONE 'UTC', false, false, NULL, 0 {_ALLOCATIONS}
"""
_BANK_LINES: Final = """
SELECT 'bank', source, currency, 'bank:' || source || ':' || line_id, 0, amount_minor,
       value_on::timestamp AT TIME ZONE 'UTC', false, false, NULL, 0
  FROM bank_lines WHERE stands AND NOT withdrawn
"""
_LEGS: Final = (_ITEMS, _LINES, _PAYOUTS, _CREDITS, _BANK_ALLOCATED, _BANK_LINES)
_MEMBERS: Final = " UNION ALL ".join(_LEGS)
_GROUPS: Final = f"""
SELECT leg, account, currency, subject, coalesce(sum(ours) FILTER (WHERE at < %(ends_at)s), 0)::bigint AS ours_minor,
       coalesce(sum(theirs) FILTER (WHERE at < %(ends_at)s), 0)::bigint AS theirs_minor,
       sum(ours) - sum(theirs) AS whole, bool_or(alone) AS alone, bool_or(doubt) AS doubt, max(due_at) AS due_at,
       max(tolerance) AS tolerance, min(at) AS since
  FROM ({_MEMBERS}) AS members GROUP BY leg, account, currency, subject
"""
# Without a break: what came together only after the month, may still come, or may differ by so much.
_NAMED_BY: Final = """
CASE WHEN b.type IS NOT NULL THEN b.type WHEN g.whole = 0 THEN 'matched_after_end' WHEN g.doubt THEN 'in_doubt'
     WHEN g.alone AND g.due_at > %(as_of)s THEN 'not_due' WHEN abs(g.whole) <= g.tolerance THEN 'within_tolerance' END
"""
_BAND: Final = band_sql(
    "b.type",
    "b.state",
    without_break="CASE WHEN g.whole <> 0 AND NOT g.doubt AND abs(g.whole) <= g.tolerance THEN 'accepted'"
    " ELSE 'timing' END",
)
_POSITIONS: Final = f"""
SELECT g.leg, g.account, g.currency, g.subject, {_BAND} AS band, {_NAMED_BY} AS named_by, b.state AS break_state,
       g.ours_minor, g.theirs_minor, g.since
  FROM groups AS g LEFT JOIN breaks AS b ON b.subject = g.subject AND b.state <> 'SELF_CLOSED'
 WHERE g.ours_minor <> g.theirs_minor
"""
# What moved is all that happened so far without what earlier months took in.
_ROLLS: Final = """
SELECT leg, account, currency, opening, coalesce(ours, 0) - coalesce(former_ours, 0) AS ours,
       coalesce(theirs, 0) - coalesce(former_theirs, 0) AS theirs, coalesce(timing, 0) AS timing,
       coalesce(broken, 0) AS broken, coalesce(accepted, 0) AS accepted
  FROM (SELECT leg, account, currency, sum(ours_minor) AS ours, sum(theirs_minor) AS theirs FROM groups
         GROUP BY leg, account, currency) AS now
  FULL JOIN (SELECT leg, account, currency, sum(ours_minor) AS former_ours, sum(theirs_minor) AS former_theirs,
                    sum(ours_minor - theirs_minor) AS opening
               FROM period_rolls WHERE period < %(period)s GROUP BY leg, account, currency) AS former
      USING (leg, account, currency)
  LEFT JOIN (SELECT leg, account, currency,
                    sum(ours_minor - theirs_minor) FILTER (WHERE band = 'timing') AS timing,
                    sum(ours_minor - theirs_minor) FILTER (WHERE band = 'broken') AS broken,
                    sum(ours_minor - theirs_minor) FILTER (WHERE band = 'accepted') AS accepted
               FROM positions GROUP BY leg, account, currency) AS open
      USING (leg, account, currency)
"""
_FILES: Final = """
SELECT f.file_id, f.nth, f.source, f.sha256 FROM report_files AS f
 WHERE f.state = 'STAGED' AND NOT EXISTS (
    SELECT FROM period_files AS p WHERE p.file_id = f.file_id AND p.period < %(period)s)
"""
# Before the first closed month nothing is late: all that lies before it is its own.
_CLOSED_BEFORE: Final = "EXISTS (SELECT FROM closed_periods WHERE period < %(period)s)"
_LATE: Final = f"""
SELECT 'item', i.item_key, i.currency, i.amount_minor, 1, i.occurred_at FROM matchable_items AS i
 WHERE {_CLOSED_BEFORE} AND i.occurred_at < %(starts_at)s AND NOT EXISTS (
    SELECT FROM period_items AS p WHERE p.item_key = i.item_key AND p.period < %(period)s)
UNION ALL
SELECT 'line', l.source || ':' || l.line_id, l.currency, l.gross_minor, l.revision, l.occurred_at
  FROM settlement_lines AS l JOIN files USING (file_id)
 WHERE {_CLOSED_BEFORE} AND l.stands AND l.category <> 'payout' AND l.occurred_at < %(starts_at)s
UNION ALL
SELECT 'bank_line', b.source || ':' || b.line_id, b.currency, b.amount_minor, b.revision,
       b.value_on::timestamp AT TIME ZONE 'UTC'
  FROM bank_lines AS b JOIN files USING (file_id)
 WHERE {_CLOSED_BEFORE} AND b.stands AND b.value_on < (%(starts_at)s AT TIME ZONE 'UTC')::date
"""
# The month's own days, of the first one all that lie before it as well; they stay as they are known now.
_BANDS: Final = ", ".join(f"{band.value}_minor" for band in Band)
_IN_BAND: Final = ", ".join(
    f"coalesce(sum(minor) FILTER (WHERE band = '{band.value}'), 0)::bigint" for band in Band
)
_DAYS: Final = f"""
SELECT day, currency, {_IN_BAND}, coalesce(sum(minor) FILTER (WHERE lone), 0)::bigint
  FROM ({BANDED}) AS banded GROUP BY day, currency
"""
_EXPLAINED: Final = ", ".join(("payouts", *LEFT, "named_by", "unnamed_minor"))
_COLUMNS: Final = ", ".join(ITEM)
# The last word that earlier months kept; only another one is kept again. What came while the run was at work, and
# happened after the month, no run has seen: the next month keeps it.
_NEW_WORDS: Final = f"""
SELECT {", ".join(f"i.{column}" for column in ITEM)} FROM our_items AS i
  LEFT JOIN (SELECT DISTINCT ON (item_key) * FROM period_items WHERE period < %(period)s
              ORDER BY item_key, period DESC) AS kept USING (item_key)
 WHERE (kept.item_key IS NULL OR (kept.event_id, kept.standing, kept.object_id)
    IS DISTINCT FROM (i.event_id, i.standing, i.object_id))
   AND NOT EXISTS (SELECT FROM touched_items AS t WHERE t.item_key = i.item_key)
"""
_HOLDING_UP: Final = ", ".join(f"'{kind.value}'" for kind in HOLDING_UP)
#: Differences that are said one by one when a month cannot be closed.
UNNAMED_MAX: Final = 20
_WRITE: Final = f"""
WITH groups AS MATERIALIZED ({_GROUPS}), positions AS MATERIALIZED ({_POSITIONS}), files AS MATERIALIZED ({_FILES}),
kept_positions AS (
    INSERT INTO period_positions (period, leg, account, currency, subject, band, named_by, break_state, ours_minor,
                                  theirs_minor, since)
    SELECT %(period)s, leg, account, currency, subject, band, named_by, break_state, ours_minor, theirs_minor, since
      FROM positions WHERE named_by IS NOT NULL),
kept_rolls AS (
    INSERT INTO period_rolls (period, leg, account, currency, opening_minor, ours_minor, theirs_minor, closing_minor,
                              timing_minor, broken_minor, accepted_minor)
    SELECT %(period)s, leg, account, currency, coalesce(opening, 0), ours, theirs, coalesce(opening, 0) + ours - theirs,
           timing, broken, accepted
      FROM ({_ROLLS}) AS rolls WHERE NOT EXISTS (SELECT FROM positions WHERE named_by IS NULL)),
kept_files AS (
    INSERT INTO period_files (period, file_id, nth, source, sha256)
    SELECT %(period)s, file_id, nth, source, sha256 FROM files),
kept_breaks AS (
    INSERT INTO period_breaks (period, break_id, subject, type, state, currency, at_risk_minor)
    SELECT %(period)s, break_id, subject, type, state, currency, at_risk_minor FROM breaks
     WHERE state IN ({STANDING})),
kept_days AS (
    INSERT INTO period_days (period, day, currency, {_BANDS}, lines_minor) SELECT %(period)s, * FROM ({_DAYS}) AS days),
kept_explained AS (
    INSERT INTO period_explained (period, day, currency, {_EXPLAINED})
    SELECT %(period)s, day, currency, {_EXPLAINED} FROM ({DAYS}) AS days),
kept_late AS (
    INSERT INTO period_late (period, kind, subject, currency, amount_minor, revision, happened_at)
    SELECT %(period)s, * FROM ({_LATE}) AS late){{kept_items}}
SELECT (SELECT count(*) FROM report_files WHERE state = 'RECEIVED'),
       (SELECT count(*) FROM touched_lines) + (SELECT count(*) FROM touched_bank) + (
           SELECT count(*) FROM touched_items JOIN our_items USING (item_key) WHERE occurred_at < %(ends_at)s),
       (SELECT count(*) FROM parked_keys),
       ARRAY(SELECT type || ' ' || subject FROM breaks
              WHERE type IN ({_HOLDING_UP}) AND state IN ({STANDING}) AND since < %(ends_at)s
              ORDER BY subject LIMIT {UNNAMED_MAX}),
       ARRAY(SELECT subject || ' ' || currency FROM positions WHERE named_by IS NULL
              ORDER BY subject, currency LIMIT {UNNAMED_MAX})
"""
#: Works it out, without keeping what is only needed to work it out once more.
TRY_OUT: Final = _WRITE.format(kept_items="")
WORK_OUT: Final = _WRITE.format(
    kept_items=f""",
kept_items AS (
    INSERT INTO period_items (period, {_COLUMNS}) SELECT %(period)s, new.* FROM ({_NEW_WORDS}) AS new)"""
)
