"""What has not returned to zero: transitional accounts by clearing key, with its age.

Every one of them returns to zero over the whole life of what its key names; how long that may take is for people and
alerts to say. A line that was matched after it was booked counts under the key of its object.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.ledger.app.pages import Place, next_cursor
from services.ledger.domain.chart import FAMILIES
from shared.kernel.errors import Rejected

PAGE_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenKey:
    """One key of one account that is not at zero; ``balance_minor`` is on the account's normal side."""

    account_id: int
    family: str
    owner: str
    currency: str
    clearing_key: str
    balance_minor: int
    #: When the oldest entry was booked since the key was last seen at zero.
    since: datetime
    age_s: int

    @property
    def place(self) -> Place:
        """Where it stands among all of them."""
        return Place(self.since, str(self.account_id), self.clearing_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSum:
    """All open keys of one family and currency; ``open_minor`` adds them up whatever side they are on."""

    family: str
    currency: str
    keys: int
    open_minor: int
    oldest_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearingWanted:
    """Which keys: all, or of one family, currency, at least so old; the oldest first, at most ``limit``, behind one."""

    family: str | None = None
    currency: str | None = None
    min_age_s: int = 0
    limit: int = 100
    after: Place | None = None


class Clearing(Protocol):
    """Reads of one moment each: what is booked by then counts, whatever has been folded."""

    def open_keys(self, wanted: ClearingWanted) -> list[OpenKey]: ...
    def open_sums(self, wanted: ClearingWanted) -> list[OpenSum]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearingReport:
    """The sums over everything that was asked for, and a page of its keys, the oldest first."""

    sums: tuple[OpenSum, ...]
    keys: tuple[OpenKey, ...]
    next_cursor: str | None


def report_clearing(wanted: ClearingWanted, clearing: Clearing) -> ClearingReport:
    """What is open now. Raises ``Rejected`` for a family that need not return to zero."""
    check_returns_to_zero(wanted.family)
    keys = tuple(clearing.open_keys(wanted))
    return ClearingReport(
        sums=tuple(clearing.open_sums(wanted)),
        keys=keys,
        next_cursor=next_cursor(keys, wanted.limit),
    )


def check_returns_to_zero(family: str | None) -> None:
    """Refuse a family of which nothing is ever open: it would look as if all had returned to zero. None: of any."""
    if family is None or (family in FAMILIES and FAMILIES[family].transitional):
        return
    names = ", ".join(sorted(name for name, each in FAMILIES.items() if each.transitional))
    raise Rejected(
        "field_invalid", f"Only these return to zero: {names}.", status=422, param="family", stored=False
    )
