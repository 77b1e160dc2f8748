"""Owns what a format is to whoever streams a report: pieces of bytes in order, the same figures the same bytes.

A writer is made for one file and counts what its trailers state.
"""

import csv
import io
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Protocol

from services.sandbox.domain.balance_transactions import BalanceTransaction
from services.sandbox.domain.bank import BankEntry
from services.sandbox.domain.payouts import Payout


class SettlementWriter(Protocol):
    """A processor's report: a head, each payout's lines, and each payout's own row after them."""

    media_type: str

    def head(self) -> bytes: ...

    def line(self, payout: Payout, line: BalanceTransaction) -> bytes: ...

    def total(self, payout: Payout, net_minor: int) -> bytes:
        """The payout's own row: what its lines, as the report tells them, come to leaves the balance."""
        ...

    def end(self) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One day of one bank account. ``closing_minor`` is opening and every entry."""

    account: str
    currency: str
    day: date
    opening_minor: int
    closing_minor: int

    @property
    def id(self) -> str:
        """The statement's own name, the same whenever it is written."""
        return f"STM{self.currency}{self.day:%Y%m%d}"

    @property
    def number(self) -> int:
        """Which day of the year it is: what banks number daily statements by."""
        return self.day.timetuple().tm_yday

    @property
    def drawn_at(self) -> datetime:
        """The end of its day."""
        return datetime.combine(self.day, time(23, 59, 59), UTC)


class StatementWriter(Protocol):
    """A bank's file: a head, each statement's opening, entries and end, and the file's end."""

    media_type: str

    def head(self, first: Statement) -> bytes: ...

    def opening(self, statement: Statement) -> bytes: ...

    def entry(self, statement: Statement, entry: BankEntry) -> bytes: ...

    def closing(self, statement: Statement) -> bytes: ...

    def end(self) -> bytes: ...


def csv_row(fields: Iterable[str]) -> bytes:
    """One row by RFC 4180, but for the line end, which is a line feed alone as these reports have it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(fields)
    return text.getvalue().encode()


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines that never cut a word: readers join them with and without a blank."""
    return textwrap.wrap(text, width, break_on_hyphens=False)


def wall_clock(moment: datetime) -> str:
    """A time in UTC to the second, as reports write it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def midnight(day: date) -> str:
    """The beginning of a day."""
    return f"{day.isoformat()} 00:00:00"
