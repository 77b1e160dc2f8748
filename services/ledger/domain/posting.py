"""Applying the posting rules to one event: pure, so that a test or a simulation needs no database.

``journals_for`` is called by the consumer's handler for each event, in stream order; it sees journals posted
earlier (also earlier in the same batch) through ``Books`` and returns the journals to add.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, Protocol

from services.ledger.domain.chart import PLATFORM_OWNER, AccountRef, Owner
from services.ledger.domain.journal import (
    REVERSED_SUFFIX,
    Cause,
    Entry,
    Journal,
    check_entries,
    reversal_of,
    signed_entry,
)
from services.ledger.domain.posting_rules import POSTING_RULES, Leg, NoPosting, Posting, Reversal, Row
from shared.kernel.errors import Poison

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime


class Books(Protocol):
    """What is already booked for a payment. Adapters answer from what they loaded for the whole batch."""

    def find(self, payment_id: str, rule: str, subject: str) -> Journal | None:
        """The journal of this rule for this subject, if it was posted."""
        ...


def _rows_by_event() -> Mapping[str, tuple[Row, ...]]:
    rows: defaultdict[str, list[Row]] = defaultdict(list)
    for row in POSTING_RULES:
        rows[row.on].append(row)
    return {event_type: tuple(found) for event_type, found in rows.items()}


_ROWS: Final = _rows_by_event()


def row_for(event_type: str, fields: Mapping[str, Any]) -> Row:
    """The one row that speaks of this event; an event that no row covers is poison, never silence."""
    for row in _ROWS.get(event_type, ()):
        if row.when is None or fields[row.when.field] == row.when.value:
            return row
    raise Poison(f"no posting rule covers {event_type}")


def fact_of(event_type: str, fields: Mapping[str, Any]) -> tuple[str, str] | None:
    """The (rule, fact key) that the event would be booked under, to look up batches; else None."""
    for row in _ROWS.get(event_type, ()):
        if row.when is None or fields[row.when.field] == row.when.value:
            return (row.rule, fields[row.fact_key]) if isinstance(row, Posting) else None
    return None


def journals_for(
    cause: Cause,
    fields: Mapping[str, Any],
    effective_at: datetime,
    books: Books,
    new_journal_id: Callable[[], str],
) -> tuple[Journal, ...]:
    """The journals that this event adds to the books; empty where it moves no money or is already booked."""
    row = row_for(cause.event_type, fields)
    if isinstance(row, NoPosting):
        return ()
    if isinstance(row, Posting):
        journal = _post(row, cause, fields, effective_at, new_journal_id)
        return (journal,) if journal else ()
    return tuple(_reverse(row, cause, fields, effective_at, books, new_journal_id))


def _post(
    row: Posting,
    cause: Cause,
    fields: Mapping[str, Any],
    effective_at: datetime,
    new_journal_id: Callable[[], str],
) -> Journal | None:
    entries = tuple(entry for leg in row.legs if (entry := _entry(leg, fields)) is not None)
    if not entries:
        return None
    check_entries(entries)
    from_party, to_party = row.parties or (None, None)
    return Journal(
        journal_id=new_journal_id(),
        rule=row.rule,
        cause=cause,
        fact_key=fields[row.fact_key],
        subject=fields[row.subject],
        payment_id=fields["payment_id"],
        merchant_id=fields["merchant_id"],
        currency=fields["currency"],
        amount_minor=fields["amount_minor"],
        effective_at=effective_at,
        entries=entries,
        from_party=from_party,
        to_party=to_party,
    )


def _entry(leg: Leg, fields: Mapping[str, Any]) -> Entry | None:
    amount_minor = 0
    for name in leg.amount.plus:
        amount_minor += fields[name]
    for name in leg.amount.minus:
        amount_minor -= fields[name]
    account = AccountRef(leg.family.name, _owner(leg.family.owner, fields), fields["currency"])
    key = ":".join([fields[name] for name in leg.key]) if leg.key else None
    return signed_entry(account, leg.side, amount_minor, key)


def _owner(owner: Owner, fields: Mapping[str, Any]) -> str:
    if owner is Owner.MERCHANT:
        return str(fields["merchant_id"])
    if owner is Owner.PROCESSOR_ACCOUNT:
        return f"{fields['processor']}:{fields['account']}"
    return PLATFORM_OWNER


def _reverse(
    row: Reversal,
    cause: Cause,
    fields: Mapping[str, Any],
    effective_at: datetime,
    books: Books,
    new_journal_id: Callable[[], str],
) -> Iterator[Journal]:
    payment_id, subject = fields["payment_id"], fields[row.subject]
    originals = [
        found for rule in row.reverses if (found := books.find(payment_id, rule, subject)) is not None
    ]
    if row.must_exist and not originals:
        raise Poison(f"{cause.event_type} for {subject} finds no journal to reverse")
    for original in originals:
        if books.find(payment_id, original.rule + REVERSED_SUFFIX, subject) is None:
            yield reversal_of(original, journal_id=new_journal_id(), cause=cause, effective_at=effective_at)
