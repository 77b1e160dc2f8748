"""Owns what paying out and reporting need from the store. Every call is one transaction of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from services.sandbox.domain.balance_transactions import BalanceTransaction, BookedMoney, Kind
from services.sandbox.domain.bank import BankEntry, Transfer
from services.sandbox.domain.payouts import Available, Closing, Payout
from services.sandbox.domain.planted_errors import Planted


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a processor's payouts stand at."""

    next_batch_number: int
    available: Sequence[Available]
    waiting: Sequence[Transfer]
    """Payouts that no entry of the bank is of yet."""


class Settlements(Protocol):
    """The processors' own money and the bank's entries."""

    async def underived(
        self, processor: str, *, after: int, before: datetime, limit: int
    ) -> Sequence[BookedMoney]:
        """Rows of the book that moved money and have no movement yet, in the book's order."""
        ...

    async def add_transactions(self, transactions: Sequence[BalanceTransaction]) -> None:
        """Write movements; those that stand already stay as they are."""
        ...

    async def days_to_close(self, processor: str, until: date, limit: int) -> Sequence[date]:
        """The days that are over and not closed, from the first day of the book on, in order."""
        ...

    async def standing(self, processor: str, available_until: date | None) -> Standing:
        """What may be paid out: what is available by then, or everything."""
        ...

    async def close(
        self, processor: str, closing: Closing, *, available_until: date | None, day: date | None
    ) -> bool:
        """Write it whole, or raise ``OutdatedError``; false, and nothing, if the day was closed before."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The days that a report is about, both included."""

    first: date
    last: date


class Books(Protocol):
    """What reports read; a page at a time."""

    async def payouts(
        self, processor: str, span: Span, *, after_batch: int, limit: int
    ) -> Sequence[Payout]: ...

    async def lines(
        self, processor: str, payout_id: str, *, after: str, limit: int
    ) -> Sequence[BalanceTransaction]:
        """A payout's lines in the order of their ids."""
        ...

    async def balance_before(self, currency: str, day: date) -> int:
        """What stands on the bank account before the first entry of that day."""
        ...

    async def entry_days(self, currency: str, span: Span) -> Sequence[date]:
        """The days of the span on which the bank booked anything."""
        ...

    async def entries(self, currency: str, day: date, *, after: str, limit: int) -> Sequence[BankEntry]:
        """A day's entries in the order of their ids, each with its parts."""
        ...


class PlantedErrors(Protocol):
    """What reports say wrongly by seed, and what it may be made from."""

    async def planted(self, seed: str) -> Sequence[Planted]:
        """The errors of a seed, in the order they were planted in; none if nothing was."""
        ...

    async def add_planted(self, seed: str, planted: Sequence[Planted]) -> None:
        """Write a seed's errors whole; nothing, if somebody has planted by it."""
        ...

    async def plantable(
        self, processor: str, kind: Kind, until: date, drawn_by: str, limit: int
    ) -> Sequence[tuple[Payout, BalanceTransaction]]:
        """Lines of one currency whose payout the bank has booked whole by then, and nothing else is about, by lot."""
        ...

    async def paid_out(
        self, processor: str, drawn_by: str, payment: str | None
    ) -> tuple[Payout, BalanceTransaction] | None:
        """One charge that was paid out, by lot, with its payout; of this payment if one is named."""
        ...

    async def plantable_entries(self, until: date, drawn_by: str, limit: int) -> Sequence[BankEntry]:
        """Entries by then of payouts that came as they were to come, by lot."""
        ...

    async def has_entries_before(self, currency: str, day: date) -> bool:
        """Whether the bank has booked anything on the account before that day."""
        ...

    async def entries_of(self, payout: Payout) -> Sequence[BankEntry]:
        """The entries that have a part of the payout, in order."""
        ...

    async def payout_after(self, payout: Payout, until: date) -> Payout | None:
        """The next payout of the same account and currency that the bank has booked whole by then."""
        ...
