"""One journal as bytes: the canonical encoding that seals are made from, without ambiguity.

Every value is a netstring, ``<bytes>:<text>,`` with the length in decimal; NULL is ``-,``. Integers are decimal, truth
is ``true`` or ``false``, times are microseconds since 1970 UTC. The order of the values is fixed, and how many entries
follow is said before them: no two different journals have the same bytes. ``docs/auditing-the-books.md`` is the same
in words. What is sealed stays sealed under its version: a new column makes a new version, and leaves this one alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERSION: Final = 1
HEADER: Final = "tieout-journal-1"

Value = str | int | bool | None


class RecordedEntry(NamedTuple):
    """A row of ``entries``, every column."""

    line: int
    account_id: int
    side: str
    amount_minor: int
    currency: str
    clearing_key: str | None


class RecordedAccount(NamedTuple):
    """A row of ``accounts``, every column: whoever moves an account to another owner changes its journals."""

    account_id: int
    family: str
    owner: str
    currency: str
    normal_side: str
    transitional: bool
    opened_at_us: int


class RecordedJournal(NamedTuple):
    """A row of ``journals``, every column, in the order in which it is encoded."""

    position: int
    journal_id: str
    rule: str
    cause_event_id: str
    cause_event_type: str
    fact_key: str
    subject: str
    payment_id: str | None
    merchant_id: str | None
    currency: str
    amount_minor: int
    from_party: str | None
    to_party: str | None
    reverses_position: int | None
    entry_count: int
    effective_at_us: int
    booked_at_us: int


def encode_journal(
    journal: RecordedJournal, entries: Sequence[RecordedEntry], accounts: Mapping[int, RecordedAccount]
) -> bytes:
    """The canonical bytes of a journal with its entries, in the order of their lines.

    An entry whose account is gone is encoded with no account, so that it is merely another journal.
    """
    return encode_rows(journal, [(entry, accounts.get(entry.account_id)) for entry in entries])


def encode_rows(
    journal: tuple[Value, ...], entries: Sequence[tuple[tuple[Value, ...], tuple[Value, ...] | None]]
) -> bytes:
    """The same of rows as they come, each entry with its account; a value and its canonical text are the same."""
    parts = [_netstring(HEADER), *_netstrings(journal), _netstring(len(entries))]
    for entry, account in entries:
        parts += _netstrings(entry)
        parts += ["-,"] if account is None else _netstrings(account)
    return "".join(parts).encode()


def encode_values(header: str, values: tuple[Value, ...]) -> bytes:
    """A header and a fixed number of values: whoever sealed them knows how many."""
    return "".join([_netstring(header), *_netstrings(values)]).encode()


def canonical_text(value: Value) -> str | None:
    """A value as it is encoded, without its length; None for NULL."""
    if value is None:
        return None
    # bool is an int: asked for first.
    return str(value) if not isinstance(value, bool) else ("true" if value else "false")


def _netstrings(row: tuple[Value, ...]) -> list[str]:
    return [_netstring(value) for value in row]


def _netstring(value: Value) -> str:
    text = canonical_text(value)
    if text is None:
        return "-,"
    size_bytes = len(text) if text.isascii() else len(text.encode())
    return f"{size_bytes}:{text},"
