"""Keeps matching up with what comes in: a run when anything changed, and now and then, as time alone makes breaks."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Protocol

from services.reconciliation.app.run_matching import RunKind, RunUnit, run_matching

WORKER: Final = "worker"
#: What is late is found so soon after its time, where nothing else starts a run.
RUN_AT_LEAST_EVERY: Final = timedelta(minutes=5)


class Due(Protocol):
    """Whether there is anything to do."""

    def is_due(self, at_least_every: timedelta) -> bool:
        """Whether anything changed since the last run, or it is that long ago."""
        ...


class KeepUnit(RunUnit, Protocol):
    """What one transaction offers."""

    @property
    def due(self) -> Due: ...


def keep_matched(uow: KeepUnit) -> bool:
    """Run over what changed, if anything did; whether it did."""
    if not uow.due.is_due(RUN_AT_LEAST_EVERY):
        return False
    run_matching(RunKind.INCREMENTAL, WORKER, uow)
    return True
