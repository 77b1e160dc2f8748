"""Journals brought over from another ledger: what a line of an import file may say, and the journal that it makes.

A line is one journal, named by its source's name and its id there. The journal's cause is made from all that the line
says, so the same line again is the same journal, and the same name with other content is a contradiction.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

from services.ledger.domain.chart import FAMILIES, PLATFORM_OWNER, AccountRef, Owner, Side
from services.ledger.domain.journal import AMOUNT_MINOR_MAX, Cause, Entry, Journal
from shared.kernel.errors import Rejected
from shared.kernel.money import currency_scale

IMPORT_RULE: Final = "imported"
FORMAT_VERSION: Final = 1
ENTRIES_MIN: Final = 2
ENTRIES_MAX: Final = 1_000
CAUSE_TYPE: Final = "JournalImported"
CAUSE_BYTES: Final = 13
"""Twice as many digits are an event id."""
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)

_SOURCE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_ID: Final = re.compile(r"[!-~]{1,255}", re.ASCII)
_CLEARING_KEY: Final = re.compile(r"[!-~]{1,512}", re.ASCII)
_OWNERS: Final[Mapping[Owner, re.Pattern[str]]] = {
    Owner.MERCHANT: re.compile(r"mer_[0-9a-z]{26}", re.ASCII),
    Owner.PROCESSOR_ACCOUNT: re.compile(r"[a-z][a-z0-9_]{0,63}:[!-~]{1,128}", re.ASCII),
    Owner.BANK_ACCOUNT: re.compile(r"[!-~]{1,128}", re.ASCII),
    Owner.PLATFORM: re.compile(PLATFORM_OWNER, re.ASCII),
}
_SIDES: Final = {side.value: side for side in Side}


class ImportedEntry(Protocol):
    """One entry of a line; ``scale`` is how many decimals its amount has, as the other ledger counts."""

    @property
    def family(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def currency(self) -> str: ...
    @property
    def scale(self) -> int: ...
    @property
    def side(self) -> str: ...
    @property
    def amount_minor(self) -> int: ...
    @property
    def clearing_key(self) -> str | None: ...


class ImportedLine(Protocol):
    """What one line says, types checked and nothing else."""

    @property
    def version(self) -> int: ...
    @property
    def source(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def effective_at(self) -> datetime: ...
    @property
    def entries(self) -> Sequence[ImportedEntry]: ...


class LineRefused(Exception):  # noqa: N818  # what was answered
    """The line makes no journal: a stable code, the field that is meant, and words for people."""

    def __init__(self, code: str, field: str, detail: str) -> None:
        super().__init__(f"{code}: {field}: {detail}")
        self.code = code
        self.field = field
        self.detail = detail


def check_line(line: ImportedLine) -> None:
    """Raise ``LineRefused`` with the first thing that is wrong."""
    if line.version != FORMAT_VERSION:
        raise LineRefused("unknown_version", "version", f"{line.version} is not {FORMAT_VERSION}")
    _match(_SOURCE, line.source, "invalid_source", "source")
    _match(_ID, line.id, "invalid_id", "id")
    if not EARLIEST <= line.effective_at < LATEST:
        raise LineRefused("invalid_time", "effective_at", "not between 1970 and 2200")
    if not ENTRIES_MIN <= len(line.entries) <= ENTRIES_MAX:
        raise LineRefused(
            "wrong_entry_count", "entries", f"{len(line.entries)} are not {ENTRIES_MIN} to {ENTRIES_MAX}"
        )
    net_minor: defaultdict[str, int] = defaultdict(int)
    debit_minor: defaultdict[str, int] = defaultdict(int)
    for number, entry in enumerate(line.entries):
        _check_entry(entry, f"entries[{number}]")
        debit = entry.side == Side.DEBIT
        net_minor[entry.currency] += entry.amount_minor if debit else -entry.amount_minor
        debit_minor[entry.currency] += entry.amount_minor if debit else 0
    for currency, net in net_minor.items():
        if net:
            raise LineRefused("unbalanced", "entries", f"debits less credits are {net} {currency}")
        if debit_minor[currency] > AMOUNT_MINOR_MAX:
            raise LineRefused(
                "amount_too_large",
                "entries",
                f"{debit_minor[currency]} {currency} is above {AMOUNT_MINOR_MAX}",
            )


def add_debits(line: ImportedLine, totals: dict[str, int]) -> None:
    """Add what a checked line debits, in minor units by currency; its credits are the same."""
    for entry in line.entries:
        if entry.side == Side.DEBIT:
            totals[entry.currency] = totals.get(entry.currency, 0) + entry.amount_minor


def fact_key_of(line: ImportedLine) -> str:
    """What the journal is unique by: a source's name has no colon."""
    return f"{line.source}:{line.id}"


def cause_id_of(line: ImportedLine) -> str:
    """An event id made from all that a checked line says, whatever its spaces and the order of its fields."""
    said = [str(line.version), line.source, line.id, line.effective_at.astimezone(UTC).isoformat()]
    for e in line.entries:
        said += (e.family, e.owner, e.currency, e.side, str(e.amount_minor), e.clearing_key or "")
    # Nothing that passed the check holds a control character, so that no two lines are joined to the same.
    joined = "\x1f".join(said).encode()
    return "evt_" + hashlib.blake2b(joined, digest_size=CAUSE_BYTES).hexdigest()


def journal_from(line: ImportedLine, cause_id: str, import_id: str, journal_id: str) -> Journal:
    """The journal of a checked line, with the cause made from it; it states what its first currency debits."""
    entries = tuple(
        [
            Entry(AccountRef(e.family, e.owner, e.currency), _SIDES[e.side], e.amount_minor, e.clearing_key)
            for e in line.entries
        ]
    )
    currency = entries[0].account.currency
    merchants = {e.account.owner for e in entries if FAMILIES[e.account.family].owner is Owner.MERCHANT}
    return Journal(
        journal_id=journal_id,
        rule=IMPORT_RULE,
        cause=Cause(event_id=cause_id, event_type=CAUSE_TYPE, version=FORMAT_VERSION),
        fact_key=fact_key_of(line),
        subject=import_id,
        payment_id=None,
        merchant_id=merchants.pop() if len(merchants) == 1 else None,
        currency=currency,
        amount_minor=sum(
            [e.amount_minor for e in entries if e.side is Side.DEBIT and e.account.currency == currency]
        ),
        effective_at=line.effective_at.astimezone(UTC),
        entries=entries,
    )


def _check_entry(entry: ImportedEntry, at: str) -> None:
    family = FAMILIES.get(entry.family)
    if family is None:
        raise LineRefused(
            "unknown_family", f"{at}.family", f"{entry.family!r} is not in the chart of accounts"
        )
    _match(_OWNERS[family.owner], entry.owner, "invalid_owner", f"{at}.owner")
    try:
        scale = currency_scale(entry.currency)
    except Rejected:
        raise LineRefused(
            "unknown_currency", f"{at}.currency", f"{entry.currency!r} is not ISO 4217"
        ) from None
    if entry.scale != scale:
        raise LineRefused(
            "scale_mismatch", f"{at}.scale", f"{entry.currency} has {scale} decimals, not {entry.scale}"
        )
    if entry.side not in _SIDES:
        raise LineRefused("invalid_side", f"{at}.side", f"{entry.side!r} is neither debit nor credit")
    if entry.amount_minor <= 0:
        raise LineRefused(
            "amount_not_positive", f"{at}.amount_minor", f"{entry.amount_minor} is not above zero"
        )
    if entry.amount_minor > AMOUNT_MINOR_MAX:
        raise LineRefused("amount_too_large", f"{at}.amount_minor", f"above {AMOUNT_MINOR_MAX}")
    if family.transitional and entry.clearing_key is None:
        raise LineRefused(
            "clearing_key_missing", f"{at}.clearing_key", f"{entry.family} returns to zero by a key"
        )
    if entry.clearing_key is not None:
        if not family.transitional:
            raise LineRefused("clearing_key_unexpected", f"{at}.clearing_key", f"{entry.family} has none")
        _match(_CLEARING_KEY, entry.clearing_key, "invalid_clearing_key", f"{at}.clearing_key")


def _match(pattern: re.Pattern[str], text: str, code: str, field: str) -> None:
    if pattern.fullmatch(text) is None:
        raise LineRefused(code, field, f"{text[:80]!r}")
