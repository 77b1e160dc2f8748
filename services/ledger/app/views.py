"""What the books answer to questions: plain frozen rows, shared by the HTTP face and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from services.ledger.app.moments import Moment
from services.ledger.app.pages import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountBalance:
    """One account with what stands on each side; ``balance_minor`` is positive on the normal side."""

    account_id: int
    family: str
    owner: str
    currency: str
    debit_minor: int
    credit_minor: int
    balance_minor: int


ARRIVAL_DAYS_MAX: Final = 366


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Money of captures that is booked and becomes available within that day, the whole of it at this time."""

    available_on: datetime
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantBalance:
    """What a merchant has with us in one currency; either may be negative. ``arriving`` is still in pending."""

    merchant_id: str
    currency: str
    pending_minor: int
    available_minor: int
    arriving: tuple[Arrival, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBalanceLine:
    """One family in one currency, over that many accounts."""

    currency: str
    family: str
    debit_minor: int
    credit_minor: int
    balance_minor: int
    accounts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBalance:
    """All entries of the books, summed. ``imbalance_minor`` must be zero per currency; else it pages."""

    lines: tuple[TrialBalanceLine, ...]
    imbalance_minor: dict[str, int]

    @property
    def balanced(self) -> bool:
        return not any(self.imbalance_minor.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenItem:
    """What has not returned to zero on a transitional account, by its clearing key, and since when.

    A line counts under the object that it was matched to, as everywhere.
    """

    account_id: int
    family: str
    owner: str
    currency: str
    clearing_key: str
    balance_minor: int
    since: datetime

    @property
    def place(self) -> Place:
        """Where it stands among all of them."""
        return Place(self.since, str(self.account_id), self.clearing_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView:
    """One entry as people read it."""

    line: int
    family: str
    owner: str
    side: str
    amount_minor: int
    currency: str
    clearing_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateView:
    """Units of ``to_currency`` for one of ``from_currency``."""

    rate: str
    from_currency: str
    to_currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalView:
    """One journal with its cause, its entries, what it reverses and what reverses it."""

    position: int
    journal_id: str
    rule: str
    cause_event_id: str
    cause_event_type: str
    fact_key: str
    payment_id: str | None
    merchant_id: str | None
    currency: str
    amount_minor: int
    from_party: str | None
    to_party: str | None
    reverses_journal_id: str | None
    reversed_by_journal_id: str | None
    effective_at: datetime
    #: Where the month of its fact was closed when it was booked: the time of effect that was told.
    told_effective_at: datetime | None
    booked_at: datetime
    seal_position: int | None
    #: Of an exchange: by which rate it was booked, the digits exactly as given.
    exchange_rate: RateView | None
    entries: tuple[EntryView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentEntry:
    """One entry with its journal; ``seal_position`` is None until sealed, ``told_effective_at`` unless it is late."""

    position: int
    line: int
    journal_id: str
    rule: str
    family: str
    owner: str
    side: str
    amount_minor: int
    currency: str
    clearing_key: str | None
    effective_at: datetime
    told_effective_at: datetime | None
    booked_at: datetime
    seal_position: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NegativeBalance:
    """A merchant that owes us, and since when without a break."""

    merchant_id: str
    currency: str
    balance_minor: int
    since: datetime

    @property
    def place(self) -> Place:
        """Where it stands among all of them."""
        return Place(self.since, self.currency, self.merchant_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class NegativeTotal:
    """What merchants owe us in one currency, as a positive sum; zero where nobody does."""

    currency: str
    merchants: int
    owed_minor: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NegativeBalances:
    """All of them summed, and a page of them, the oldest first."""

    totals: tuple[NegativeTotal, ...]
    balances: tuple[NegativeBalance, ...]


class BooksReader(Protocol):
    """The questions. ``merchant_id`` limits an answer to what that merchant may see."""

    def account_balances(
        self, *, family: str | None, owner: str | None, currency: str | None, after: int, limit: int, moment: Moment
    ) -> list[AccountBalance]: ...  # fmt: skip

    def trial_balance(self) -> TrialBalance: ...

    def open_items(self, *, family: str | None, limit: int, after: Place | None = None) -> list[OpenItem]: ...

    def journals_of_payment(self, payment_id: str, merchant_id: str | None) -> list[JournalView]: ...

    def entries_of_payment(
        self, payment_id: str, merchant_id: str | None, *, after: tuple[int, int], limit: int
    ) -> list[PaymentEntry]: ...

    def journal(self, journal_id: str, merchant_id: str | None) -> JournalView | None: ...
