"""Owns paying out: movements from the book, days that are over closed in order, and payouts out of turn."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from services.sandbox.app.ports import OutdatedError
from services.sandbox.app.settlement_ports import Settlements
from services.sandbox.domain.balance_transactions import balance_transaction
from services.sandbox.domain.bank import Fate, Lots
from services.sandbox.domain.business_days import is_business_day
from services.sandbox.domain.payouts import Closing, Occasion, Payout, pay_out
from services.sandbox.domain.terms import Terms
from shared.kernel.clock import Clock
from shared.kernel.errors import Rejected

BATCH: Final = 1_000
DAYS_AT_ONCE: Final = 31
TRIES: Final = 5
_DAY: Final = timedelta(days=1)
_NOTHING: Final = Closing(payouts=(), reserves=(), entries=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """Pays out for every processor. Each step is one transaction and takes effect once, whoever repeats it."""

    store: Settlements
    terms: Mapping[str, Terms]
    clock: Clock
    lots: Lots

    async def close_days(self) -> int:
        """Close the days that are over, at most a month of each processor; returns how many."""
        closed = 0
        for processor in self.terms:
            days = await self.store.days_to_close(processor, self.clock.now().date() - _DAY, DAYS_AT_ONCE)
            for day in days:
                end = datetime.combine(day + _DAY, time(), UTC)
                await self._derive(processor, end)
                await self._pay(processor, day, end - timedelta(seconds=1), available_until=day, closes=True)
                closed += 1
        return closed

    async def pay_now(
        self, processor: str, *, fate: Fate | None = None, everything: bool = False
    ) -> tuple[Payout, ...]:
        """Pay out at once what is available today, or everything; all payouts share the fate, if one is given."""
        now = self.clock.now()
        await self._derive(processor, now + _DAY)
        until = None if everything else now.date()
        return await self._pay(processor, now.date(), now, available_until=until, fate=fate)

    async def _derive(self, processor: str, before: datetime) -> None:
        terms, after = self.terms[processor], 0
        while True:
            rows = await self.store.underived(processor, after=after, before=before, limit=BATCH)
            if not rows:
                return
            await self.store.add_transactions([balance_transaction(processor, row, terms) for row in rows])
            after = rows[-1].position

    async def _pay(
        self,
        processor: str,
        made_on: date,
        made_at: datetime,
        *,
        available_until: date | None,
        fate: Fate | None = None,
        closes: bool = False,
    ) -> tuple[Payout, ...]:
        """Decide and write; what changed meanwhile is decided anew. Nothing is paid on days without banks."""
        for _ in range(TRIES):
            closing = _NOTHING
            if not closes or is_business_day(made_on):
                standing = await self.store.standing(processor, available_until)
                occasion = Occasion(
                    made_on=made_on,
                    made_at=made_at,
                    next_batch_number=standing.next_batch_number,
                    lots=self.lots,
                    fate=fate,
                )
                closing = pay_out(
                    processor, standing.available, standing.waiting, self.terms[processor], occasion
                )
            day = made_on if closes else None
            try:
                done = await self.store.close(processor, closing, available_until=available_until, day=day)
            except OutdatedError:
                continue
            return closing.payouts if done else ()
        raise Rejected("payouts_busy", "Somebody else pays out at the same time; ask again.", status=409)
