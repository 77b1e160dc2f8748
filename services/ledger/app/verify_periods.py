"""Whether closed months are still what they were when they were closed: asked seal by seal along the chain.

A close says where the chain ended. So of what is sealed behind that end nothing may take effect in the month, and the
hash there must be that of the chain.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from services.ledger.app.period_ports import ClosedPeriod
from services.ledger.domain.closes import SignedClose
from services.ledger.domain.seals import GENESIS, SHARD, Seal
from shared.kernel.months import Month

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Signatures(Protocol):
    """The keys that the auditor trusts."""

    def is_genuine_close(self, close: SignedClose) -> bool: ...


class ClosesAlong:
    """The closes, held against the chain behind seal ``after``."""

    def __init__(self, closes: Sequence[ClosedPeriod], after: int) -> None:
        self._all = closes
        self._left = deque(closes)
        self._opens_at_us: int | None = None
        self._pass(after)

    def opens_at(self) -> datetime | None:
        """Before it everything is closed, by what the books say of themselves."""
        return self._all[-1].ends_at if self._all else None

    def wrong_by_itself(self, signatures: Signatures) -> tuple[ClosedPeriod, str, str] | None:
        """The first close that is no close, whatever the chain says: (it, code, what is wrong)."""
        before: ClosedPeriod | None = None
        for close in self._all:
            month = Month.starting_at(close.starts_at)
            stated = (close.period, close.starts_at, close.ends_at)
            if stated != (str(month), month.starts_at, month.ends_at):
                return close, "close_changed", "its times are not those of the month"
            if close.shard != SHARD:
                return close, "close_changed", "it names another chain"
            if before is not None and (before.ends_at != close.starts_at or before.position > close.position):
                return close, "close_changed", f"it does not follow the close of {before.period}"
            if close.position == 0 and close.hash != GENESIS.hex():
                return close, "close_changed", "it names a hash where nothing was sealed"
            if close.signed is not None and not signatures.is_genuine_close(close.signed):
                return close, "close_not_genuine", "no trusted key signed this"
            before = close
        return None

    def other_than_kept(
        self, kept: Collection[SignedClose], signatures: Signatures
    ) -> tuple[SignedClose, str, str] | None:
        """The first close that somebody outside kept and that is not ours: (it, code, what is wrong)."""
        ours = {close.close_id: close.signed for close in self._all}
        for close in kept:
            if not signatures.is_genuine_close(close):
                return close, "close_not_genuine", "no trusted key signed this"
            if ours.get(close.close_id) != close:
                return close, "close_changed", "our own copy is another, or is not there"
        return None

    def at(self, seal: Seal, effective_at_us: int) -> tuple[str, str] | None:
        """What a seal with its journal contradicts: (code, what is wrong)."""
        self._pass(seal.position - 1)
        for close in self._left:
            if close.position != seal.position:
                break
            if close.hash != seal.hash.hex():
                return (
                    "close_changed",
                    f"the close of {close.period} says {close.hash}, the chain {seal.hash.hex()}",
                )
        if self._opens_at_us is not None and effective_at_us < self._opens_at_us:
            return "period_changed", "sealed behind the close of its month, and takes effect in it"
        return None

    def beyond(self, position: int) -> ClosedPeriod | None:
        """The first close that the chain does not reach."""
        return next((close for close in self._all if close.position > position), None)

    def _pass(self, position: int) -> None:
        """Closes that rest on a seal up to here bind everything behind it."""
        while self._left and self._left[0].position <= position:
            self._opens_at_us = (self._left.popleft().ends_at - _EPOCH) // timedelta(microseconds=1)
