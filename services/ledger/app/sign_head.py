"""Signs how far the chain is and publishes it through the outbox, so that outsiders keep what we cannot rewrite."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from services.ledger.domain.heads import Head
from services.ledger.domain.seals import SHARD
from shared.kernel.crash_points import crash_point


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a head is signed: at most every ``interval_s`` but for ``every_seals`` unsigned seals.

    A proof has a link for each seal up to the next head, so the second bounds how large it gets.
    """

    interval_s: float
    every_seals: int


class Signer(Protocol):
    """The ledger's signing key."""

    def sign(self, head: Head) -> Head: ...


class Heads(Protocol):
    """The heads, as one transaction sees them."""

    def is_due(self, shard: int, not_since: datetime, every_seals: int) -> bool: ...
    def unsigned(self, shard: int, now: datetime) -> Head | None: ...
    def add(self, head: Head) -> None: ...


class Leases(Protocol):
    """Who may work on the chain now."""

    def lease(self, shard: int) -> int | None: ...


class SigningWork(Protocol):
    """The part of the unit of work that signing uses."""

    @property
    def seals(self) -> Leases: ...
    @property
    def heads(self) -> Heads: ...
    @property
    def now(self) -> datetime: ...

    def announce_head(self, head: Head) -> None: ...


def sign_head(signer: Signer, pace: Pace, work: SigningWork) -> None:
    """Sign, keep and announce the head in one transaction, if one is due and no other sealer is at it."""
    if work.seals.lease(SHARD) is None or not head_is_due(pace, work):
        return
    unsigned = work.heads.unsigned(SHARD, work.now)
    if unsigned is not None:
        head = signer.sign(unsigned)
        work.heads.add(head)
        work.announce_head(head)
        crash_point("seal.after_head")


def head_is_due(pace: Pace, work: SigningWork) -> bool:
    """Whether there is something new to sign, and much of it or the last head is old enough."""
    return work.heads.is_due(SHARD, work.now - timedelta(seconds=pace.interval_s), pace.every_seals)
