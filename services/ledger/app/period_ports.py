"""What closing months needs from outside: their closes, the end of the chain, a turn, and a way to tell of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.ledger.app.seal_journals import Chain, NoteChain
from services.ledger.domain.closes import SignedClose
from shared.kernel.ids import Ids
from shared.kernel.months import Month, PeriodClose
from shared.kernel.operators import OperatorAct


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainEnd:
    """Where the chain ends, and how many journals that take effect before a time are not sealed up to there."""

    shard: int
    position: int
    hash: str
    unsealed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedPeriod:
    """A closed month with the end of the chain that it rests on; ``signed`` is what was published of it."""

    period: str
    close_id: str
    starts_at: datetime
    ends_at: datetime
    shard: int
    position: int
    hash: str
    closed_at: datetime
    signed: SignedClose | None = None


class Periods(Protocol):
    """Months of one transaction: proposed, decided and closed, never changed otherwise."""

    def opens_at(self) -> datetime | None:
        """Before it everything is closed, and no close changes that until this transaction ends."""
        ...

    def take_turn(self) -> None:
        """Let nobody propose or decide a close until this transaction ends; posting does not wait for it."""
        ...

    def stop_posting(self) -> datetime | None:
        """Wait until what is being posted has ended, let nothing follow until this transaction ends; ``opens_at``.

        Raises ``Rejected`` where that takes long.
        """
        ...

    def get(self, close_id: str) -> PeriodClose | None: ...

    def standing(self, period: str) -> str | None:
        """The close of this month that is proposed or approved."""
        ...

    def add(self, close_id: str, period: str, reason: str, *, by: str, at: datetime) -> None: ...

    def chain_end(self, ends_at: datetime) -> ChainEnd:
        """The end of the chain; only after posting was stopped."""
        ...

    def close(self, month: Month, close_id: str, end: ChainEnd, *, at: datetime) -> None:
        """Close the month for good, as of that time; only after posting was stopped."""
        ...

    def decide(self, decided: PeriodClose) -> None: ...


class ClosingUnit(Protocol):
    """What one transaction offers the use cases."""

    @property
    def now(self) -> datetime: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def periods(self) -> Periods: ...
    @property
    def seals(self) -> Chain: ...
    @property
    def notes(self) -> NoteChain: ...

    def acted(self, act: OperatorAct) -> str:
        """Say what an operator did; the id of that event."""
        ...

    def announce_close_decision(self, decided: PeriodClose, cause_event_id: str) -> None:
        """Tell all of a close that was decided, so that it can be restored from the archive."""
        ...


class UnsignedCloses(Protocol):
    """Closed months that nobody has signed yet."""

    def unsigned(self) -> Sequence[ClosedPeriod]: ...
    def add_signature(self, close: SignedClose) -> None: ...
