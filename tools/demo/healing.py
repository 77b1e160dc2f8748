"""Shows doubts and their healing while payments are driven: it reads the steps that `payment` writes down."""

from __future__ import annotations

import statistics
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row
from rich.console import Console
from rich.table import Table

POLL_S: Final = 0.5
TOLD_OF_EACH: Final = 2
"""So many of each kind are told one by one; the table at the end has all."""
DOUBT: Final = "UNCERTAIN"
_STEPS: Final = """
SELECT h.history_id, h.payment_id, h.subject_id AS operation_id, o.type, o.processor, h.from_state, h.to_state, h.at,
       e.source
  FROM status_history AS h JOIN operations AS o ON o.operation_id = h.subject_id
  LEFT JOIN evidence AS e USING (evidence_id)
 WHERE h.subject = 'operation' AND 'UNCERTAIN' IN (h.from_state, h.to_state)
 ORDER BY h.at, h.history_id
"""
HEALERS: Final[Mapping[str, str]] = {
    "reply": "the processor's reply to a second send",
    "poll": "a look-up",
    "webhook": "a webhook",
    "feed": "the event feed",
    "settlement": "a line of a settlement report",
    "operator": "a person",
}
"""By the source of the evidence that decided."""
OWN_WORD: Final = "the processor's own word"
"""An answer that decided without naming an object."""
PROVED_ABSENT: Final = "the processor's proof that nothing happened"
NOT_HEALED: Final[Mapping[str, str]] = {
    "PENDING": "the processor, which decides later",
    "IN_REVIEW": "the end of the ladder: a person must",
}
"""Steps out of doubt that decide nothing."""
BY_END: Final[Mapping[str, str]] = {**NOT_HEALED, "ABANDONED": PROVED_ABSENT}
"""What can only have one reason, whatever evidence stands beside it."""


@dataclass(frozen=True, slots=True)
class Healed:
    """Doubts of one kind that ended alike."""

    processor: str
    operation: str
    ended: str
    by: str
    times: int
    median_s: float
    longest_s: float


@dataclass(slots=True)
class Doubts:
    """What was in doubt since when, and what ended it."""

    _known: set[int] = field(default_factory=set)
    _since: dict[str, datetime] = field(default_factory=dict)
    _told: Counter[tuple[str, ...]] = field(default_factory=Counter)
    _ended: dict[tuple[str, str, str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    def hear(self, steps: Sequence[Mapping[str, Any]]) -> list[str]:
        """Take in steps in the order of their times, known ones too; return what is worth telling."""
        lines = []
        for step in steps:
            if step["history_id"] not in self._known:
                self._known.add(step["history_id"])
                lines += self._begun(step) if step["to_state"] == DOUBT else self._over(step)
        return lines

    def healed(self) -> list[Healed]:
        """All that ended, by kind."""
        return [
            Healed(*kind, len(took_s), round(statistics.median(took_s), 1), round(max(took_s), 1))
            for kind, took_s in sorted(self._ended.items())
        ]

    @property
    def open(self) -> int:
        """How many have not ended."""
        return len(self._since)

    def _begun(self, step: Mapping[str, Any]) -> list[str]:
        self._since[step["operation_id"]] = step["at"]
        return self._tell(
            ("in doubt", step["processor"], step["type"]),
            f"[yellow]in doubt[/yellow]  {step['type']} of {step['payment_id']} at {step['processor']}:"
            " no clear answer, money may have moved",
        )

    def _over(self, step: Mapping[str, Any]) -> list[str]:
        since = self._since.pop(step["operation_id"], step["at"])
        took_s = (step["at"] - since).total_seconds()
        by = BY_END.get(step["to_state"]) or HEALERS.get(step["source"] or "", OWN_WORD)
        word = "[yellow]still open[/yellow]" if step["to_state"] in NOT_HEALED else "[green]healed[/green]   "
        kind = (step["processor"], step["type"], step["to_state"], by)
        self._ended[kind].append(took_s)
        return self._tell(
            kind,
            f"{word} {step['type']} of {step['payment_id']} at {step['processor']}:"
            f" {step['to_state']} after {took_s:.1f} s, by {by}",
        )

    def _tell(self, kind: tuple[str, ...], line: str) -> list[str]:
        self._told[kind] += 1
        return [line] if self._told[kind] <= TOLD_OF_EACH else []


@contextmanager
def told_live(payment_database: str, console: Console) -> Iterator[Doubts]:
    """Tell doubts and their ends on the console while the block runs, and once more at its end."""
    doubts, over = Doubts(), threading.Event()

    def follow() -> None:
        with psycopg.connect(payment_database, autocommit=True, row_factory=dict_row) as connection:
            while True:
                last = over.wait(POLL_S)
                for line in doubts.hear(connection.execute(_STEPS).fetchall()):
                    console.print(f"  {line}")
                if last:
                    return

    thread = threading.Thread(target=follow, name="healing", daemon=True)
    thread.start()
    try:
        yield doubts
    finally:
        over.set()
        thread.join()


def print_healed(console: Console, doubts: Doubts) -> None:
    """The table of all that was in doubt and what ended it."""
    table = Table(
        "at", "operation", "became", "by", "times", "median s", "longest s", title="Doubts, and what healed them"
    )  # fmt: skip
    for healed in doubts.healed():
        table.add_row(*(str(value) for value in asdict(healed).values()))
    console.print(table)
