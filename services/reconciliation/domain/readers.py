"""What a reader of a report or a statement is: bytes in, records out, the same bytes always the same records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Literal, Protocol

from services.reconciliation.domain.lines import ReportRecord

Kind = Literal["settlement", "bank"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingContext:
    """What the source's declaration says of its files."""

    source: str
    time_zone: str | None = None
    """IANA name of the zone of times that carry none; without it such times are refused."""
    decimal_separator: str | None = None
    """Where the format leaves it open."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Everything that was declared, by name: what the format alone knows of."""


class Reader(Protocol):
    """One format. Streams: a file is never whole in memory."""

    @property
    def name(self) -> str:
        """The format's name, as sources declare it."""
        ...

    @property
    def kind(self) -> Kind:
        """What the format's files are."""
        ...

    @property
    def options(self) -> Mapping[str, str]:
        """What its sources may declare, by name, each with what it says."""
        ...

    def read(self, content: BinaryIO, context: ReadingContext) -> Iterator[ReportRecord]:
        """Records in the order of the file; ``UnreadableFileError`` where the file as a whole cannot be read."""
        ...
