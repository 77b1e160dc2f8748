"""What is read of the books: journals, entries, manual journals and who acted on them."""

from __future__ import annotations

from typing import Final

# Each with a journal that takes effect in it and is not sealed up to its close.
_CLOSED_PERIODS: Final = """
SELECT c.period, c.position, c.hash, encode(s.hash, 'hex'),
       (SELECT min(j.journal_id) FROM journals j LEFT JOIN seals o ON o.journal_position = j.position
         WHERE j.effective_at < c.ends_at AND coalesce(o.position > c.position, true))
  FROM closed_periods c LEFT JOIN seals s USING (shard, position)
"""
LEDGER: Final = (
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
            "SELECT import_id, encode(file_sha256, 'hex'), journals, begun_by, booked, begun_at::date::text"
            " FROM imports"
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
            "SELECT k.account_id, a.family, a.currency, k.clearing_key, k.net_minor"
            " FROM clearing_keys k LEFT JOIN accounts a ON a.account_id = k.account_id"
        ),
    ),
    (
        "folded_entries",
        (
            "SELECT e.account_id, e.clearing_key, sum(CASE e.side WHEN 'debit' THEN e.amount_minor"
            " ELSE -e.amount_minor END)::bigint, count(*) FROM entries e WHERE e.clearing_key IS NOT NULL"
            " AND e.journal_position <= (SELECT folded_position FROM clearing_progress) GROUP BY 1, 2"
        ),
    ),
)
