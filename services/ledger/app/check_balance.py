"""Sums the whole books again and again: an imbalance that SQL should have made impossible pages at once."""

from __future__ import annotations

from collections.abc import Callable

from services.ledger.app.views import BooksReader


def check_balance(reader: BooksReader, tell: Callable[[str, int], None]) -> None:
    """Tell the absolute imbalance of every currency; zero is told as well, so that silence is no good news."""
    for currency, imbalance_minor in reader.trial_balance().imbalance_minor.items():
        tell(currency, abs(imbalance_minor))
