"""Calendar months in UTC that two people close, in order and for good."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from shared.kernel.decisions import NEXT, DecisionState
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodClose:
    """The close of one month, proposed by one person and decided by another."""

    close_id: str
    period: str
    reason: str
    state: DecisionState
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision_reason: str | None = None


def check_step(close: PeriodClose, target: DecisionState) -> None:
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
