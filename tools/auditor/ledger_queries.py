"""What is read of the books: journals, entries, manual journals and who acted on them."""

from __future__ import annotations

from typing import Final

# Each with a journal that takes effect in it and is not sealed up to its close. Every journal is asked once, of the
# first close behind its effect: it has to be sealed up to the lowest end that this close or a later one names.
_CLOSED_PERIODS: Final = """
WITH months AS MATERIALIZED (
    SELECT period, shard, position, hash, row_number() OVER (ORDER BY ends_at)::int AS nth,
           min(position) OVER (ORDER BY ends_at DESC) AS sealed_to
      FROM closed_periods
), ends AS MATERIALIZED (
    SELECT array_agg(ends_at ORDER BY ends_at) AS ends_at FROM closed_periods
), booked_later AS (
    SELECT m.nth, min(j.journal_id) AS journal_id
      FROM ends AS e JOIN journals AS j ON j.effective_at < e.ends_at[cardinality(e.ends_at)]
      JOIN months AS m ON m.nth = width_bucket(j.effective_at, e.ends_at) + 1
      LEFT JOIN seals AS o ON o.journal_position = j.position
     WHERE coalesce(o.position > m.sealed_to, true)
     GROUP BY m.nth
)
SELECT m.period, m.position, m.hash, encode(s.hash, 'hex'), b.journal_id
  FROM months AS m LEFT JOIN seals AS s USING (shard, position) LEFT JOIN booked_later AS b USING (nth)
"""
# Sums are those of the snapshot before and of what is sealed between the two, so that each entry is looked at once.
# As text: they may be larger than any integer of the scratch database.
_SNAPSHOTS: Final = """
WITH found AS MATERIALIZED (
    SELECT e.account_id, s.shard, p.position, count(*) AS entries,
           sum(e.amount_minor) FILTER (WHERE e.side = 'debit') AS debit_minor,
           sum(e.amount_minor) FILTER (WHERE e.side = 'credit') AS credit_minor
      FROM seals AS s JOIN entries AS e ON e.journal_position = s.journal_position
     CROSS JOIN LATERAL (
        SELECT position FROM account_snapshots AS a
         WHERE a.account_id = e.account_id AND a.shard = s.shard AND a.position >= s.position
         ORDER BY position LIMIT 1) AS p
     GROUP BY e.account_id, s.shard, p.position
)
SELECT a.account_id, a.position, a.entries, trim_scale(a.debit_minor)::text, trim_scale(a.credit_minor)::text,
       coalesce(sum(f.entries) OVER up_to, 0)::bigint, trim_scale(coalesce(sum(f.debit_minor) OVER up_to, 0))::text,
       trim_scale(coalesce(sum(f.credit_minor) OVER up_to, 0))::text
  FROM account_snapshots AS a LEFT JOIN found AS f USING (account_id, shard, position)
WINDOW up_to AS (PARTITION BY a.account_id, a.shard ORDER BY a.position)
"""
_SEALS: Final = """
SELECT s.shard, s.position, s.journal_position, (s.position = 1 + lag(s.position, 1, 0::bigint) OVER w)::int,
       (s.hash = sha256('tieout-seal-1'::bytea || int2send(s.shard) || int8send(s.position)
            || int8send(s.journal_position) || int8send((extract(epoch FROM s.sealed_at) * 1000000)::bigint)
            || coalesce(lag(s.hash) OVER w, decode(repeat('00', 32), 'hex')) || s.digest))::int,
       (j.position IS NOT NULL)::int
  FROM seals AS s LEFT JOIN journals AS j ON j.position = s.journal_position
WINDOW w AS (PARTITION BY s.shard ORDER BY s.position)
"""
_SEALED_UP_TO: Final = """
SELECT h.shard, h.settled_position, count(j.position), min(j.journal_id)
  FROM seal_shards AS h LEFT JOIN journals AS j ON j.position <= h.settled_position
   AND NOT EXISTS (SELECT FROM seals AS s WHERE s.journal_position = j.position)
 GROUP BY h.shard, h.settled_position
"""
_HEADS: Final = """
SELECT h.position, h.journal_id, h.hash, j.journal_id, encode(s.hash, 'hex')
  FROM seal_heads AS h LEFT JOIN seals AS s USING (shard, position)
  LEFT JOIN journals AS j ON j.position = s.journal_position
"""
LEDGER: Final = (
    ("snapshots", _SNAPSHOTS),
    ("seals", _SEALS),
    ("sealed_up_to", _SEALED_UP_TO),
    ("seal_heads", _HEADS),
    (
        "journals",
        (
            "SELECT position, journal_id, rule, cause_event_id, fact_key, subject, payment_id, merchant_id, currency,"
            " amount_minor, reverses_position, entry_count, booked_at::date::text, cause_event_type FROM journals"
        ),
    ),
    (
        "entries",
        (
            "SELECT e.journal_position, e.line, a.family, a.owner, e.currency, e.clearing_key,"
            " CASE e.side WHEN 'debit' THEN e.amount_minor ELSE -e.amount_minor END"
            " FROM entries e LEFT JOIN accounts a ON a.account_id = e.account_id"
        ),
    ),
    ("closed_periods", _CLOSED_PERIODS),
    ("line_matches", "SELECT line_key, revision, number, clearing_key FROM line_matches"),
    (
        "adjustments",
        (
            "SELECT adjustment_id, template, amount_minor, currency, parameters->>'merchant_id',"
            " parameters->>'clearing_key', reverses_adjustment_id, state, proposed_by, decided_by, journal_id,"
            " proposed_at::date::text FROM adjustments"
        ),
    ),
    (
        "imports",
        (
            "SELECT import_id, encode(file_sha256, 'hex'), journals, begun_by, booked, two_people::int,"
            " begun_at::date::text FROM imports"
        ),
    ),
    (
        "import_proposals",
        (
            "SELECT import_id, encode(file_sha256, 'hex'), journals, state, proposed_by, decided_by,"
            " proposed_at::date::text FROM import_proposals"
        ),
    ),
    (
        "operator_acts",
        (
            "SELECT event_id, j->>'action', j->>'target', j->>'actor', j->>'reason' FROM outbox,"
            " LATERAL (SELECT convert_from(payload, 'UTF8')::jsonb AS j) AS parsed"
            " WHERE event_type = 'OperatorActed.v1'"
        ),
    ),
    (
        "folded_keys",
        (
            # As text: such a sum may be larger than any integer of the scratch database.
            "SELECT k.account_id, a.family, a.currency, k.clearing_key, trim_scale(k.net_minor)::text"
            " FROM clearing_keys k LEFT JOIN accounts a ON a.account_id = k.account_id"
        ),
    ),
    (
        "folded_entries",
        (
            "SELECT e.account_id, e.clearing_key, sum(CASE e.side WHEN 'debit' THEN e.amount_minor"
            " ELSE -e.amount_minor END)::text, count(*) FROM entries e WHERE e.clearing_key IS NOT NULL"
            " AND e.journal_position <= (SELECT folded_position FROM clearing_progress) GROUP BY 1, 2"
        ),
    ),
)
