"""What the close of a month rests on: figures that were proposed, and nothing left to do or to name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.kernel import months
from shared.kernel.errors import Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodClose(months.PeriodClose):
    """The close of one month, proposed by one person with these figures and decided by another."""

    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """What keeps a month from being closed; nothing of it may be left."""

    files_waiting: int
    touched: int
    parked_keys: int
    #: Files that do not add up, were not read in whole or contradict each other, by break: type and subject; the first
    #: of them.
    files_in_doubt: tuple[str, ...]
    #: Differences that no break and no reason names, by subject; the first of them.
    unnamed: tuple[str, ...]


_OBSTACLES: Final = (
    ("files_waiting", "period_files_waiting", "{} files are not staged yet"),
    ("touched", "period_not_matched", "{} lines or items came since the run: try again"),
    ("parked_keys", "period_our_side_parked", "{} keys are parked: our side is not all that was told"),
)


def check_finished(month: months.Month, unfinished: Unfinished) -> None:
    """Refuse a month that is not whole yet, saying what is missing."""
    for field, code, message in _OBSTACLES:
        if count := getattr(unfinished, field):
            raise Rejected(code, f"{month}: {message.format(count)}", stored=False, extra={field: count})
    if unfinished.files_in_doubt:
        raise Rejected(
            "period_files_in_doubt",
            f"{month}: {', '.join(unfinished.files_in_doubt)}: have a corrected file sent, say which of two files"
            " holds, or have two people accept the break with the reason",
            stored=False,
            extra={"breaks": list(unfinished.files_in_doubt)},
        )
    if unfinished.unnamed:
        raise Rejected(
            "period_unexplained",
            f"{month}: no break names the difference of {', '.join(unfinished.unnamed)}",
            stored=False,
            extra={"subjects": list(unfinished.unnamed)},
        )
