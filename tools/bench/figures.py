"""A figure: repeated measurements of one thing, the base it is held against, and what was asked of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

DIGITS_FROM: Final = 100
"""Figures above it are shown without decimals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What a figure is divided by, measured in the same run."""

    name: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """``floor`` and ``aim`` hold for the ratio where there is a base, else for the median."""

    section: str
    name: str
    unit: str
    samples: tuple[float, ...]
    base: Base | None = None
    floor: float | None = None
    aim: float | None = None
    smaller_is_better: bool = False

    @property
    def median(self) -> float:
        return median(self.samples)

    @property
    def ratio(self) -> float | None:
        return None if self.base is None else self.median / self.base.value

    @property
    def verdict(self) -> str:
        """What was reached: the aim, the floor, or neither."""
        reached = self.median if self.ratio is None else self.ratio
        for name, bound in (("aim", self.aim), ("floor", self.floor)):
            if bound is not None and (reached <= bound if self.smaller_is_better else reached >= bound):
                return name
        return "" if self.floor is None and self.aim is None else "missed"

    def as_base(self) -> Base:
        return Base(name=self.name, value=self.median)

    def as_json(self) -> dict[str, Any]:
        return {
            "section": self.section,
            "name": self.name,
            "unit": self.unit,
            "samples": list(self.samples),
            "min": min(self.samples),
            "median": self.median,
            "max": max(self.samples),
            "base": None if self.base is None else self.base.name,
            "ratio": self.ratio,
            "floor": self.floor,
            "aim": self.aim,
            "verdict": self.verdict,
        }


def repeated(times: int, measure: Callable[[], float]) -> tuple[float, ...]:
    return tuple(measure() for _ in range(times))


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


HEADINGS: Final = ("what", "unit", "min", "median", "max", "ratio", "to", "floor", "aim", "reached")


def cells(figure: Figure) -> tuple[str, ...]:
    """One row of the table."""
    return (
        figure.name,
        figure.unit,
        shown(min(figure.samples)),
        shown(figure.median),
        shown(max(figure.samples)),
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        "" if figure.base is None else f"{figure.base.name} ({shown(figure.base.value)})",
        "" if figure.floor is None else f"{figure.floor:g}",
        "" if figure.aim is None else f"{figure.aim:g}",
        figure.verdict,
    )


def shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= DIGITS_FROM else f"{value:.3g}"
