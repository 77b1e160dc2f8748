"""What the readers of bank statements share: references without repeats, text within bounds, and ids of entries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final

from services.reconciliation.adapters.readers.line_ids import LineIds, content_digest

BANK_OPTIONS: Final[Mapping[str, str]] = {
    "account_number": "the account whose statements are taken, as IBAN or as the bank writes it, several forms between"
    " commas; without it, that of the first statement",
}
"""What every bank statement's source may declare, whatever the format."""
REFERENCES_MAX: Final = 256
"""Of a bulk booking of more payments the first ones are kept; its amount is the whole."""
REFERENCE_CHARS_MAX: Final = 255
TEXT_CHARS_MAX: Final = 2_048
_NO_REFERENCES: Final = frozenset({"", "NOTPROVIDED", "NOT PROVIDED", "NONREF", "NONE", "N/A"})


def references_of(found: Iterable[str | None]) -> tuple[str, ...]:
    """Those that refer to something, each once, in order."""
    kept: dict[str, None] = {}
    for each in found:
        text = "" if each is None else each.strip()[:REFERENCE_CHARS_MAX]
        if text.upper() not in _NO_REFERENCES and len(kept) < REFERENCES_MAX:
            kept[text] = None
    return tuple(kept)


def text_of(parts: Iterable[str | None]) -> str:
    """The parts as one line, cut."""
    return " ".join(" ".join(part.split()) for part in parts if part)[:TEXT_CHARS_MAX]


def entry_id(
    ids: LineIds,
    statement: tuple[str, str],
    bank_reference: str,
    dates: tuple[date, date],
    content: Iterable[str],
) -> str:
    """The id of an entry: account, statement, day of booking, and the bank's reference, or else what it says.

    The amount is no part of it, so that a corrected statement amends the entry. Entries that are equal in all of it
    are told apart by their order in the statement. The statement is a part of it, because no bank promises that a
    reference is never used again: two statements never share an entry, and so none can be lost.
    """
    account, statement_id = statement
    booked_on, value_on = dates
    named = references_of([bank_reference])
    what = named[0] if named else "=" + content_digest(value_on.isoformat(), *content)
    return ids.line_id(account, statement_id, booked_on.isoformat(), what)
