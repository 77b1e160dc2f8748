"""The report as one HTML file: nothing is loaded from anywhere, everything that is data is escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.reconciliation.adapters.report_figures import BREAKS_MAX, ReportFigures
from services.reconciliation.domain.pictures import HEIGHT, WIDTH, Band, drawings
from shared.kernel.money import shown_units

_PAGES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


# A bank may name a currency whose decimals nobody has told us; its figures are shown all the same.
_PAGES.filters["money"] = shown_units
_WORDS: Final = {
    Band.MATCHED: "matched",
    Band.TIMING: "timing: not due yet, late within the calendar, or put off until a day",
    Band.BROKEN: "broken",
    Band.ACCEPTED: "differences that two people accepted",
}


def report_page(figures: ReportFigures) -> str:
    """The page; the same figures make the same bytes."""
    return _PAGES.get_template("report.html").render(
        figures=figures,
        drawings=drawings(figures.pictures),
        bands=list(Band),
        words=_WORDS,
        width=WIDTH,
        height=HEIGHT,
        breaks_max=BREAKS_MAX,
    )
