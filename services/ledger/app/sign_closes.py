"""Signs what was closed and publishes it through the outbox, as heads of the chain are, off the way of closing."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from services.ledger.app.period_ports import ClosedPeriod, UnsignedCloses
from services.ledger.domain.closes import SignedClose
from services.ledger.domain.heads import written_time
from services.ledger.domain.seals import SHARD


class CloseSigner(Protocol):
    """The ledger's signing key."""

    def sign_close(self, close: SignedClose) -> SignedClose: ...


class Leases(Protocol):
    """Who may work on the chain now."""

    def lease(self, shard: int) -> int | None: ...


class SigningWork(Protocol):
    """The part of the unit of work that signing uses."""

    @property
    def seals(self) -> Leases: ...
    @property
    def periods(self) -> UnsignedCloses: ...
    @property
    def now(self) -> datetime: ...

    def announce_close(self, close: SignedClose) -> None: ...


def sign_closes(signer: CloseSigner, work: SigningWork) -> None:
    """Sign, keep and announce in one transaction every close without a signature, if no other sealer is at it."""
    if work.seals.lease(SHARD) is None:
        return
    for closed in work.periods.unsigned():
        signed = signer.sign_close(as_published(closed, work.now))
        work.periods.add_signature(signed)
        work.announce_close(signed)


def as_published(closed: ClosedPeriod, signed_at: datetime) -> SignedClose:
    """What will be signed of a closed month."""
    return SignedClose(
        period=closed.period,
        close_id=closed.close_id,
        ends_at=written_time(closed.ends_at),
        shard=closed.shard,
        position=closed.position,
        hash=closed.hash,
        closed_at=written_time(closed.closed_at),
        signed_at=written_time(signed_at),
        key_id="",
        signature="",
    )
