"""The sandbox's books in memory, made from any trade by its own rules: what its reports are written from."""

import asyncio
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import strategies as st

from services.sandbox.app.distortions import HONEST
from services.sandbox.app.reports import Reports
from services.sandbox.app.settlement_ports import Span
from services.sandbox.domain.balance_transactions import KINDS, BookedMoney, Kind, balance_transaction
from services.sandbox.domain.bank import Fate, Lots
from services.sandbox.domain.payouts import Available, Occasion, pay_out
from services.sandbox.domain.terms import TERMS

START = datetime(2026, 3, 20, 23, 59, 59, tzinfo=UTC)
DAYS = 40
SPAN = Span(first=START.date(), last=START.date() + timedelta(days=2 * DAYS))
OUT = {"capture_failed", "refunded", "withdrawn", "reversed"}
ROWS = st.tuples(
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(["EUR", "USD", "JPY", "KWD"]),
    st.integers(1, 1_000_000),
    st.integers(0, 12),
)
TRADES = st.lists(ROWS, min_size=1, max_size=25)


class Books:
    """Everything of one processor, kept in memory."""

    def __init__(self, trade, *, settles_in, rate, reserve=500):
        self.all_payouts, self.paid, self.bank = [], defaultdict(list), []
        terms = replace(TERMS["alpha"], settles_in=settles_in, reserve_basis_points=reserve)
        unpaid = [
            balance_transaction("alpha", booked(number, *row), terms) for number, row in enumerate(trade)
        ]
        for day in range(DAYS):
            unpaid = self._close(START.date() + timedelta(days=day), unpaid, terms, Lots("s", rate))

    def _close(self, today, unpaid, terms, lots):
        ready = [item for item in unpaid if item.available_on <= today]
        sums, charges = defaultdict(int), defaultdict(int)
        for item in ready:
            sums[item.net_currency] += item.net_minor
            charges[item.net_currency] += item.net_minor if item.kind is Kind.CHARGE else 0
        told = {part.payout_id for entry in self.bank for part in entry.parts}
        waiting = [payout.transfer for payout in self.all_payouts if payout.id not in told]
        made = pay_out(
            "alpha",
            [Available(account="a", currency=c, net_minor=sums[c], charges_minor=charges[c]) for c in sums],
            waiting,
            terms,
            Occasion(
                made_on=today,
                made_at=datetime.combine(today, START.timetz()),
                next_batch_number=len(self.all_payouts) + 1,
                lots=lots,
                fate=None if today < START.date() + timedelta(days=30) else Fate.ARRIVES,
            ),
        )
        paid = {payout.currency: payout.id for payout in made.payouts}
        for item in ready:
            if item.net_currency in paid:
                self.paid[paid[item.net_currency]].append(item)
        for reserve in made.reserves:
            self.paid[reserve.payout_id].append(reserve.held)
        self.all_payouts += made.payouts
        self.bank += made.entries
        left = [item for item in unpaid if item not in ready or item.net_currency not in paid]
        return left + [reserve.released for reserve in made.reserves]

    async def payouts(self, _processor, _span, *, after_batch, limit):
        return [payout for payout in self.all_payouts if payout.batch_number > after_batch][:limit]

    async def lines(self, _processor, payout_id, *, after, limit):
        found = sorted(self.paid[payout_id], key=lambda line: line.id)
        return [line for line in found if line.id > after][:limit]

    async def entry_days(self, currency, _span):
        return sorted({entry.booked_on for entry in self.bank if entry.currency == currency})

    async def balance_before(self, currency, day):
        return sum(e.amount_minor for e in self.bank if e.currency == currency and e.booked_on < day)

    async def entries(self, currency, day, *, after, limit):
        found = [e for e in self.bank if e.currency == currency and e.booked_on == day and e.id > after]
        return sorted(found, key=lambda entry: entry.id)[:limit]


def booked(number, kind, currency, amount_minor, days):
    return BookedMoney(
        position=number, kind=kind, account="a", currency=currency,
        amount_minor=-amount_minor if kind in OUT else amount_minor,
        fee_minor=1_500 if kind == "withdrawn" else 0,
        booked_at=START + timedelta(days=days, microseconds=number), row_id=None, object_id=f"obj_{number}",
        charge_id=f"cap_{number}", authorization_id=f"auth_{number}", payment_id=f"pay_{number}",
        reference=f"op_{number}",
    )  # fmt: skip


def settlement_bytes(books, writer, told=HONEST):
    return asyncio.run(_whole(Reports(books).settlement("alpha", SPAN, writer, told)))


def bank_bytes(books, currency, writer, told=HONEST):
    return asyncio.run(_whole(Reports(books).bank(currency, SPAN, writer, told)))


async def _whole(pieces):
    return b"".join([piece async for piece in pieces])


def midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC)


class Plantable:
    """The same books as what errors are planted in; the lots are the order of the book."""

    def __init__(self, books):
        self.books, self.kept = books, []

    async def planted(self, _seed):
        return self.kept

    async def add_planted(self, _seed, planted):
        self.kept = list(planted)

    async def plantable(self, _processor, kind, _until, _drawn_by, limit):
        return [
            (payout, line)
            for payout in self.books.all_payouts
            if self._entries(payout)
            for line in self.books.paid[payout.id]
            if line.kind is kind
        ][:limit]

    async def paid_out(self, _processor, _drawn_by, payment):
        return next(
            (
                (payout, line)
                for payout in self.books.all_payouts
                for line in self.books.paid[payout.id]
                if line.kind is Kind.CHARGE and payment in {None, line.payment_id}
            ),
            None,
        )

    async def plantable_entries(self, _until, _drawn_by, limit):
        arrived = {payout.id for payout in self.books.all_payouts if payout.fate is Fate.ARRIVES}
        return [e for e in self.books.bank if {part.payout_id for part in e.parts} <= arrived][:limit]

    async def entries_of(self, payout):
        return self._entries(payout)

    async def payout_after(self, payout, _until):
        later = [p for p in self.books.all_payouts if p.batch_number > payout.batch_number]
        return next((p for p in later if p.currency == payout.currency and self._entries(p)), None)

    def _entries(self, payout):
        found = [e for e in self.books.bank if payout.id in {part.payout_id for part in e.parts}]
        return sorted(found, key=lambda entry: (entry.booked_on, entry.id))
