"""Seals what was posted, off the hot path: each committed journal gets the next place in the chain, once.

Called again and again by the sealer's role, in a transaction of its own; true if there is more to do at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from services.ledger.domain.horizon import Horizon, Observation
from services.ledger.domain.seals import SHARD, Recorded, Seal, seal_all
from shared.kernel.crash_points import crash_point

BATCH_JOURNALS: Final = 1_000
"""One transaction's worth: a few hundred kilobytes read, and a lease held for tens of milliseconds."""
AT_ONCE_MAX: Final = 5_000
"""What ``seal_the_rest`` takes on while others wait: some tenths of a second."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Chain(Protocol):
    """The chain of seals, as one transaction sees it."""

    def lease(self, shard: int) -> int | None: ...
    def wait_for_lease(self, shard: int) -> int | None:
        """As ``lease``, behind whoever has it; None where that takes too long."""
        ...

    def observe(self) -> Observation: ...
    def unsealed(self, settled: int, limit: int) -> list[Recorded]: ...
    def last(self, shard: int) -> Seal | None: ...
    def append(self, seals: Sequence[Seal]) -> None: ...
    def settle(self, shard: int, position: int) -> None: ...


class SealingWork(Protocol):
    """The part of the unit of work that sealing uses."""

    @property
    def seals(self) -> Chain: ...
    @property
    def now(self) -> datetime: ...


def seal_journals(horizon: Horizon, work: SealingWork, *, limit: int = BATCH_JOURNALS) -> bool:
    """Seal what is committed and unsealed, at most ``limit`` journals; pass on where another sealer is at it.

    A journal that commits late is found whenever it comes: the search begins at the settled position, which never
    passes a position whose writer is still at work.
    """
    settled = work.seals.lease(SHARD)
    if settled is None:
        return False
    # Seen before the journals are read: whoever ended by then is visible to that reading.
    decided = horizon.observe(work.seals.observe())
    journals = work.seals.unsealed(settled, limit)
    if journals:
        _append(journals, work)
        crash_point("seal.after_append")
    full = len(journals) == limit
    if full:
        decided = min(decided, journals[-1].journal.position)
    if decided > settled:
        work.seals.settle(SHARD, decided)
    return full


def seal_the_rest(work: SealingWork, *, limit: int = AT_ONCE_MAX) -> bool:
    """Seal in this transaction what is committed and unsealed; false where another sealer does not let go of it.

    At most ``limit`` journals: for whoever holds posting back meanwhile. What is settled is left to the sealer.
    """
    settled = work.seals.wait_for_lease(SHARD)
    if settled is None:
        return False
    journals = work.seals.unsealed(settled, limit)
    if journals:
        _append(journals, work)
    return True


def _append(journals: Sequence[Recorded], work: SealingWork) -> None:
    last, now_us = work.seals.last(SHARD), microseconds(work.now)
    # Never back in time, whatever the clocks of two sealers say: a time is a place in the chain.
    work.seals.append(seal_all(last, journals, now_us if last is None else max(now_us, last.sealed_at_us)))


def microseconds(time: datetime) -> int:
    """Whole microseconds since 1970, exactly."""
    return (time - _EPOCH) // timedelta(microseconds=1)
