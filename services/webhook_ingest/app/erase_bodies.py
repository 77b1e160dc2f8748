"""Erases raw bodies after their time: they may hold personal data; digests and verdicts stay."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Protocol

BODIES_KEPT: Final = timedelta(days=180)
REFUSED_KEPT: Final = timedelta(days=30)
ERASE_ROWS: Final = 1_000
"""Per transaction: short locks, and a stop is noticed between two of them."""


class ErasingUnitOfWork(Protocol):
    """One transaction that can erase."""

    def erase(self, *, bodies_before: timedelta, refused_before: timedelta, limit: int) -> int: ...


def erase_bodies(uow: ErasingUnitOfWork) -> bool:
    """Erase one portion of what is older than it may be; true if there may be more."""
    erased = uow.erase(bodies_before=BODIES_KEPT, refused_before=REFUSED_KEPT, limit=ERASE_ROWS)
    return erased >= ERASE_ROWS
