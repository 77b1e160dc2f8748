"""What became of money, in four bands, and how days are drawn: in integers, so one input makes one picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from services.reconciliation.domain.break_life import BreakState
from services.reconciliation.domain.breaks import BreakType


class Band(StrEnum):
    """Where an amount stands; each is in exactly one."""

    MATCHED = "matched"
    #: Not due yet, late within the processor's calendar, or put off until a day.
    TIMING = "timing"
    BROKEN = "broken"
    #: A difference that two people gave up.
    ACCEPTED = "accepted"


_S: Final = BreakState
#: Of money with a break the first row whose type and state it has; None stands for every type.
BAND_OF_BREAK: Final[tuple[tuple[BreakType | None, tuple[BreakState, ...], Band], ...]] = (
    (None, (_S.RESOLVED,), Band.ACCEPTED),
    (None, (_S.DEFERRED,), Band.TIMING),
    (BreakType.SETTLEMENT_DELAY, (_S.OPEN, _S.PROPOSED, _S.APPLYING), Band.TIMING),
    (None, (_S.OPEN, _S.PROPOSED, _S.APPLYING), Band.BROKEN),
)


def band_of(kind: BreakType, state: BreakState) -> Band:
    """The band of money with this break; what closed itself has none."""
    for wanted, states, band in BAND_OF_BREAK:
        if wanted in (None, kind) and state in states:
            return band
    raise ValueError(f"a break that is {state} stands for no money")


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPicture:
    """One day's money in one currency, by band; amounts are absolute, in minor units."""

    day: date
    currency: str
    minor: Mapping[Band, int]

    @property
    def total_minor(self) -> int:
        return sum(self.minor.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One band of one day as a rectangle, in whole units of the drawing; ``y`` counts from the top."""

    day: date
    band: Band
    minor: int
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """All days of one currency."""

    currency: str
    highest_minor: int
    bars: Sequence[Bar]
    days: Sequence[tuple[int, date]]
    """Where each day's name stands."""


WIDTH: Final = 720
HEIGHT: Final = 160
_GAP: Final = 2
_BAR_MAX: Final = 48


def drawings(pictures: Iterable[DayPicture]) -> list[Drawing]:
    """One drawing per currency, each to its own scale; whatever is not zero can be seen."""
    by_currency: dict[str, list[DayPicture]] = {}
    for picture in sorted(pictures, key=lambda one: (one.currency, one.day)):
        by_currency.setdefault(picture.currency, []).append(picture)
    return [_drawing(currency, days) for currency, days in by_currency.items()]


def _drawing(currency: str, pictures: Sequence[DayPicture]) -> Drawing:
    highest = max((picture.total_minor for picture in pictures), default=0)
    step = min(_BAR_MAX + _GAP, WIDTH // max(1, len(pictures)))
    bars: list[Bar] = []
    days = []
    for place, picture in enumerate(pictures):
        x = place * step
        days.append((x, picture.day))
        bars.extend(_bars_of(picture, x, max(1, step - _GAP), highest))
    return Drawing(currency=currency, highest_minor=highest, bars=bars, days=days)


def _bars_of(picture: DayPicture, x: int, width: int, highest: int) -> list[Bar]:
    bars = []
    top = HEIGHT
    for band in Band:
        minor = picture.minor.get(band, 0)
        if minor:
            # A broken cent beside a million has to be seen: it is what the picture is for.
            height = max(2, minor * (HEIGHT - 2 * len(Band)) // highest)
            top -= height
            bars.append(Bar(day=picture.day, band=band, minor=minor, x=x, y=top, width=width, height=height))
    return bars
