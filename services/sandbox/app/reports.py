"""Owns the making of reports: a page of the book at a time through a format's writer, the same state the same bytes."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from services.sandbox.app.distortions import HONEST, Distortions, line_key
from services.sandbox.app.report_formats.writers import SettlementWriter, Statement, StatementWriter
from services.sandbox.app.settlement_ports import Books, Span
from services.sandbox.domain.balance_transactions import BalanceTransaction
from services.sandbox.domain.bank import account_number
from services.sandbox.domain.payouts import Payout

PAGE: Final = 1_000
_DAY: Final = timedelta(days=1)


class _CutOffError(Exception):
    """The file ends here, in the middle of a line."""


@dataclass(frozen=True, slots=True)
class Reports:
    """Reads the books and writes reports of them; nothing is ever whole in memory."""

    books: Books

    async def settlement(
        self, processor: str, span: Span, writer: SettlementWriter, told: Distortions = HONEST
    ) -> AsyncIterator[bytes]:
        """The payouts made on the days of the span, each with its lines and its own row after them."""
        yield writer.head()
        async for payout in self._payouts(processor, span):
            try:
                async for piece in self._payout(payout, writer, told):
                    yield piece
            except _CutOffError:
                return
        if end := writer.end():
            yield end

    async def first_edition(
        self, processor: str, span: Span, writer: SettlementWriter, told: Distortions
    ) -> AsyncIterator[bytes]:
        """Those lines of the same payouts that were told otherwise before, as they were, and nothing else."""
        yield writer.head()
        async for payout in self._payouts(processor, span):
            yield b"".join(writer.line(payout, line) for line in told.said_before.get(payout.id, ()))
        if end := writer.end():
            yield end

    async def _payouts(self, processor: str, span: Span) -> AsyncIterator[Payout]:
        after_batch = 0
        while page := await self.books.payouts(processor, span, after_batch=after_batch, limit=PAGE):
            for payout in page:
                yield payout
            after_batch = page[-1].batch_number

    async def bank(
        self, currency: str, span: Span, writer: StatementWriter, told: Distortions = HONEST
    ) -> AsyncIterator[bytes]:
        """A statement of each day of the span that has entries; where none has any, an empty one of the last day."""
        found = set(await self.books.entry_days(currency, span))
        found |= {
            entry.booked_on
            for entry in told.invented
            if entry.currency == currency and span.first <= entry.booked_on <= span.last
        }
        days = sorted(found) or [span.last]
        before_minor = await self.books.balance_before(currency, days[0])
        for day in days:
            after_minor = await self.books.balance_before(currency, day + _DAY)
            statement = Statement(
                account=account_number(currency),
                currency=currency,
                day=day,
                opening_minor=before_minor + told.opening_shift(currency, day),
                closing_minor=after_minor + told.balance_shift(currency, day + _DAY),
            )
            if day == days[0]:
                yield writer.head(statement)
            async for piece in self._statement(statement, writer, told):
                yield piece
            before_minor = after_minor
        if end := writer.end():
            yield end

    async def _payout(
        self, payout: Payout, writer: SettlementWriter, told: Distortions
    ) -> AsyncIterator[bytes]:
        net_minor = 0
        after = ""
        while page := await self.books.lines(payout.processor, payout.id, after=after, limit=PAGE):
            told_lines = [line for item in page if (line := told.line(item)) is not None]
            net_minor += sum(line.net_minor for line in told_lines)
            written, cut_off = _written(payout, told_lines, writer, told)
            yield written
            if cut_off:
                raise _CutOffError
            after = page[-1].id
        more: tuple[BalanceTransaction, ...] = tuple(told.added.get(payout.id, ()))
        net_minor += sum(line.net_minor for line in more) + told.totals.get((payout.processor, payout.id), 0)
        yield b"".join(
            [
                *(writer.line(payout, line) for line in more),
                *(_without_end(writer.line(payout, line)) for line in told.unreadable.get(payout.id, ())),
                writer.total(payout, net_minor),
            ]
        )

    async def _statement(
        self, statement: Statement, writer: StatementWriter, told: Distortions
    ) -> AsyncIterator[bytes]:
        yield writer.opening(statement)
        after = ""
        while page := await self.books.entries(statement.currency, statement.day, after=after, limit=PAGE):
            entries = [entry for item in page if (entry := told.entry(item)) is not None]
            yield b"".join(writer.entry(statement, entry) for entry in entries)
            after = page[-1].id
        more = [entry for entry in told.invented_on(statement.day) if entry.currency == statement.currency]
        yield b"".join(writer.entry(statement, entry) for entry in more) + writer.closing(statement)


def _written(
    payout: Payout, lines: Sequence[BalanceTransaction], writer: SettlementWriter, told: Distortions
) -> tuple[bytes, bool]:
    """The lines as the file has them, and whether it ends in the middle of the last one."""
    pieces: list[bytes] = []
    for line in lines:
        piece = writer.line(payout, line)
        if line_key(line) in told.cut_at:
            return b"".join([*pieces, piece[: len(piece) // 2]]), True
        pieces.append(piece * 2 if line_key(line) in told.twice else piece)
    return b"".join(pieces), False


def _without_end(row: bytes) -> bytes:
    """The row without its last column: too short to be read in any format."""
    return row.rstrip(b"\n").rpartition(b",")[0] + b"\n"
