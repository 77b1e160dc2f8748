"""Owns planting errors by seed, and telling them: once planted, a seed's errors and their key stay as they are."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from services.sandbox.app.distortions import HONEST, Distortions, LineKey, line_key
from services.sandbox.app.settlement_ports import PlantedErrors
from services.sandbox.domain.balance_transactions import BalanceTransaction
from services.sandbox.domain.bank import BankEntry
from services.sandbox.domain.error_makers import damaged
from services.sandbox.domain.planted_errors import (
    ALL_TEMPLATES,
    TEMPLATES,
    Candidate,
    EntryShift,
    Error,
    Planted,
)
from services.sandbox.domain.planter import Planter
from shared.kernel.clock import Clock
from shared.kernel.errors import Rejected

SPARE: Final = 20
"""Candidates looked at for each error that is wanted: some are used already, or do not allow it."""
EACH_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class PlantErrors:
    """Plants the errors of reports; the processors' book and the bank's stay as they are."""

    store: PlantedErrors
    clock: Clock

    async def plant(
        self, seed: str, *, each: int, processors: Sequence[str], of_files: bool = False
    ) -> Sequence[Planted]:
        """The errors of a seed, planted now unless they are already: at each processor ``each`` of every kind.

        ``of_files``: also what is wrong with reports and statements themselves.
        """
        if not 0 < each <= EACH_MAX:
            raise Rejected("field_invalid", f"1 to {EACH_MAX} of each kind.", status=400, param="each")
        if found := await self.store.planted(seed):
            return found
        planter = Planter(seed)
        made = [
            planted
            for processor in processors
            for error in (ALL_TEMPLATES if of_files else TEMPLATES)
            for planted in await self._of_lines(planter, error, processor, each)
        ]
        made += await self._of_entries(planter, each * len(processors))
        if of_files:
            made += await self._of_statements(planter, each)
        await self.store.add_planted(seed, made)
        return await self.store.planted(seed)

    async def damage(
        self, seed: str, error: Error, *, processors: Sequence[str], payment: str | None = None
    ) -> Sequence[Planted]:
        """The one error of a seed's files: at each processor in a charge by lot, or in one of that payment."""
        if found := await self.store.planted(seed):
            return found
        lines = [await self.store.paid_out(each, f"{seed}|{error}", payment) for each in processors]
        made = [damaged(error, *found) for found in lines if found is not None]
        if not made:
            raise Rejected("nothing_paid_out", "No such charge has been paid out yet.")
        await self.store.add_planted(seed, made)
        return await self.store.planted(seed)

    async def key(self, seed: str) -> Sequence[Planted]:
        """What was planted by a seed; refused if nothing was."""
        planted = await self.store.planted(seed)
        if not planted:
            raise Rejected("seed_unknown", "Nothing was planted by this seed.", status=404, param="seed")
        return planted

    async def distortions(self, seed: str | None) -> Distortions:
        """What reports say wrongly by the seed; without one they are honest."""
        return HONEST if seed is None else distortions_of(await self.key(seed))

    @property
    def _today(self) -> date:
        return self.clock.now().date()

    async def _of_lines(self, planter: Planter, error: Error, processor: str, each: int) -> Sequence[Planted]:
        made: list[Planted] = []
        async for candidate in self._candidates(planter, error, processor, each * SPARE):
            planted = planter.plant(error, candidate)
            if planted is not None:
                made.append(planted)
            if len(made) == each:
                break
        return made

    async def _candidates(
        self, planter: Planter, error: Error, processor: str, limit: int
    ) -> AsyncIterator[Candidate]:
        drawn_by = f"{planter.seed}|{error}"
        for payout, line in await self.store.plantable(
            processor, ALL_TEMPLATES[error], self._today, drawn_by, limit
        ):
            if planter.has_used(line):
                continue
            entries = await self.store.entries_of(payout)
            following = await self.store.payout_after(payout, self._today) if error is Error.LATE else None
            yield Candidate(
                payout=payout,
                line=line,
                entries=entries,
                next_payout=following,
                next_entries=await self.store.entries_of(following) if following else (),
            )

    async def _of_entries(self, planter: Planter, each: int) -> Sequence[Planted]:
        found = await self.store.plantable_entries(
            self._today, f"{planter.seed}|{Error.UNBOOKED}", each * SPARE
        )
        unbooked = [planted for entry in found if (planted := planter.unbook(entry)) is not None][:each]
        beside = await self.store.plantable_entries(self._today, f"{planter.seed}|{Error.INVENTED}", each)
        return [*unbooked, *(planter.invent(entry) for entry in beside)]

    async def _of_statements(self, planter: Planter, each: int) -> Sequence[Planted]:
        """Of the first statement of all nobody could tell that one before it is missing."""
        made: list[Planted] = []
        for error in (Error.ENTRY_LOST, Error.STATEMENT_LOST):
            drawn_by = f"{planter.seed}|{error}"
            found = await self.store.plantable_entries(self._today, drawn_by, each * SPARE)
            lost = [
                planted
                for entry in found
                if error is Error.ENTRY_LOST
                or await self.store.has_entries_before(entry.currency, entry.booked_on)
                if (planted := planter.lose(error, entry)) is not None
            ]
            made += lost[:each]
        return made


def distortions_of(planted: Sequence[Planted]) -> Distortions:
    """What the errors make of the reports."""

    def lines(error: Error) -> frozenset[LineKey]:
        return frozenset(
            (each.processor, each.transaction_id or "") for each in planted if each.error is error
        )

    added: dict[str, list[Planted]] = {}
    shifted: dict[str, list[EntryShift]] = {}
    for each in planted:
        for addition in each.added:
            added.setdefault(addition.payout_id, []).append(each)
        for shift in each.entry_shifts:
            shifted.setdefault(shift.entry_id, []).append(shift)
    return Distortions(
        changed={line_key(each.changed): each.changed for each in planted if each.changed},
        left_out=frozenset((each.processor, each.left_out) for each in planted if each.left_out),
        twice=lines(Error.LINE_TWICE),
        cut_at=lines(Error.CUT_OFF),
        added={
            payout_id: [
                addition.line for each in found for addition in each.added if addition.payout_id == payout_id
            ]
            for payout_id, found in added.items()
        },
        shifted=shifted,
        unbooked={each.unbooked.id: each.unbooked for each in planted if each.unbooked},
        invented=[each.invented for each in planted if each.invented],
        totals={
            (each.processor, each.payout_id or ""): each.in_total_minor
            for each in planted
            if each.in_total_minor
        },
        unreadable=_by_payout(planted, lambda each: each.unreadable),
        said_before=_by_payout(planted, lambda each: each.said_before),
        unwritten=_unwritten(planted, Error.ENTRY_LOST),
        unheard=_unwritten(planted, Error.STATEMENT_LOST),
    )


def _by_payout(
    planted: Sequence[Planted], line_of: Callable[[Planted], BalanceTransaction | None]
) -> dict[str, list[BalanceTransaction]]:
    found: dict[str, list[BalanceTransaction]] = {}
    for each in planted:
        if (line := line_of(each)) is not None:
            found.setdefault(each.payout_id or "", []).append(line)
    return found


def _unwritten(planted: Sequence[Planted], error: Error) -> list[BankEntry]:
    return [each.unwritten for each in planted if each.unwritten and each.error is error]
