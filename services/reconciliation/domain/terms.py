"""What is agreed about a source or a processor: how much may differ, what it takes, and its days of business.

Each is agreed by two people and in force from a moment on, never before it was approved: what a run found as of a day
stays what it found. A later one takes the place of an earlier one with the same key; one that ends leaves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.reconciliation.domain.calendars import Calendar
from services.reconciliation.domain.report_values import MINOR_MAX
from shared.kernel.decisions import DecisionState
from shared.kernel.errors import Rejected

HOLIDAYS_MAX: Final = 1_000
_PER_MILLION: Final = 1_000_000
_DAYS_MAX: Final = 60


class TermKind(StrEnum):
    """What can be agreed."""

    TOLERANCE = "tolerance"
    AGREED_FEE = "agreed_fee"
    CALENDAR = "calendar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What somebody wants agreed; each kind has its own key and says its own values, the others are None."""

    kind: TermKind
    valid_from: datetime
    ended: bool = False
    """From then on nothing is agreed: no values."""
    source: str | None = None
    processor: str | None = None
    currency: str | None = None
    field: str | None = None
    """Of a tolerance: ``gross``, ``fee`` or ``bank``."""
    category: str | None = None
    tolerance_minor: int | None = None
    per_million: int | None = None
    """Share of the gross that the processor takes."""
    fixed_minor: int | None = None
    time_zone: str | None = None
    settles_after_days: int | None = None
    lost_after_days: int | None = None
    holidays: tuple[date, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A proposal with who made and decided it."""

    term_id: str
    said: Said
    state: DecisionState
    reason: str
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decision_reason: str | None


KEYS: Final[Mapping[TermKind, tuple[str, ...]]] = {
    TermKind.TOLERANCE: ("source", "currency", "field"),
    TermKind.AGREED_FEE: ("source", "category", "currency"),
    TermKind.CALENDAR: ("processor",),
}
VALUES: Final[Mapping[TermKind, tuple[str, ...]]] = {
    TermKind.TOLERANCE: ("tolerance_minor",),
    TermKind.AGREED_FEE: ("per_million", "fixed_minor"),
    TermKind.CALENDAR: ("time_zone", "settles_after_days", "lost_after_days", "holidays"),
}
FIELDS: Final = tuple(dict.fromkeys(name for kind in TermKind for name in (*KEYS[kind], *VALUES[kind])))
_RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "tolerance_minor": (0, MINOR_MAX),
    "per_million": (0, _PER_MILLION),
    "fixed_minor": (0, MINOR_MAX),
    "settles_after_days": (0, _DAYS_MAX),
    "lost_after_days": (0, _DAYS_MAX),
}
_FORMS: Final[Mapping[str, re.Pattern[str]]] = {
    "source": re.compile(r"[a-z][a-z0-9_]{0,31}"),
    "processor": re.compile(r"[a-z][a-z0-9_]{0,31}"),
    "currency": re.compile(r"[A-Z]{3}"),
    "field": re.compile(r"gross|fee|bank"),
    "category": re.compile(r"charge|refund|refund_failure|dispute|reversal"),
}


def check_said(said: Said) -> None:
    """Refuse what names another kind's fields, lacks its own, or says what cannot be."""
    wanted = {*KEYS[said.kind], *(() if said.ended else VALUES[said.kind])}
    for name in FIELDS:
        value = getattr(said, name)
        if (value is not None) != (name in wanted):
            expected = f"a value for {said.kind}" if name in wanted else f"nothing for {said.kind}"
            raise _wrong(name, f"{expected}{' that ends' if said.ended else ''}")
        if value is None:
            continue
        if name in _FORMS and not _FORMS[name].fullmatch(value):
            raise _wrong(name, f"text like {_FORMS[name].pattern}")
        if name in _RANGES and not _RANGES[name][0] <= value <= _RANGES[name][1]:
            raise _wrong(name, f"{_RANGES[name][0]} to {_RANGES[name][1]}")
    if said.kind is TermKind.CALENDAR and not said.ended:
        _check_calendar(said)


def check_undecided(term: Term) -> None:
    """What was decided stays decided: propose anew."""
    if term.state is not DecisionState.PROPOSED:
        raise Rejected(
            "term_wrong_state",
            f"term {term.term_id} is {term.state}: it is decided",
            extra={"term_id": term.term_id, "state": term.state.value},
        )


def _check_calendar(said: Said) -> None:
    holidays = said.holidays or ()
    if len(holidays) > HOLIDAYS_MAX:
        raise _wrong("holidays", f"at most {HOLIDAYS_MAX} days")
    try:
        ZoneInfo(said.time_zone or "")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _wrong("time_zone", "an IANA name, such as Europe/Berlin") from None
    calendar = Calendar(
        time_zone=said.time_zone or "UTC",
        settles_after_days=said.settles_after_days or 0,
        lost_after_days=said.lost_after_days or 0,
        holidays=frozenset(holidays),
    )
    try:
        for day in holidays:
            calendar.lost_by(datetime.combine(day, time(12), UTC))
    except (ValueError, OverflowError):
        raise _wrong("holidays", f"an open day within {_DAYS_MAX} days of each of them") from None


def _wrong(name: str, expected: str) -> Rejected:
    return Rejected("term_invalid", f"{name}: expected {expected}", param=name)
