"""Folds what is sealed into snapshots of accounts, off the hot path, so that reads need not begin at the first entry.

Called again and again by its role, in a transaction of its own; true if there is more to do at once. A snapshot is only
ever a place to begin at: every balance is one of them plus the entries behind it, and without any it is the entries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from services.ledger.domain.seals import SHARD


@dataclass(frozen=True, slots=True, kw_only=True)
class Folding:
    """When to fold. An account that has moved less than ``entries_min`` since its last snapshot gets none."""

    every_seals: int
    entries_min: int
    batch_seals: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """How far one fold goes: from behind seal ``after`` up to seal ``to``."""

    after: int
    to: int


class Snapshots(Protocol):
    """The snapshots, as one transaction sees them."""

    def lease(self, shard: int) -> int | None: ...
    def sealed(self, shard: int) -> int: ...
    def fold(self, shard: int, span: Fold, entries_min: int) -> None: ...
    def discard(self, shard: int) -> int: ...


class FoldingWork(Protocol):
    """The part of the unit of work that folding uses."""

    @property
    def snapshots(self) -> Snapshots: ...


def fold_snapshots(folding: Folding, work: FoldingWork) -> bool:
    """Fold at most one batch of seals; pass on where somebody else is at it."""
    folded = work.snapshots.lease(SHARD)
    if folded is None:
        return False
    sealed = work.snapshots.sealed(SHARD)
    if sealed - folded < folding.every_seals:
        return False
    to = min(sealed, folded + folding.batch_seals)
    work.snapshots.fold(SHARD, Fold(after=folded, to=to), folding.entries_min)
    return sealed - to >= folding.every_seals


def discard_snapshots(work: FoldingWork) -> int | None:
    """Throw all snapshots away, so that they are folded anew; None where somebody is folding now."""
    if work.snapshots.lease(SHARD) is None:
        return None
    return work.snapshots.discard(SHARD)
