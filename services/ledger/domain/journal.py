"""A journal: a set of entries that sum to zero per currency, with the event that caused it.

Journals are built here and checked here; SQL checks the same at COMMIT. None is ever changed: a mistake or
a failed refund is answered by ``reversal_of``, which repeats the entries on the other side, naming it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from services.ledger.domain.chart import FAMILIES, AccountRef, Side
from shared.kernel.errors import InvariantViolation

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

REVERSED_SUFFIX: Final = "_reversed"
#: The largest amount that a contract lets anybody state: what JSON's readers hold exactly.
AMOUNT_MINOR_MAX: Final = 9_007_199_254_740_991


class Entry(NamedTuple):
    """One side of a journal. ``clearing_key`` names what a transitional account must return to zero for."""

    account: AccountRef
    side: Side
    amount_minor: int
    clearing_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """The event a journal is booked for."""

    event_id: str
    event_type: str
    version: int

    @property
    def type_and_version(self) -> str:
        return f"{self.event_type}.v{self.version}"


class ExchangeRate(NamedTuple):
    """The rate of an exchange, the digits exactly as given: units of ``to_currency`` for one of ``from_currency``."""

    given: str
    from_currency: str
    to_currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """What is booked. Unique by (rule, cause event) and by (rule, fact key).

    ``subject`` is the id under which a later event speaks of the same thing (a refund id, an operation id),
    which is how a reversal finds its original.
    """

    journal_id: str
    rule: str
    cause: Cause
    fact_key: str
    subject: str
    payment_id: str | None
    merchant_id: str | None
    currency: str
    amount_minor: int
    effective_at: datetime
    entries: tuple[Entry, ...]
    from_party: str | None = None
    to_party: str | None = None
    reverses_journal_id: str | None = None
    #: Where that month was closed already: when its fact took effect by what was told.
    told_effective_at: datetime | None = None
    #: Of an exchange: by which rate it was booked. Written with it, and not read again to reverse it.
    exchange_rate: ExchangeRate | None = None

    @property
    def told_at(self) -> datetime:
        """When it took effect by what was told, whatever was closed by then."""
        return self.told_effective_at or self.effective_at


def signed_entry(
    account: AccountRef, side: Side, amount_minor: int, clearing_key: str | None
) -> Entry | None:
    """An entry with a positive amount: a negative one stands on the other side, zero writes none."""
    if amount_minor == 0:
        return None
    if amount_minor < 0:
        return Entry(account, side.opposite, -amount_minor, clearing_key)
    return Entry(account, side, amount_minor, clearing_key)


def check_entries(entries: Iterable[Entry]) -> None:
    """Raise unless amounts are positive, keys stand where they must, and each currency balances."""
    net_minor: defaultdict[str, int] = defaultdict(int)
    for entry in entries:
        if entry.amount_minor <= 0:
            raise InvariantViolation("entry_positive", f"{entry}")
        if FAMILIES[entry.account.family].transitional is not (entry.clearing_key is not None):
            raise InvariantViolation("clearing_key", f"{entry}")
        net_minor[entry.account.currency] += (
            entry.amount_minor if entry.side is Side.DEBIT else -entry.amount_minor
        )
    unbalanced = {currency: net for currency, net in net_minor.items() if net}
    if unbalanced:
        raise InvariantViolation("journal_balanced", f"net {unbalanced}")


def reversal_of(original: Journal, *, journal_id: str, cause: Cause, effective_at: datetime) -> Journal:
    """The exact opposite of ``original``, which it names: same accounts, amounts and keys, other sides."""
    return Journal(
        journal_id=journal_id,
        rule=original.rule + REVERSED_SUFFIX,
        cause=cause,
        fact_key=original.fact_key,
        subject=original.subject,
        payment_id=original.payment_id,
        merchant_id=original.merchant_id,
        currency=original.currency,
        amount_minor=original.amount_minor,
        effective_at=effective_at,
        entries=tuple(
            Entry(e.account, e.side.opposite, e.amount_minor, e.clearing_key) for e in original.entries
        ),
        from_party=original.to_party,
        to_party=original.from_party,
        reverses_journal_id=original.journal_id,
    )
