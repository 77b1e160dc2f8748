"""How bodies name a day and a moment: as text, which the reply repeats where it is none."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import BeforeValidator

from shared.kernel.moments import utc_moment


def _day(given: object) -> date:
    if isinstance(given, str):
        return date.fromisoformat(given)
    raise ValueError("a day as text, such as 2026-11-30")


def _moment(given: object) -> datetime:
    try:
        return utc_moment(given if isinstance(given, str) else "")
    except ValueError:
        raise ValueError("a time with its offset from UTC, such as 2026-11-30T00:00:00Z") from None


Day = Annotated[date, BeforeValidator(_day)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
"""With its offset; in UTC from then on."""
