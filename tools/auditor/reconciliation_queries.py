"""What is read of reconciliation: lines, our side, matches, breaks, credits, months; and what it told and kept of that.

Each row names the table of the copy, its columns, and the query that fills it. Everything is read in one snapshot, so
whatever no run has seen yet is there as unseen beside what runs made of the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

#: What a run counts as late or tolerates, it does as of its own moment.
_LAST_RUN: Final = "(SELECT as_of FROM runs ORDER BY nth DESC LIMIT 1)"
_LINE: Final = "concat_ws(':', {0}.source, {0}.line_id)"
_PAYOUT: Final = "concat_ws(':', {0}.processor, {0}.account, {0}.payout_id)"
#: Business days that the bank has, after the day on which a payout is expected; no calendar closes for so many days.
_BANK_GRACE_DAYS: Final = 2
_CLOSED_DAYS_MAX: Final = 200
_PAYOUTS: Final = f"""
SELECT {_PAYOUT.format("p")}, source, currency, lines_net_minor, (closed_at IS NOT NULL)::int,
       (SELECT count(*) > {_BANK_GRACE_DAYS}
          FROM generate_series(0, least(({_LAST_RUN} AT TIME ZONE 'UTC')::date - due_on, {_CLOSED_DAYS_MAX}) - 1) AS n
         WHERE extract(isodow FROM due_on + n) < 6 AND due_on + n <> ALL (coalesce(calendar.holidays, '{{}}')))::int
  FROM (SELECT *, coalesce(expected_on, (closed_at AT TIME ZONE 'UTC')::date) AS due_on FROM payouts) AS p
  LEFT JOIN LATERAL (
    SELECT holidays FROM terms AS t
     WHERE kind = 'calendar' AND t.processor = p.processor AND state = 'APPROVED'
       AND greatest(valid_from, decided_at) <= {_LAST_RUN}
     ORDER BY greatest(valid_from, decided_at) DESC, nth DESC LIMIT 1) AS calendar ON true
"""

# One telling as one text, so that what was told and what is kept of it are compared whatever they are about.
_SAID: Final = """jsonb_build_array({type}, {line}, {revision}, {number}, {payment}, {object}, {amount}, {currency},
    {rest})::text"""
_TOLD: Final = f"""
SELECT event_id, {
    _SAID.format(
        type="left(event_type, -3)",
        line="concat_ws(':', j->>'source', j->>'line_id', j->>'payout_of_credit', j->>'break_id')",
        revision="j->'revision'",
        number="coalesce(j->'match_number', j->'allocation_number')",
        payment="CASE WHEN event_type <> 'SettlementLineUnmatched.v1' THEN j->>'payment_id' END",
        object="CASE WHEN event_type <> 'SettlementLineUnmatched.v1' THEN j->>'object_id' END",
        amount="coalesce(j->'gross_minor', j->'amount_minor')",
        currency="j->>'currency'",
        rest="j->'net_minor', j->'fee_minor', j->>'proposed_by', j->>'approved_by'",
    )
}, created_on::text FROM (
    SELECT outbox.*, j || CASE WHEN event_type IN ('BankCreditAllocated.v1', 'PayoutReturned.v1')
           THEN jsonb_build_object('payout_of_credit', concat_ws(':', j->>'processor', j->>'account', j->>'payout_id'))
           ELSE '{{}}' END AS j
      FROM outbox, LATERAL (SELECT convert_from(payload, 'UTF8')::jsonb AS j) AS parsed
     WHERE topic = 'reconciliation.events' AND event_type <> 'OperatorActed.v1') AS told
"""


def _kept(table: str, at: str, **said: str) -> str:
    names = ("type", "line", "revision", "number", "payment", "object", "amount", "currency")
    filled = {name: said.get(name, "NULL::text") for name in names}
    text = _SAID.format(**filled, rest=said.get("rest", "NULL::text, NULL::text, NULL::text, NULL::text"))
    return f"SELECT event_id, {text}, {at}::date::text FROM {table}"


_OF_LINE: Final = "JOIN settlement_lines AS l USING (source, line_id, revision)"
_KEPT: Final = " UNION ALL ".join(
    (
        _kept(
            f"announced_lines AS t {_OF_LINE}", "announced_at", line=_LINE.format("t"), revision="revision",
            type="CASE WHEN revision = 1 THEN 'SettlementLineAccepted' ELSE 'SettlementLineAmended' END",
            payment="t.payment_id", object="t.object_id", amount="l.gross_minor", currency="l.currency",
            rest="l.net_minor, l.fee_minor, NULL::text, NULL::text",
        ),
        _kept(
            f"told_matches AS t {_OF_LINE}", "told_at", line=_LINE.format("t"), revision="revision",
            type="CASE WHEN t.payment_id IS NULL THEN 'SettlementLineUnmatched' ELSE 'SettlementLineMatched' END",
            number="match_number", payment="t.payment_id", object="t.object_id", amount="l.gross_minor",
            currency="l.currency",
        ),
        _kept(
            "payout_allocations AS t", "allocated_at", line=f"{_LINE.format('t')} || ':' || {_PAYOUT.format('t')}",
            type="CASE WHEN returned THEN 'PayoutReturned' ELSE 'BankCreditAllocated' END",
            number="CASE WHEN NOT returned THEN allocation_number END", currency="currency",
            amount="CASE WHEN returned THEN -amount_minor ELSE amount_minor END",
        ),
        _kept(
            f"told_objects AS t {_OF_LINE}", "told_at", type="'ObjectReported'", line=_LINE.format("t"),
            revision="revision", payment="t.payment_id", object="t.object_id", amount="abs(l.gross_minor)",
            currency="l.currency",
        ),
        _kept(
            "told_returns", "told_at", type="'StrayReturnProposed'", line="break_id", payment="payment_id",
            object="object_id", amount="amount_minor", currency="currency",
            rest="NULL::text, NULL::text, proposed_by, approved_by",
        ),
        _kept(
            "told_adjustments JOIN break_adjustments USING (break_id, proposed_at)", "told_at",
            type="'AdjustmentProposed'", line="break_id", amount="amount_minor", currency="currency",
            rest="NULL::text, NULL::text, proposed_by, approved_by",
        ),
        _kept("withdrawn_adjustments", "withdrawn_at", type="'AdjustmentWithdrawn'", line="break_id"),
        _kept(
            "withdrawn_returns", "withdrawn_at", type="'StrayReturnWithdrawn'", line="break_id", payment="payment_id"
        ),
    )
)  # fmt: skip
_UNSEEN: Final = f"""
SELECT 'line', {_LINE.format("t")} FROM touched_lines AS t
UNION ALL SELECT 'item', item_key FROM touched_items
UNION ALL SELECT 'match', {_LINE.format("t")} FROM untold_lines AS t
UNION ALL SELECT 'bank', what FROM touched_bank
UNION ALL SELECT 'rules', what FROM touched_rules
"""
_TOLERANCES: Final = f"""
SELECT source, currency, field, tolerance_minor FROM (
    SELECT DISTINCT ON (source, currency, field) * FROM terms
     WHERE kind = 'tolerance' AND state = 'APPROVED' AND greatest(valid_from, decided_at) <= {_LAST_RUN}
     ORDER BY source, currency, field, greatest(valid_from, decided_at) DESC, nth DESC) AS newest
 WHERE NOT ended
"""
#: What two people decide, and under which words their acts were told.
_DECIDED: Final = """
SELECT 'break', b.break_id, b.proposed_by, b.approved_by, '|break_resolved|break_resolution_asked|',
       b.opened_at::date::text FROM breaks AS b WHERE b.state IN ('APPLYING', 'RESOLVED')
UNION ALL
SELECT 'term', term_id, proposed_by, decided_by, '|term_approved|', proposed_at::date::text FROM terms
 WHERE state = 'APPROVED' AND decided_by <> 'migration'
UNION ALL
SELECT 'month', close_id, proposed_by, decided_by, '|period_closed|', proposed_at::date::text FROM period_closes
 WHERE state = 'APPROVED'
UNION ALL
SELECT 'return', break_id, t.proposed_by, t.approved_by, '|break_resolved|break_resolution_asked|',
       b.opened_at::date::text
  FROM told_returns AS t JOIN breaks AS b USING (break_id)
UNION ALL
SELECT 'adjustment', break_id, a.proposed_by, t.approved_by, '|break_resolved|break_resolution_asked|',
       a.proposed_at::date::text
  FROM told_adjustments AS t JOIN break_adjustments AS a USING (break_id, proposed_at)
UNION ALL
SELECT 'match by hand', hand_match_id, proposed_by, approved_by, '|hand_match_approved|', proposed_at::date::text
  FROM hand_matches WHERE approved_by IS NOT NULL
UNION ALL
SELECT 'match taken back', hand_match_id, back_proposed_by, back_approved_by, '|hand_match_taken_back|',
       proposed_at::date::text
  FROM hand_matches WHERE state = 'TAKEN_BACK'
"""
# What is in force by hand: each line and each item of it.
_HAND_MEMBERS: Final = f"""
SELECT hand_match_id, {_LINE.format("a")}, NULL::text FROM agreed_lines AS a
UNION ALL SELECT hand_match_id, NULL, item_key FROM agreed_items
"""
# The words of our side that a closed month was computed from: of each item the last that it or an earlier one kept.
# What happened before the first month belongs to it.
_KEEPING: Final = """
SELECT period, starts, ends_at FROM (
    SELECT period, keeps_days, ends_at, coalesce(lag(ends_at) OVER (ORDER BY ends_at), '-infinity') AS starts
      FROM closed_periods) AS closed WHERE keeps_days
"""
_MONTH_WORDS: Final = f"""
SELECT m.period, (i.occurred_at AT TIME ZONE 'UTC')::date::text, i.currency, sum(abs(i.amount_minor))::bigint
  FROM ({_KEEPING}) AS m JOIN period_items AS i
    ON i.period <= m.period AND i.occurred_at >= m.starts AND i.occurred_at < m.ends_at
 WHERE i.standing IN ('expected', 'in_doubt') AND NOT EXISTS (
    SELECT FROM period_items AS n WHERE n.item_key = i.item_key AND n.period > i.period AND n.period <= m.period)
 GROUP BY 1, 2, 3
"""
_MONTH_EXPLAINED: Final = """
SELECT period, day::text, currency, net_minor, unexplained_minor + residue_minor + unallocated_minor,
       unnamed_minor + coalesce((SELECT sum((n->>'minor')::bigint) FROM jsonb_array_elements(named_by) AS n), 0)::bigint
  FROM period_explained
"""

RECONCILIATION_TABLES: Final[tuple[tuple[str, tuple[str, ...], str], ...]] = (
    (
        "report_lines",
        (
            "line_key", "source", "revision", "stands", "withdrawn", "announced", "owner", "payout_key", "category",
            "object_id", "currency", "gross", "fee_currency", "fee", "net_currency", "net",
        ),
        (
            f"SELECT {_LINE.format('l')}, source, revision, stands::int, withdrawn::int, announced::int,"
            " concat_ws(':', s.processor, s.account), concat_ws(':', s.processor, s.account, payout_id), category,"
            " object_id, currency, gross_minor, fee_currency, fee_minor, net_currency, net_minor"
            " FROM settlement_lines AS l JOIN sources AS s USING (source) WHERE category <> 'payout'"
        ),
    ),
    (
        "announced_lines",
        ("line_key", "revision", "event_id", "amended", "payment_id", "object_id"),
        (
            f"SELECT {_LINE.format('a')}, revision, event_id, amended_revision, payment_id, object_id"
            " FROM announced_lines AS a"
        ),
    ),
    (
        "told_matches",
        ("line_key", "revision", "number", "payment_id", "object_id"),
        f"SELECT {_LINE.format('m')}, revision, match_number, payment_id, object_id FROM told_matches AS m",
    ),
    (
        "our_items",
        (
            "item_key", "category", "standing", "payment_id", "owner", "object_id", "amount", "currency", "due",
        ),
        (
            "SELECT item_key, category, standing, payment_id, concat_ws(':', processor, account), object_id,"
            f" amount_minor, currency, coalesce(expected_by <= {_LAST_RUN}, false)::int FROM our_items"
        ),
    ),
    (
        "matched",
        ("match_id", "rule", "line_key", "item_key"),
        f"SELECT match_id, rule, nullif({_LINE.format('c')}, ''), item_key FROM claims AS c",
    ),
    ("hand_members", ("hand_match_id", "line_key", "item_key"), _HAND_MEMBERS),
    ("unseen", ("what", "which"), _UNSEEN),
    (
        "payouts",
        ("payout_key", "source", "currency", "net", "closed", "late"),
        _PAYOUTS,
    ),
    (
        "bank_lines",
        ("line_key", "currency", "amount"),
        (
            f"SELECT {_LINE.format('b')}, currency, amount_minor FROM bank_lines AS b"
            " WHERE stands AND NOT withdrawn"
        ),
    ),
    (
        "allocations",
        ("event_id", "line_key", "payout_key", "amount", "currency", "returned"),
        (
            f"SELECT event_id, {_LINE.format('a')}, {_PAYOUT.format('a')}, amount_minor, currency, returned::int"
            " FROM payout_allocations AS a"
        ),
    ),
    (
        "breaks",
        ("break_id", "subject", "type", "state", "currency", "excess"),
        "SELECT break_id, subject, type, state, currency, theirs_minor - ours_minor FROM breaks",
    ),
    (
        "break_steps",
        ("break_id", "nth", "from_state", "to_state"),
        "SELECT break_id, nth, from_state, to_state FROM break_history",
    ),
    ("tolerances", ("source", "currency", "field", "tolerance"), _TOLERANCES),
    ("kept_tellings", ("event_id", "said", "day"), _KEPT),
    ("told_tellings", ("event_id", "said", "day"), _TOLD),
    (
        "heard_journals",
        ("journal_id", "rule", "cause_event_id", "currency", "amount"),
        "SELECT journal_id, rule, cause_event_id, currency, amount_minor FROM journal_facts",
    ),
    ("decided", ("what", "which", "proposed_by", "decided_by", "action", "day"), _DECIDED),
    (
        "reconciliation_acts",
        ("action", "target", "actor"),
        (
            "SELECT j->>'action', j->>'target', j->>'actor' FROM outbox,"
            " LATERAL (SELECT convert_from(payload, 'UTF8')::jsonb AS j) AS parsed"
            " WHERE event_type = 'OperatorActed.v1'"
        ),
    ),
    (
        "report_files",
        ("file_id", "sha", "bytes"),
        "SELECT file_id, encode(sha256, 'hex'), byte_count FROM report_files",
    ),
    (
        "month_files",
        ("period", "file_id", "sha"),
        "SELECT period, file_id, encode(sha256, 'hex') FROM period_files",
    ),
    (
        "closed_months",
        ("period", "former", "keeps_days"),
        "SELECT period, lag(period) OVER (ORDER BY ends_at), keeps_days::int FROM closed_periods",
    ),
    (
        "month_rolls",
        (
            "period", "leg", "account", "currency", "opening", "ours", "theirs", "closing", "timing", "broken",
            "accepted",
        ),
        (
            "SELECT period, leg, account, currency, opening_minor, ours_minor, theirs_minor, closing_minor,"
            " timing_minor, broken_minor, accepted_minor FROM period_rolls"
        ),
    ),
    (
        "month_positions",
        ("period", "leg", "account", "currency", "band", "net"),
        (
            "SELECT period, leg, account, currency, band, sum(ours_minor - theirs_minor)::bigint"
            " FROM period_positions GROUP BY 1, 2, 3, 4, 5"
        ),
    ),
    (
        "month_days",
        ("period", "day", "currency", "items"),
        (
            "SELECT period, day::text, currency, matched_minor + timing_minor + broken_minor + accepted_minor"
            " - lines_minor FROM period_days"
        ),
    ),
    ("month_words", ("period", "day", "currency", "items"), _MONTH_WORDS),
    ("month_explained", ("period", "day", "currency", "net", "remains", "named"), _MONTH_EXPLAINED),
)  # fmt: skip
RECONCILIATION: Final = tuple((table, query) for table, _, query in RECONCILIATION_TABLES)
RECONCILIATION_INDEXES: Final = (
    "report_lines (line_key, stands)", "announced_lines (line_key, revision)", "announced_lines (event_id)",
    "told_matches (line_key, revision)", "our_items (item_key)", "our_items (payment_id)", "our_items (object_id)",
    "matched (match_id)", "matched (line_key)", "matched (item_key)", "hand_members (line_key)",
    "hand_members (item_key)", "unseen (what, which)",
    "allocations (payout_key)", "allocations (line_key)", "allocations (event_id)", "breaks (subject)",
    "breaks (break_id)", "break_steps (break_id, nth)", "kept_tellings (event_id)", "told_tellings (event_id)",
    "heard_journals (journal_id)", "reconciliation_acts (target)", "report_files (file_id)", "stored_files (file_id)",
    "month_files (file_id)", "bank_lines (line_key)",
)  # fmt: skip

#: The bytes of every file, in pieces, each file's together: read a few at a time, and only their digest is kept.
STORED_BYTES: Final = "SELECT file_id, content FROM report_file_chunks ORDER BY file_id, chunk_number"
STORED_FILES: Final = ("file_id", "sha", "bytes")
PIECES_AT_ONCE: Final = 4


def hashed(pieces: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, str, int]]:
    """Each file with the digest and the number of its bytes, from its pieces in their order."""
    at, digest, length = None, hashlib.sha256(), 0
    for file_id, content in pieces:
        if file_id != at:
            if at is not None:
                yield at, digest.hexdigest(), length
            at, digest, length = file_id, hashlib.sha256(), 0
        digest.update(content)
        length += len(content)
    if at is not None:
        yield at, digest.hexdigest(), length
