"""Tells what merchants owe us: it is a fact and refused by nobody, so it has to be seen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from services.ledger.app.views import NegativeTotal


class NegativeReader(Protocol):
    """Where they are read."""

    def negative_totals(self, now: datetime) -> tuple[NegativeTotal, ...]: ...


def tell_negative(reader: NegativeReader, now: datetime, tell: Callable[[str, int, float], None]) -> None:
    """Tell sum and greatest age in seconds per currency; zero is told as well, so that silence is no good news."""
    for total in reader.negative_totals(now):
        age_s = 0.0 if total.oldest is None else (now - total.oldest).total_seconds()
        tell(total.currency, total.owed_minor, max(age_s, 0.0))
