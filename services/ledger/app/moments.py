"""Which moment of the books is asked about: the place in the chain, the time of effect, or both.

Booked time is a place in the chain: what was sealed before a time (within 2 s of its booking, that is the aim). So the
same question with the same seal position is answered the same for ever. Effective time may lie ahead, as that of money
that becomes available on a day to come; then the answer is what the books know of it now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from shared.kernel.errors import Rejected


class TimeKind(StrEnum):
    """Which of a journal's two times counts: when it got its place in the books, or when it took effect."""

    BOOKED = "booked"
    EFFECTIVE = "effective"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Up to seal ``as_of`` (None: everything, sealed or not), and only what takes effect before that time."""

    as_of: int | None = None
    effective_before: datetime | None = None


EVERYTHING: Final = Moment()


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedMoment:
    """The same as it is asked for. ``at`` is a time just before which is looked; ``by`` says which of the two."""

    by: TimeKind
    at: datetime | None = None
    as_of: int | None = None


class Chain(Protocol):
    """What the chain says about itself."""

    def sealed(self) -> int: ...
    def position_before(self, time: datetime) -> int: ...


def moment_of(asked: AskedMoment, books: Chain, now: datetime) -> Moment:
    """Which moment is meant. Raises ``Rejected`` where it is none, or has not come yet."""
    if asked.at is not None and asked.at.tzinfo is None:
        raise invalid("at", "A time with its offset from UTC, as 2026-11-24T00:00:00Z.")
    as_of = None if asked.as_of is None else sealed_position(books, asked.as_of)
    if asked.by is TimeKind.EFFECTIVE:
        return Moment(as_of=as_of, effective_before=asked.at or now)
    if asked.at is None:
        return Moment(as_of=as_of)
    if asked.as_of is not None:
        raise invalid("as_of", "One of at and as_of: a booked time is a seal position.")
    if asked.at > now:
        raise in_future("at")
    return Moment(as_of=books.position_before(asked.at))


def in_future(param: str) -> Rejected:
    """The refusal of a booked time that has not come."""
    text = "A time that has come; only by=effective looks ahead."
    return Rejected("time_in_future", text, status=422, param=param, stored=False)


def sealed_position(books: Chain, wanted: int | None) -> int:
    """The seal position to read at: that of now, or one that is sealed already."""
    sealed = books.sealed()
    if wanted is not None and wanted > sealed:
        raise Rejected(
            "not_sealed_yet", f"The chain ends at {sealed}.", status=409, param="as_of", stored=False
        )
    return sealed if wanted is None else wanted


def invalid(param: str, expected: str) -> Rejected:
    """The refusal that names a field and what was expected there."""
    return Rejected("field_invalid", expected, status=422, param=param, stored=False)
