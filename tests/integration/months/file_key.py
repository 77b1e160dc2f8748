"""What has to be found of a month's files themselves, and what each of these breaks is about.

Which file has what depends on when files come: each has the days since the last ones, and is named after the first.
"""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta

from services.sandbox.domain.planted_errors import Error, Planted
from tests.integration.months.answers import Answer, payout_name
from tests.integration.months.trade import START
from tests.integration.months.world import (
    World,
    bank_source,
    first_edition_name,
    report_name,
    statement_name,
)

#: Of several errors that are one break: the most money, but where it is all that two files say otherwise.
OF_FILES: dict[Error, Callable[[int, int], int]] = {
    Error.TOTAL: max,
    Error.UNREADABLE: max,
    Error.SAID_BEFORE: operator.add,
    Error.ENTRY_LOST: max,
    Error.STATEMENT_LOST: max,
}


class Files:
    """The errors of a month's files."""

    def __init__(self, world: World, planted: Sequence[Planted], stops: Sequence[date]) -> None:
        self._firsts = [START.date(), *(day + timedelta(days=1) for day in stops[:-1])]
        self._planted = [each for each in planted if each.error in OF_FILES]
        self._payouts = {payout.id: payout for found in world.payouts_of.values() for payout in found}

    def answers(self, day: date) -> Iterator[Answer]:
        """The breaks of files that have come by then."""
        found: dict[tuple[str, str], int] = {}
        for each in self._planted:
            if self._said_on(each) <= day:
                about = self.about(each), each.break_type
                found[about] = OF_FILES[each.error](found.get(about, 0), each.at_risk_minor)
        return (Answer(about, kind, at_risk_minor) for (about, kind), at_risk_minor in found.items())

    def about(self, each: Planted) -> str:
        """What the break is about, as the desk speaks of it."""
        first = self._first_of(self._said_on(each))
        if each.error is Error.TOTAL:
            return payout_name(self._payouts[str(each.payout_id)]).replace("payout:", "total:", 1)
        if each.error is Error.UNREADABLE:
            return f"file:{each.processor}:{report_name(first)}"
        if each.error is Error.SAID_BEFORE:
            said = f"{report_name(first)}:{first_edition_name(first)}"
            return f"order:{each.processor}:{said}:{each.currency}"
        if each.error is Error.ENTRY_LOST:
            return f"file:{bank_source(each.currency)}:{statement_name(first)}"
        return f"statement:{each.currency}:{self._said_on(each)}"

    def _said_on(self, each: Planted) -> date:
        if each.unwritten is not None:
            return each.unwritten.booked_on
        return self._payouts[str(each.payout_id)].made_on

    def _first_of(self, day: date) -> date:
        return self._firsts[bisect_right(self._firsts, day) - 1]
