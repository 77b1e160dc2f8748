"""Notes for a payment's timeline: what was told without changing a state."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from services.payment.adapters.batch_writer import BatchWriter

COLUMNS: Final = (
    "cause_id", "payment_id", "operation_id", "kind", "attempt_id", "attempt_number", "result", "detail", "at",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One note; ``cause_id`` is the event or request that told it."""

    cause_id: str
    payment_id: str
    kind: str
    at: datetime
    operation_id: str | None = None
    attempt_id: str | None = None
    attempt_number: int | None = None
    result: str | None = None
    detail: str | None = None


class StoredNotes:
    """Notes of one transaction."""

    def __init__(self) -> None:
        self._added: list[Note] = []

    def add(self, note: Note) -> None:
        """Keep it."""
        self._added.append(note)

    def write(self, writer: BatchWriter) -> None:
        """Hand them to the writer."""
        writer.insert_new("payment_notes", COLUMNS, [asdict(note) for note in self._added])
