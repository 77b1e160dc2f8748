"""A run: matches, allocates what the bank says, and finds what is wrong, in one transaction or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from shared.kernel.ids import Ids


class RunKind(StrEnum):
    """Over what changed since the last run, or over everything anew; both come to the same."""

    INCREMENTAL = "incremental"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run did; written once."""

    run_id: str
    kind: RunKind
    as_of: datetime
    started_by: str
    started_at: datetime
    result: Mapping[str, Any]


class Agreed(Protocol):
    """What people agreed may differ, and what processors take."""

    def stand_as_of(self, moment: datetime) -> None:
        """Let what was in force then count."""
        ...


class Matching(Protocol):
    """Claims of lines on items."""

    def take_turn(self) -> None:
        """Wait until no other run is at work."""
        ...

    def match(self, run_id: str, *, everything: bool) -> bool:
        """Claim what belongs together; whether so much changed that all that depends on it is looked at anew."""
        ...

    def matches_by_rule(self) -> dict[str, int]: ...


class Allocating(Protocol):
    """The bank's lines and payouts."""

    def allocate(self, run_id: str, *, everything: bool) -> int:
        """Tell which payout each bank's line is for, if any of them changed; how many allocations are new."""
        ...


class Finding(Protocol):
    """Breaks."""

    def find(self, run_id: str, as_of: datetime, *, everything: bool) -> dict[str, int]:
        """Move breaks to what is wrong as of then, wherever anything changed; how many moved, by trigger."""
        ...

    def standing(self) -> dict[str, int]: ...


class Asked(Protocol):
    """What another service was asked for."""

    def withdraw_gone(self, run_id: str) -> int:
        """Tell it of each wish that is not answered to be done or refused and whose break is gone, once."""
        ...


class Runs(Protocol):
    """Runs that were done."""

    def add(self, run: Run) -> None: ...

    def parked_keys(self) -> int:
        """Keys of which events wait: what we know of our side is not all that was told."""
        ...


class RunUnit(Protocol):
    """What one transaction offers a run."""

    @property
    def now(self) -> datetime: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def terms(self) -> Agreed: ...
    @property
    def matching(self) -> Matching: ...
    @property
    def allocating(self) -> Allocating: ...
    @property
    def finding(self) -> Finding: ...
    @property
    def break_adjustments(self) -> Asked: ...
    @property
    def returns(self) -> Asked: ...
    @property
    def runs(self) -> Runs: ...


def run_matching(kind: RunKind, started_by: str, uow: RunUnit, as_of: datetime | None = None) -> Run:
    """Do one run. Two at once take turns, and the second finds nothing left to do; killed, it leaves nothing."""
    as_of = as_of or uow.now
    run_id = uow.ids.new("run_")
    uow.matching.take_turn()
    uow.terms.stand_as_of(as_of)
    everything = uow.matching.match(run_id, everything=kind is RunKind.FULL)
    allocated = uow.allocating.allocate(run_id, everything=everything)
    moved = uow.finding.find(run_id, as_of, everything=everything)
    withdrawn = uow.break_adjustments.withdraw_gone(run_id) if moved else 0
    returns_withdrawn = uow.returns.withdraw_gone(run_id) if moved else 0
    run = Run(
        run_id=run_id,
        kind=kind,
        as_of=as_of,
        started_by=started_by,
        started_at=uow.now,
        result={
            "matches": uow.matching.matches_by_rule(),
            "allocations_told": allocated,
            "breaks_moved": moved,
            "adjustments_withdrawn": withdrawn,
            "returns_withdrawn": returns_withdrawn,
            "breaks": uow.finding.standing(),
            "parked_keys": uow.runs.parked_keys(),
        },
    )
    uow.runs.add(run)
    return run
