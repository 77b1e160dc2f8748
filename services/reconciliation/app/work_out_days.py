"""Works out each day once it is over: a full run, and what the day's money had come to by then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final, Protocol

from services.reconciliation.app.run_matching import RunKind, RunUnit, run_matching

WORKER: Final = "daily run"
#: So many days that were missed are made up for at once; more were not watched by anybody.
DAYS_MAX: Final = 31


class Days(Protocol):
    """Days that were worked out."""

    def last(self) -> date | None:
        """The last one."""
        ...

    def anything_known(self) -> bool:
        """Whether any money was ever told of: before that there is nothing to work out."""
        ...

    def keep(self, days: Sequence[date], run_id: str) -> None:
        """Keep what each day's money came to, as the run left it."""
        ...


class DayUnit(RunUnit, Protocol):
    """What one transaction offers."""

    @property
    def days(self) -> Days: ...


def work_out_days(uow: DayUnit) -> bool:
    """Work out what is over and was not worked out; whether there was any. Twice, or two at once, it is done once."""
    if not _due(uow):
        return False
    uow.matching.take_turn()
    # Whoever had the turn before may have done it.
    due = _due(uow)
    if due:
        run = run_matching(RunKind.FULL, WORKER, uow)
        uow.days.keep(due, run.run_id)
    return bool(due)


def _due(uow: DayUnit) -> list[date]:
    yesterday = uow.now.date() - timedelta(days=1)
    last = uow.days.last()
    if (last is not None and last >= yesterday) or not uow.days.anything_known():
        return []
    # The first time only yesterday: what lies before it was not watched.
    count = 1 if last is None else min((yesterday - last).days, DAYS_MAX)
    return [yesterday - timedelta(days=back) for back in range(count)][::-1]
