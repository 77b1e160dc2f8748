"""Applying the posting rules to one event: pure, so that a test or a simulation needs no database.

``journals_for`` is called by the consumer's handler for each event, in stream order; it sees journals posted
earlier (also earlier in the same batch) through ``Books`` and returns the journals to add.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from services.ledger.domain.bounds import check_bound, check_footing, joined_key
from services.ledger.domain.chart import PLATFORM_OWNER, AccountRef, Owner
from services.ledger.domain.journal import (
    REVERSED_SUFFIX,
    Cause,
    Entry,
    ExchangeRate,
    Journal,
    check_entries,
    reversal_of,
    signed_entry,
)
from services.ledger.domain.posting_rules import POSTING_RULES
from services.ledger.domain.rules import (
    Amendment,
    Amount,
    Leg,
    NoPosting,
    Posting,
    Rekeying,
    Reversal,
    Row,
)
from services.ledger.domain.settlement_lines import completed
from shared.kernel.errors import Poison

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from services.ledger.domain.bounds import Books


def _rows_by_event() -> Mapping[str, tuple[Row, ...]]:
    rows: defaultdict[str, list[Row]] = defaultdict(list)
    for row in POSTING_RULES:
        rows[row.on].append(row)
    return {event_type: tuple(found) for event_type, found in rows.items()}


_ROWS: Final = _rows_by_event()


def row_for(event_type: str, fields: Mapping[str, Any]) -> Row:
    """The one row that speaks of this event; an event that no row covers is poison, never silence.

    Rows look at complete fields.
    """
    for row in _ROWS.get(event_type, ()):
        if row.when is None or fields[row.when.field] == row.when.value:
            return row
    raise Poison(f"no posting rule covers {event_type}", code="no_posting_rule")


def facts_of(event_type: str, fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The (rule, fact key) that the event would be booked under, and of what it completes, to look up batches."""
    fields = completed(event_type, fields)
    for row in _ROWS.get(event_type, ()):
        if row.when is None or fields[row.when.field] == row.when.value:
            if isinstance(row, Posting):
                yield row.rule, fields[row.fact_key]
                if row.completes is not None:
                    rule, named_by = row.completes
                    yield rule, fields[named_by]
                    yield rule + REVERSED_SUFFIX, fields[named_by]
            return


def facts_amended(event_type: str, fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The (rule, fact key) whose journals an amendment looks at, and those of their reversals."""
    fields = completed(event_type, fields)
    return [
        (rule, fact_key)
        for row in _ROWS[event_type]
        if isinstance(row, Amendment)
        for fact_key in (*fields[row.former], fields["fact_key"])
        for rule in (row.rule, row.rule + REVERSED_SUFFIX)
    ]


def rekeying_of(event_type: str, fields: Mapping[str, Any]) -> tuple[str, int, int, str]:
    """The clearing key that the event speaks of, its rank there, and the one under which its money counts by it."""
    fields = completed(event_type, fields)
    row = row_for(event_type, fields)
    if not isinstance(row, Rekeying | Amendment):
        raise Poison(f"{event_type} changes no clearing key", code="no_posting_rule")
    revision, number = [fields[name] for name in row.rank]
    return fields[row.key], revision, number, fields[row.becomes]


def journals_for(
    cause: Cause,
    fields: Mapping[str, Any],
    effective_at: datetime,
    books: Books,
    new_journal_id: Callable[[], str],
) -> tuple[Journal, ...]:
    """The journals that this event adds to the books; empty where it moves no money or is already booked."""
    fields = completed(cause.event_type, fields)
    row = row_for(cause.event_type, fields)
    if isinstance(row, NoPosting | Rekeying):
        return ()
    if isinstance(row, Amendment):
        return tuple(_amend(row, cause, fields, effective_at, books, new_journal_id))
    if isinstance(row, Posting):
        journal = _post(row, cause, fields, effective_at, new_journal_id)
        # Told again, it books nothing: then the store compares it with what is booked of it.
        if journal is not None and books.find_fact(row.rule, journal.fact_key) is None:
            check_footing(row, fields, journal, books)
        return (journal,) if journal else ()
    return tuple(_reverse(row, cause, fields, effective_at, books, new_journal_id))


def _post(
    row: Posting,
    cause: Cause,
    fields: Mapping[str, Any],
    effective_at: datetime,
    new_journal_id: Callable[[], str],
) -> Journal | None:
    check_bound(row, fields)
    entries = entries_for(row.legs, fields)
    if not entries:
        return None
    check_entries(entries)
    from_party, to_party = row.parties or (None, None)
    amount_minor, currency = _stated(row, fields)
    return Journal(
        journal_id=new_journal_id(),
        rule=row.rule,
        cause=cause,
        fact_key=fields[row.fact_key],
        subject=fields[row.subject],
        payment_id=fields["payment_id"],
        merchant_id=fields["merchant_id"],
        currency=currency,
        amount_minor=amount_minor,
        effective_at=effective_at,
        entries=entries,
        from_party=from_party,
        to_party=to_party,
        exchange_rate=_rate_of(fields),
    )


def _rate_of(fields: Mapping[str, Any]) -> ExchangeRate | None:
    given = fields.get("exchange_rate")
    if given is None or fields["currency"] == fields["net_currency"]:
        return None
    return ExchangeRate(given, fields["currency"], fields["net_currency"])


def entries_for(legs: Iterable[Leg], fields: Mapping[str, Any]) -> tuple[Entry, ...]:
    """What these legs write for these fields; a leg of zero writes nothing."""
    return tuple(entry for leg in legs if (entry := _entry(leg, fields)) is not None)


def _stated(row: Posting, fields: Mapping[str, Any]) -> tuple[int, str]:
    for amount, currency in row.stated:
        if fields[amount]:
            return abs(fields[amount]), fields[currency]
    raise Poison(f"{row.on} moves money and states no amount", code="amount_missing")


def _entry(leg: Leg, fields: Mapping[str, Any]) -> Entry | None:
    account = AccountRef(leg.family.name, owner_of(leg.family.owner, fields), fields[leg.currency])
    key = joined_key(leg.key, fields) if leg.key else None
    return signed_entry(account, leg.side, _sum(leg.amount, fields), key)


def _sum(amount: Amount, fields: Mapping[str, Any]) -> int:
    sum_minor: int = 0
    for name in amount.plus:
        sum_minor += fields[name]
    for name in amount.minus:
        sum_minor -= fields[name]
    return sum_minor


def owner_of(owner: Owner, fields: Mapping[str, Any]) -> str:
    """The owner of an account by the fields that name it."""
    if owner is Owner.MERCHANT:
        return str(fields["merchant_id"])
    if owner is Owner.PROCESSOR_ACCOUNT:
        return f"{fields['processor']}:{fields['account']}"
    if owner is Owner.BANK_ACCOUNT:
        return str(fields["bank_account"])
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
    booked_nothing = row.amount is not None and not _sum(row.amount, fields)
    if row.must_exist and not originals and not booked_nothing:
        raise Poison(
            f"{cause.event_type} for {subject} finds no journal to reverse", code="nothing_to_reverse"
        )
    for original in originals:
        if books.find(payment_id, original.rule + REVERSED_SUFFIX, subject) is None:
            # Before its original it would take away what by effect is not there yet.
            since = max(effective_at, original.told_at)
            at = original.told_at if row.from_the_start else since
            yield reversal_of(original, journal_id=new_journal_id(), cause=cause, effective_at=at)


def _amend(
    row: Amendment,
    cause: Cause,
    fields: Mapping[str, Any],
    effective_at: datetime,
    books: Books,
    new_journal_id: Callable[[], str],
) -> Iterator[Journal]:
    """Reverse the revision that stands and post this one; never leave two of them standing."""
    as_told = row_for(row.as_if, fields)
    if not isinstance(as_told, Posting):
        raise Poison(f"{cause.event_type} amends what posts nothing", code="no_posting_rule")
    posted = _post(as_told, cause, fields, effective_at, new_journal_id)
    if posted is not None and books.find_fact(row.rule, posted.fact_key) is not None:
        # A second event about this revision; if it says something else, the store tells.
        yield posted
        return
    standing = {
        fact_key: original
        for fact_key in fields[row.former]
        if (original := books.find_fact(row.rule, fact_key)) is not None
        and books.find_fact(row.rule + REVERSED_SUFFIX, fact_key) is None
    }
    amended = fields[row.amended]
    # That none stands is no contradiction: what was amended may rightly have booked nothing.
    others = sorted(set(standing) - {amended})
    if others:
        raise Poison(
            f"{cause.event_type} {fields['fact_key']} amends {amended or 'nothing'}, where {', '.join(others)} stands",
            code="amends_another",
        )
    for original in standing.values():
        at = original.told_at
        yield reversal_of(original, journal_id=new_journal_id(), cause=cause, effective_at=at)
    if posted is not None:
        yield posted
