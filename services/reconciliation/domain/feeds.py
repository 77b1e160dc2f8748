"""Feeds: lines that come a few at a time and in no file, each piece numbered so that none is lost or taken twice."""

from __future__ import annotations

from typing import Final

from services.reconciliation.domain.files import ReportFile
from services.reconciliation.domain.sources import Source
from shared.kernel.errors import Rejected

FEED_FORMAT: Final = "tieout_feed"
"""How a piece is written, whatever the format of its source's files."""
FED_FORMAT: Final = "tieout_csv"
"""Sources of this format may be fed: a line has the same id in a file and in a piece, so no money is told twice."""
PIECE_BYTES_MAX: Final = 1_048_576
PIECE_LINES_MAX: Final = 1_000
SEQUENCE_MAX: Final = 2**53 - 1


def check_fed(source: Source) -> None:
    """Refuse to feed a source whose lines have other ids in its files."""
    if source.format != FED_FORMAT:
        raise Rejected(
            "source_not_fed", f"{source.source} is of {source.format}; sources of {FED_FORMAT} can be fed",
            status=422, stored=False, param="source",
        )  # fmt: skip


def check_goes_on(source: str, sequence: int, last: int) -> None:
    """A piece that is new comes right behind the last one."""
    wanted = last + 1
    if sequence < wanted:
        raise Rejected(
            "feed_piece_differs", f"piece {sequence} of {source} came with other bytes; the next one is {wanted}",
            stored=False, param="sequence", extra={"next_sequence": wanted},
        )  # fmt: skip
    if sequence > wanted:
        raise Rejected(
            "feed_gap", f"pieces {wanted} to {sequence - 1} of {source} have not come",
            stored=False, param="sequence", extra={"next_sequence": wanted},
        )  # fmt: skip


def check_is_piece(known: ReportFile, sequence: int) -> None:
    """The same bytes may have been uploaded as a file, which is none of the feed."""
    if known.feed_sequence != sequence:
        raise Rejected(
            "feed_piece_is_a_file", f"these bytes came as {known.file_id}, which is no piece of the feed",
            stored=False, extra={"file_id": known.file_id},
        )  # fmt: skip


def format_of(file: ReportFile, source: Source) -> str:
    """How a file of the source is written."""
    return source.format if file.feed_sequence is None else FEED_FORMAT


def piece_name(sequence: int) -> str:
    """What a piece is called among the source's files."""
    return f"feed-{sequence:09d}.json"
