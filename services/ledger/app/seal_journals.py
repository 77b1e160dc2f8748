"""Seals what was posted, off the hot path: each committed journal gets the next place in the chain, once.

What stands beside the journals, the notes, is sealed with them, in a chain of its own.

Called again and again by the sealer's role, in a transaction of its own; true if there is more to do at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from services.ledger.domain.horizon import Horizon, Observation
from services.ledger.domain.notes import Note, NoteSeal, seal_notes
from services.ledger.domain.seals import SHARD, Recorded, Seal, seal_all
from shared.kernel.crash_points import crash_point

BATCH_JOURNALS: Final = 1_000
"""One transaction's worth: a few hundred kilobytes read, and a lease held for tens of milliseconds."""
BATCH_NOTES: Final = 1_000
"""The same of notes, beside those that are of the batch's journals."""
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


class NoteChain(Protocol):
    """The chain of notes, the same."""

    def unsealed(self, journals: Sequence[int], limit: int) -> list[Note]:
        """At most ``limit`` of the queue, and all that are of the journals at these positions."""
        ...

    def last(self, shard: int) -> NoteSeal | None: ...
    def append(self, seals: Sequence[NoteSeal]) -> None: ...


class SealingWork(Protocol):
    """The part of the unit of work that sealing uses."""

    @property
    def seals(self) -> Chain: ...
    @property
    def notes(self) -> NoteChain: ...
    @property
    def now(self) -> datetime: ...


def seal_journals(horizon: Horizon, work: SealingWork, *, limit: int = BATCH_JOURNALS) -> bool:
    """Seal what is committed and unsealed, at most ``limit`` journals; pass on where another sealer is at it.

    True if there may be more of journals or of notes.

    A journal that commits late is found whenever it comes: the search begins at the settled position, which never
    passes a position whose writer is still at work.
    """
    settled = work.seals.lease(SHARD)
    if settled is None:
        return False
    # Seen before the journals are read: whoever ended by then is visible to that reading.
    decided = horizon.observe(work.seals.observe())
    journals = work.seals.unsealed(settled, limit)
    noted = _append(journals, work)
    if journals:
        crash_point("seal.after_append")
    full = len(journals) == limit
    if full:
        decided = min(decided, journals[-1].journal.position)
    if decided > settled:
        work.seals.settle(SHARD, decided)
    return full or noted >= BATCH_NOTES


def seal_the_rest(work: SealingWork, *, limit: int = AT_ONCE_MAX) -> bool:
    """Seal in this transaction what is committed and unsealed; false where another sealer does not let go of it.

    At most ``limit`` journals: for whoever holds posting back meanwhile. What is settled is left to the sealer.
    """
    settled = work.seals.wait_for_lease(SHARD)
    if settled is None:
        return False
    _append(work.seals.unsealed(settled, limit), work)
    return True


def _append(journals: Sequence[Recorded], work: SealingWork) -> int:
    """Seal these journals, and before them what is noted by now; return how many notes that were.

    The queue is read after the journals: what was committed with one of them is in it, and so sealed no later than it.
    """
    notes = work.notes.unsealed([recorded.journal.position for recorded in journals], BATCH_NOTES)
    if not journals and not notes:
        return 0
    last, now_us = work.seals.last(SHARD), microseconds(work.now)
    # Never back in time, whatever the clocks of two sealers say: a time is a place in the chain.
    at_us = now_us if last is None else max(now_us, last.sealed_at_us)
    if notes:
        noted = work.notes.last(SHARD)
        noted_at_us = at_us if noted is None else max(at_us, noted.sealed_at_us)
        work.notes.append(seal_notes(noted, notes, 0 if last is None else last.position, noted_at_us))
    if journals:
        work.seals.append(seal_all(last, journals, at_us))
    return len(notes)


def microseconds(time: datetime) -> int:
    """Whole microseconds since 1970, exactly."""
    return (time - _EPOCH) // timedelta(microseconds=1)
