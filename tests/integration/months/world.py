"""The sandbox's books of a month, in memory and by its own rules: three processors, a bank, and errors planted by seed.

Reports and statements come out of the sandbox's own writers, so what is read here is what the sandbox tells.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from services.sandbox.app.distortions import Distortions
from services.sandbox.app.plant_errors import PlantErrors, distortions_of
from services.sandbox.app.report_formats import BANK_FORMATS, SETTLEMENT_FORMATS
from services.sandbox.app.report_formats.writers import SettlementWriter
from services.sandbox.app.reports import Reports
from services.sandbox.app.settlement_ports import Span
from services.sandbox.domain.balance_transactions import (
    BalanceTransaction,
    BookedMoney,
    Kind,
    balance_transaction,
)
from services.sandbox.domain.bank import BankEntry, Fate, Lots, Transfer
from services.sandbox.domain.business_days import is_business_day
from services.sandbox.domain.payouts import Available, Occasion, Payout, pay_out
from services.sandbox.domain.planted_errors import Planted
from services.sandbox.domain.terms import TERMS, Terms
from shared.kernel.money import currency_scale
from shared.testing.virtual_clock import VirtualClock
from tests.integration.months.trade import DAYS, PROCESSORS, START

CLOSED_DAYS = DAYS + 50
"""Until nothing is on its way any more: reserves come back after 30 days."""
LAST_DAY = START.date() + timedelta(days=CLOSED_DAYS)
TERMS_OF: dict[str, Terms] = {
    "alpha": replace(TERMS["alpha"], settles_in={"JPY": "EUR"}),
    "beta": replace(TERMS["beta"], reserve_basis_points=500),
    "gamma": TERMS["alpha"],
}
FORMAT_OF = {"alpha": "stripe_payout_csv", "beta": "adyen_settlement_csv", "gamma": "tieout_csv"}
BANK_FORMAT_OF = {"EUR": "camt053", "USD": "mt940", "KWD": "bai2", "JPY": "mt940"}
#: Of a hundred payouts so many fail, are repeated, split or joined.
LOTS_RATE = 25
_DAY = timedelta(days=1)
_HUNDREDTHS_SCALE = 2


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file, as it comes."""

    source: str
    name: str
    content: bytes


class World:
    """Books that are closed: nothing changes any more. Also what the sandbox plants errors in."""

    def __init__(self, seed: str, rows: Iterable[tuple[str, BookedMoney]]) -> None:
        self.seed = seed
        self.payouts_of: dict[str, list[Payout]] = {name: [] for name in PROCESSORS}
        self.lines_of: dict[str, list[BalanceTransaction]] = {}
        self.entries_by_day: dict[tuple[str, date], list[BankEntry]] = defaultdict(list)
        self.entries_by_payout: dict[str, list[BankEntry]] = defaultdict(list)
        self.told = Distortions()
        self._kept: Sequence[Planted] = ()
        self._objects: dict[str, int] = defaultdict(int)
        self._not_plantable: frozenset[str] = frozenset()
        available: dict[str, dict[date, list[BalanceTransaction]]] = {
            name: defaultdict(list) for name in PROCESSORS
        }
        for processor, row in rows:
            line = balance_transaction(processor, row, TERMS_OF[processor])
            available[processor][line.available_on].append(line)
            self._objects[row.object_id] += 1
        for processor in PROCESSORS:
            self._close(processor, available[processor])
        for entries in self.entries_by_day.values():
            entries.sort(key=lambda entry: entry.id)
        for lines in self.lines_of.values():
            lines.sort(key=lambda line: line.id)

    def _close(self, processor: str, available: dict[date, list[BalanceTransaction]]) -> None:
        ready: list[BalanceTransaction] = []
        waiting: list[Transfer] = []
        for offset in range(CLOSED_DAYS):
            day = START.date() + timedelta(days=offset)
            ready += available.pop(day, [])
            if is_business_day(day):
                ready, waiting = self._pay(processor, day, ready, waiting, available)

    def _pay(
        self,
        processor: str,
        day: date,
        ready: list[BalanceTransaction],
        waiting: list[Transfer],
        available: dict[date, list[BalanceTransaction]],
    ) -> tuple[list[BalanceTransaction], list[Transfer]]:
        sums: dict[str, int] = defaultdict(int)
        charges: dict[str, int] = defaultdict(int)
        for line in ready:
            sums[line.net_currency] += line.net_minor
            charges[line.net_currency] += line.net_minor if line.kind is Kind.CHARGE else 0
        # On the last day everything goes out as it is.
        fate = Fate.ARRIVES if day > START.date() + timedelta(days=DAYS + 10) else None
        occasion = Occasion(
            made_on=day,
            made_at=datetime.combine(day, time(23, 59, 59), UTC),
            next_batch_number=len(self.payouts_of[processor]) + 1,
            lots=Lots(self.seed, LOTS_RATE),
            fate=fate,
        )
        found = [
            Available(
                account=f"acct_{processor}", currency=code, net_minor=sums[code], charges_minor=charges[code]
            )
            for code in sums
        ]
        closing = pay_out(processor, found, waiting, TERMS_OF[processor], occasion)
        paid = {payout.currency: payout for payout in closing.payouts}
        for payout in closing.payouts:
            self.payouts_of[processor].append(payout)
            self.lines_of[payout.id] = []
        for line in ready:
            if line.net_currency in paid:
                self.lines_of[paid[line.net_currency].id].append(line)
        for reserve in closing.reserves:
            self.lines_of[reserve.payout_id].append(reserve.held)
            available[reserve.released.available_on].append(reserve.released)
        self._book_at_bank(closing.entries)
        arrived = {part.payout_id for entry in closing.entries for part in entry.parts}
        waits = [
            each
            for each in [*waiting, *(payout.transfer for payout in closing.payouts)]
            if each.payout_id not in arrived
        ]
        return [line for line in ready if line.net_currency not in paid], waits

    def _book_at_bank(self, entries: Iterable[BankEntry]) -> None:
        for entry in entries:
            self.entries_by_day[entry.currency, entry.booked_on].append(entry)
            for part in entry.parts:
                self.entries_by_payout[part.payout_id].append(entry)

    # What reports read.

    async def payouts(self, processor: str, span: Span, *, after_batch: int, limit: int) -> Sequence[Payout]:
        """Payouts made on the days of the span, by number."""
        found = self.payouts_of[processor][after_batch:]
        return [payout for payout in found if span.first <= payout.made_on <= span.last][:limit]

    async def lines(
        self, _processor: str, payout_id: str, *, after: str, limit: int
    ) -> Sequence[BalanceTransaction]:
        """A payout's lines by id."""
        found = self.lines_of[payout_id]
        start = 0 if not after else next(i for i, line in enumerate(found) if line.id == after) + 1
        return found[start : start + limit]

    async def entry_days(self, currency: str, span: Span) -> Sequence[date]:
        """Days with entries."""
        return sorted(
            day for code, day in self.entries_by_day if code == currency and span.first <= day <= span.last
        )

    async def balance_before(self, currency: str, day: date) -> int:
        """What stood on the account then."""
        return sum(
            entry.amount_minor
            for (code, booked), entries in self.entries_by_day.items()
            if code == currency and booked < day
            for entry in entries
        )

    async def entries(self, currency: str, day: date, *, after: str, limit: int) -> Sequence[BankEntry]:
        """A day's entries by id."""
        return [entry for entry in self.entries_by_day[currency, day] if entry.id > after][:limit]

    # What errors are planted in.

    def plant(self, each: int, not_plantable: Iterable[str]) -> Sequence[Planted]:
        """Plant ``each`` error of every kind at every processor, but none in what is about these objects."""
        self._not_plantable = frozenset(not_plantable)
        clock = VirtualClock(datetime.combine(LAST_DAY, time(), UTC))
        planting = PlantErrors(self, clock).plant(self.seed, each=each, processors=PROCESSORS, of_files=True)
        planted = asyncio.run(planting)
        self.told = distortions_of(planted)
        return planted

    async def planted(self, _seed: str) -> Sequence[Planted]:
        """What was planted."""
        return self._kept

    async def add_planted(self, _seed: str, planted: Sequence[Planted]) -> None:
        """Keep it."""
        self._kept = planted

    async def plantable(
        self, processor: str, kind: Kind, _until: date, drawn_by: str, limit: int
    ) -> Sequence[tuple[Payout, BalanceTransaction]]:
        """As the sandbox's own store chooses: nothing else is about the object, and the bank has booked the payout."""
        found = [
            (payout, line)
            for payout in self.payouts_of[processor]
            if payout.id in self.entries_by_payout
            for line in self.lines_of[payout.id]
            if line.kind is kind and self._is_plantable(line)
        ]
        # Every other error looks among the few lines first that are exchanged or not in hundredths.
        looks_there = int(_lot(drawn_by, processor)[0], 16) % 2 == 0
        return sorted(
            found, key=lambda pair: (not (looks_there and _is_unusual(pair[1])), *_lot(drawn_by, pair[1].id))
        )[:limit]

    def _is_plantable(self, line: BalanceTransaction) -> bool:
        return self._objects[line.object_id or ""] == 1 and line.object_id not in self._not_plantable

    async def plantable_entries(self, _until: date, drawn_by: str, limit: int) -> Sequence[BankEntry]:
        """Entries of payouts that came as they were to come."""
        usual = {
            payout.id
            for payouts in self.payouts_of.values()
            for payout in payouts
            if payout.fate is Fate.ARRIVES
        }
        found = [
            entry
            for entries in self.entries_by_day.values()
            for entry in entries
            if {part.payout_id for part in entry.parts} <= usual
        ]
        return sorted(found, key=lambda entry: _lot(drawn_by, entry.id))[:limit]

    async def has_entries_before(self, currency: str, day: date) -> bool:
        """Whether the account had a statement with anything on it by then."""
        return any(
            entries and code == currency and booked_on < day
            for (code, booked_on), entries in self.entries_by_day.items()
        )

    async def entries_of(self, payout: Payout) -> Sequence[BankEntry]:
        """In order."""
        return sorted(self.entries_by_payout[payout.id], key=lambda entry: (entry.booked_on, entry.id))

    async def payout_after(self, payout: Payout, _until: date) -> Payout | None:
        """The next one of the same currency that came to the bank."""
        later = self.payouts_of[payout.processor][payout.batch_number :]
        return next(
            (
                each
                for each in later
                if each.currency == payout.currency and each.id in self.entries_by_payout
            ),
            None,
        )

    # What comes out.

    def files(self, first: date, last: date, told: Distortions | None = None) -> Iterator[Delivery]:
        """The reports and statements of these days, one file of each source that has anything to say.

        Before a report that tells some lines otherwise than they were told at first comes what was told of these.
        ``told``: with these errors instead of those that were planted.
        """
        told = told or self.told
        span = Span(first=first, last=last)
        for processor in PROCESSORS:
            paid = [payout for payout in self.payouts_of[processor] if first <= payout.made_on <= last]
            if any(payout.id in told.said_before for payout in paid):
                pieces = Reports(self).first_edition(processor, span, self._writer(processor), told)
                yield Delivery(processor, first_edition_name(first), asyncio.run(_whole(pieces)))
            if paid:
                pieces = Reports(self).settlement(processor, span, self._writer(processor), told)
                yield Delivery(processor, report_name(first), asyncio.run(_whole(pieces)))
        for currency, form in BANK_FORMAT_OF.items():
            pieces = Reports(self).bank(currency, span, BANK_FORMATS[form](), told)
            yield Delivery(bank_source(currency), statement_name(first), asyncio.run(_whole(pieces)))

    @staticmethod
    def _writer(processor: str) -> SettlementWriter:
        return SETTLEMENT_FORMATS[FORMAT_OF[processor]]()

    def told_lines(self, payout: Payout) -> list[BalanceTransaction]:
        """The payout's lines as its report tells them."""
        own = [told for line in self.lines_of[payout.id] if (told := self.told.line(line)) is not None]
        return [*own, *self.told.added.get(payout.id, ())]


def bank_source(currency: str) -> str:
    """Whose statements of that account are."""
    return f"bank_{currency.lower()}"


def report_name(first: date) -> str:
    """The name of a report that begins with that day."""
    return f"{first}.csv"


def first_edition_name(first: date) -> str:
    """That of what was told before it."""
    return f"{first}-first.csv"


def statement_name(first: date) -> str:
    """That of the statements from that day on."""
    return f"{first}.txt"


def _is_unusual(line: BalanceTransaction) -> bool:
    return line.exchange_rate is not None or currency_scale(line.currency) != _HUNDREDTHS_SCALE


def _lot(drawn_by: str, subject: str) -> tuple[str, str]:
    return hashlib.md5(f"{drawn_by}{subject}".encode(), usedforsecurity=False).hexdigest(), subject


async def _whole(pieces: Iterable[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])  # type: ignore[attr-defined]
