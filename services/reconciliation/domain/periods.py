"""Calendar months in UTC that two people close, in order and for good; what can still be said of a month, by whom."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from shared.kernel.errors import Rejected

_WRITTEN: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
_YEAR_MIN: Final = 1970
_DECEMBER: Final = 12


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month in UTC."""

    year: int
    number: int

    @classmethod
    def read(cls, text: str) -> Month:
        """The month that is written as 2026-10; anything else is the caller's mistake."""
        parts = _WRITTEN.fullmatch(text)
        if parts is None or int(parts[1]) < _YEAR_MIN:
            raise Rejected(
                "period_invalid", f"{text!r} is no month as 2026-10", status=422, param="period", stored=False
            )
        return cls(int(parts[1]), int(parts[2]))

    @classmethod
    def starting_at(cls, time: datetime) -> Month:
        """The month that this time is in."""
        at = time.astimezone(UTC)
        return cls(at.year, at.month)

    @property
    def next(self) -> Month:
        return Month(self.year + 1, 1) if self.number == _DECEMBER else Month(self.year, self.number + 1)

    @property
    def starts_at(self) -> datetime:
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def ends_at(self) -> datetime:
        """Just behind it: the first moment of the next month."""
        return self.next.starts_at

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"


class CloseState(StrEnum):
    """Where the close of a month stands."""

    PROPOSED = "PROPOSED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"


#: Absent means forbidden. The database holds the same in ``period_close_step``.
NEXT: Final[Mapping[CloseState, frozenset[CloseState]]] = {
    CloseState.PROPOSED: frozenset({CloseState.APPROVED, CloseState.REJECTED}),
    CloseState.APPROVED: frozenset(),
    CloseState.REJECTED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodClose:
    """The close of one month, proposed by one person with these figures and decided by another."""

    close_id: str
    period: str
    digest: bytes
    reason: str
    state: CloseState
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision_reason: str | None = None


def check_step(close: PeriodClose, target: CloseState) -> None:
    """Refuse a step that the table does not list, as the caller's mistake."""
    if target not in NEXT[close.state]:
        raise Rejected(
            "period_close_wrong_state",
            f"close {close.close_id} is {close.state} and cannot become {target}",
            extra={"close": close.close_id, "state": close.state.value},
        )


def check_next(month: Month, opens_at: datetime | None, now: datetime) -> None:
    """Refuse a month that is closed already, is not the first open one, or is not over yet."""
    if opens_at is not None and month.ends_at <= opens_at:
        raise Rejected(
            "period_closed", f"{month} is closed", param="period", extra={"opens_at": opens_at.isoformat()}
        )
    if opens_at is not None and month.starts_at != opens_at:
        first = Month.starting_at(opens_at)
        raise Rejected(
            "period_out_of_order",
            f"{first} is closed before {month}",
            param="period",
            extra={"next": str(first)},
        )
    if now < month.ends_at:
        raise Rejected("period_not_over", f"{month} is not over yet", param="period", stored=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """What keeps a month from being closed; nothing of it may be left."""

    files_waiting: int
    touched: int
    parked_keys: int
    #: Differences that no break and no reason names, by subject; the first of them.
    unnamed: tuple[str, ...]


_OBSTACLES: Final = (
    ("files_waiting", "period_files_waiting", "{} files are not staged yet"),
    ("touched", "period_not_matched", "{} lines or items came since the run: try again"),
    ("parked_keys", "period_our_side_parked", "{} keys are parked: our side is not all that was told"),
)


def check_finished(month: Month, unfinished: Unfinished) -> None:
    """Refuse a month that is not whole yet, saying what is missing."""
    for field, code, message in _OBSTACLES:
        if count := getattr(unfinished, field):
            raise Rejected(code, f"{month}: {message.format(count)}", stored=False, extra={field: count})
    if unfinished.unnamed:
        raise Rejected(
            "period_unexplained",
            f"{month}: no break names the difference of {', '.join(unfinished.unnamed)}",
            stored=False,
            extra={"subjects": list(unfinished.unnamed)},
        )
