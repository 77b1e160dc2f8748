"""Reads journals as they stand in the tables, column by column, for the canonical encoding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, Final

import sqlalchemy as sa

from services.ledger.domain.canonical import RecordedAccount, RecordedEntry, RecordedJournal
from services.ledger.domain.seals import Recorded


def microseconds(column: str) -> str:
    """SQL for a time as whole microseconds since 1970; ``extract`` is exact (numeric)."""
    return f"(extract(epoch FROM {column}) * 1000000)::bigint"


JOURNAL_COLUMNS: Final = (
    "j.position, j.journal_id, j.rule, j.cause_event_id, j.cause_event_type, j.fact_key, j.subject, j.payment_id,"
    " j.merchant_id, j.currency, j.amount_minor, j.from_party, j.to_party, j.reverses_position, j.entry_count,"
    f" {microseconds('j.effective_at')}, {microseconds('j.booked_at')}"
)
_AT: Final = f"SELECT {JOURNAL_COLUMNS} FROM journals j WHERE j.position = ANY (%(positions)s::bigint[])"
_ENTRIES: Final = (
    "SELECT journal_position, line, account_id, side::text, amount_minor, currency, clearing_key FROM entries"
    " WHERE journal_position = ANY (%(positions)s::bigint[])"
    # Said twice, as bounds: an array of any length leaves out no partition once its plan is kept.
    " AND journal_position >= %(first)s AND journal_position <= %(last)s ORDER BY journal_position, line"
)
_ACCOUNTS: Final = (
    "SELECT account_id, family, owner, currency, normal_side::text, transitional,"
    f" {microseconds('opened_at')} FROM accounts WHERE account_id = ANY (%(account_ids)s::bigint[])"
    # One of another scale than its currency's is not the account that was sealed: its amounts mean something else.
    " AND scale = currency_scale(currency)"
)
_INDEXES_ONLY: Final = "SET LOCAL enable_seqscan = off"


def journals_at(connection: sa.Connection, positions: Sequence[int]) -> dict[int, Recorded]:
    """The journals at these positions that exist, with their entries, by position."""
    connection.exec_driver_sql(_INDEXES_ONLY)
    rows = connection.exec_driver_sql(_AT, {"positions": list(positions)}).all()
    found: dict[int, Recorded] = {}
    for recorded in with_entries(connection, rows):
        position = recorded.journal.position
        before = found.get(position)
        # Two rows of one position, once its constraint is gone, have the entries twice, as in every sum over both.
        entries = recorded.entries if before is None else [*before.entries, *recorded.entries]
        found[position] = Recorded(recorded.journal, entries, recorded.accounts)
    return found


def with_entries(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[Recorded]:
    """Rows of ``JOURNAL_COLUMNS``, completed by their entries and accounts in two statements."""
    journals = [RecordedJournal._make(row) for row in rows]
    entries: dict[int, list[RecordedEntry]] = {journal.position: [] for journal in journals}
    found = connection.exec_driver_sql(_ENTRIES, _span(entries)).all()
    for position, *columns in found:
        entries[position].append(RecordedEntry._make(columns))
    account_ids = {entry.account_id for listed in entries.values() for entry in listed}
    accounts = _accounts(connection, account_ids)
    return [Recorded(journal, entries[journal.position], accounts) for journal in journals]


def _accounts(connection: sa.Connection, account_ids: Collection[int]) -> dict[int, RecordedAccount]:
    rows = connection.exec_driver_sql(_ACCOUNTS, {"account_ids": sorted(account_ids)}).all()
    # Two rows of one id, once its constraint is gone, are neither of them the account that was sealed.
    doubled = {account_id for account_id, count in Counter(row[0] for row in rows).items() if count > 1}
    return {row[0]: RecordedAccount._make(row) for row in rows if row[0] not in doubled}


def _span(positions: Collection[int]) -> dict[str, Any]:
    bounds = (min(positions, default=0), max(positions, default=0))
    return {"positions": list(positions), "first": bounds[0], "last": bounds[1]}
