"""Pages of what stands, the oldest first: where one ended, as a text that callers hand back as they got it.

A page goes on behind that place whatever came or went meanwhile: of what stood all the time nothing is left out, or
shown twice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from services.ledger.app.moments import invalid

CURSOR_MAX: Final = 1_200
BY_ACCOUNT: Final = "[0-9]{1,18}"
BY_CURRENCY: Final = "[A-Z]{3}"
_TIME: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{6})?Z"
_ENTRY: Final = re.compile("([0-9]{1,18})_([0-9]{1,5})", re.ASCII)


_FOUR_DIGITS: Final = re.compile("[0-9]{3}(?=[0-9])", re.ASCII)
_SPELT: Final = re.compile("~([~.])")


def spelt(cursor: str) -> str:
    """A cursor in which no four digits follow each other: an address with what might be a card number is refused.

    Processors' ids are often sixteen digits, and balances are as long as they are. ``read_spelt`` joins them again.
    """
    return _FOUR_DIGITS.sub(r"\g<0>~.", cursor.replace("~", "~~"))


def read_spelt(cursor: str) -> str:
    """What was spelt."""
    return _SPELT.sub(lambda found: "~" if found[1] == "~" else "", cursor)


class HasPlace(Protocol):
    """One row of such a page."""

    @property
    def place(self) -> Place: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Since when the last of a page stands, and what tells it from others of that moment."""

    since: datetime
    of: str
    name: str

    def written(self) -> str:
        """The text of it, spelt."""
        return spelt(f"{self.since.astimezone(UTC).isoformat().replace('+00:00', 'Z')}_{self.of}_{self.name}")

    @classmethod
    def read(cls, text: str, of: str) -> Place:
        """What ``written`` made. Raises ``Rejected`` for anything else."""
        parts = re.fullmatch(f"({_TIME})_({of})_([!-~]{{1,512}})", read_spelt(text), re.ASCII)
        try:
            since = datetime.fromisoformat(parts[1]) if parts else None
        except ValueError:
            since = None
        if parts is None or since is None:
            raise invalid("cursor", "Take it from next_cursor.")
        return cls(since, parts[2], parts[3])


def place_of(cursor: str | None, of: str) -> Place | None:
    """Behind which place a page goes on; None: it is the first. Raises ``Rejected`` for what no such page said."""
    return None if cursor is None else Place.read(cursor, of)


def next_cursor(page: Sequence[HasPlace], limit: int) -> str | None:
    """Where the page behind this one begins; None behind the last."""
    return page[-1].place.written() if len(page) == limit else None


class IsEntry(Protocol):
    """One row of a page in the order of booking."""

    @property
    def position(self) -> int: ...
    @property
    def line(self) -> int: ...


def entry_behind(cursor: str | None) -> tuple[int, int]:
    """Behind which (position, line) a page of entries goes on. Raises ``Rejected`` for what no such page said."""
    if cursor is None:
        return 0, 0
    parts = _ENTRY.fullmatch(cursor)
    if parts is None or int(parts[2]) >= 2**15:
        raise invalid("cursor", "Take it from next_cursor.")
    return int(parts[1]), int(parts[2])


def next_entry(page: Sequence[IsEntry], limit: int) -> str | None:
    """Where the page of entries behind this one begins; None behind the last."""
    return f"{page[-1].position}_{page[-1].line}" if len(page) == limit else None
