"""Reads notes as they stand in the tables, kind by kind, for the canonical encoding; one row of a table per kind.

What a kind encodes stays as it is: a new column makes a new kind, queued beside this one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

import sqlalchemy as sa

from services.ledger.adapters.journal_records import microseconds
from services.ledger.domain.notes import BEGIN, Note, NoteName


class _Source(NamedTuple):
    """Where a kind is read: its table, the column of its key, what is encoded, and when a row has such a note."""

    table: str
    key: str
    columns: str
    there: str = "true"
    key_type: str = "text"


_DECISION: Final = f"state, decided_by, {microseconds('decided_at')}, decision_reason"
SOURCES: Final = {
    "line_match": _Source(
        "line_matches",
        "cause_event_id",
        f"line_key, revision, number, clearing_key, payment_id, {microseconds('told_at')}",
    ),
    "late_journal": _Source(
        "late_journals", "journal_position", microseconds("told_effective_at"), key_type="bigint"
    ),
    "exchange_rate": _Source(
        "exchange_rates", "journal_position", "rate, from_currency, to_currency", key_type="bigint"
    ),
    "adjustment_proposed": _Source(
        "adjustments",
        "adjustment_id",
        "template, parameters::text, amount_minor, currency, reason, attachment, reverses_adjustment_id,"
        f" asked_event_id, proposed_by, {microseconds('proposed_at')}",
    ),
    "adjustment_decided": _Source(
        "adjustments", "adjustment_id", f"{_DECISION}, journal_id", "state <> 'PROPOSED'"
    ),
    "close_proposed": _Source(
        "period_closes", "close_id", f"period, reason, proposed_by, {microseconds('proposed_at')}"
    ),
    "close_decided": _Source("period_closes", "close_id", _DECISION, "state <> 'PROPOSED'"),
    "import_begun": _Source(
        "imports",
        "import_id",
        f"encode(file_sha256, 'hex'), file_name, journals, begun_by, reason, {microseconds('begun_at')},"
        " two_people",
    ),
    "import_proposed": _Source(
        "import_proposals",
        "import_id",
        "encode(file_sha256, 'hex'), file_name, lines, journals, totals::text, reason, proposed_by,"
        f" {microseconds('proposed_at')}",
    ),
    "import_decided": _Source("import_proposals", "import_id", _DECISION, "state <> 'PROPOSED'"),
    "import_finished": _Source(
        "imports", "import_id", f"{microseconds('finished_at')}, booked", "finished_at IS NOT NULL"
    ),
    "withdrawn_proposal": _Source(
        "withdrawn_proposals",
        "asked_event_id",
        f"event_id, break_id, reason, withdrawn_by, {microseconds('heard_at')}",
    ),
    "told_journal": _Source(
        "told_journals",
        "journal_id",
        f"rule, fact_key, payment_id, currency, amount_minor, {microseconds('told_effective_at')},"
        f" {microseconds('effective_at')}",
    ),
    "told_close": _Source("told_closes", "close_id", f"period, {microseconds('ends_at')}"),
    "former_seal_key": _Source("former_seal_keys", "key_id", "key_id"),
}  # fmt: skip
# Keys that do not fit the column are of nothing: whoever wrote them into the chain is named, not stumbled over.
_FITTING: Final = {
    "text": "%(keys)s::text[]",
    "bigint": "ARRAY(SELECT k::bigint FROM unnest(%(keys)s::text[]) AS k WHERE k ~ '^[0-9]{1,18}$')",
}
_READ: Final = {
    kind: f"SELECT {source.key}::text, {source.columns} FROM {source.table}"
    f" WHERE {source.key} = ANY ({_FITTING[source.key_type]})"
    for kind, source in SOURCES.items()
}
ALL_NOTES: Final = " UNION ALL ".join(
    f"SELECT '{kind}' AS kind, {source.key}::text AS key FROM {source.table} WHERE {source.there}"
    for kind, source in SOURCES.items()
)


def notes_at(connection: sa.Connection, names: Collection[NoteName]) -> dict[NoteName, Note]:
    """Those of these notes that are there, by name; one statement per kind."""
    found = {name: Note(name, ()) for name in names if name.kind == BEGIN}
    for kind, query in _READ.items():
        keys = [name.key for name in names if name.kind == kind]
        if keys:
            for key, *values in connection.exec_driver_sql(query, {"keys": keys}):
                name = NoteName(kind, key)
                # Two rows of one key, once its constraint is gone, are neither of them what was sealed.
                before = found[name].values if name in found else ()
                found[name] = Note(name, (*before, *values))
    return found
