"""What the use cases need from the outside: the books of this transaction, and a source of ids."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.ledger.domain.journal import Journal
from shared.kernel.ids import Ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Rekeying:
    """What stands under ``line_key`` counts under ``clearing_key``; of several the highest rank holds."""

    line_key: str
    revision: int
    #: Which match of this revision it is; 0 for the line as the report gave it.
    number: int
    clearing_key: str
    payment_id: str | None
    cause_event_id: str
    told_at: datetime

    @property
    def rank(self) -> tuple[str, int, int]:
        """Its name: a line is told once in a revision and number."""
        return (self.line_key, self.revision, self.number)


class JournalStore(Protocol):
    """The journals that this transaction can see, and those that it will write when it flushes."""

    def load_facts(self, facts: Collection[tuple[str, str]]) -> None:
        """Read which of these (rule, fact key) are booked already, in one statement, and whole those that are."""
        ...

    def load_payments(self, payment_ids: Collection[str]) -> None:
        """Read what is booked for these payments, in one statement, so that ``find`` answers from memory."""
        ...

    def load_grounds(self, payment_ids: Collection[str], rules: Collection[str]) -> None:
        """Read the journals of these rules only, in one statement, so that ``grounds_of`` answers from memory."""
        ...

    def load_amended(self, facts: Collection[tuple[str, str]]) -> None:
        """Read the journals of these (rule, fact key), in one statement, so that ``find_fact`` answers from memory."""
        ...

    def find(self, payment_id: str, rule: str, subject: str) -> Journal | None:
        """The journal of this rule for this subject: loaded, or added in this transaction."""
        ...

    def find_fact(self, rule: str, fact_key: str) -> Journal | None:
        """The journal of this rule for this fact: loaded, or added in this transaction."""
        ...

    def of_payment(self, payment_id: str) -> Iterable[Journal]:
        """Every journal of a payment that was loaded, with those added since."""
        ...

    def grounds_of(self, payment_id: str) -> Iterable[Journal]:
        """Of a payment what ``load_grounds`` or ``load_payments`` has read, with what was added since."""
        ...

    def add(self, journal: Journal) -> None:
        """Write this journal at flush, unless its fact is booked; raises ``Poison`` if booked differently."""
        ...


class LineMatches(Protocol):
    """Under which key of today money counts that was booked under an older one."""

    def load(self, matches: Collection[tuple[str, int, int]]) -> None:
        """Read which of these (line key, revision, number) are known, in one statement."""
        ...

    def rekey(self, rekeying: Rekeying) -> None:
        """Keep it at flush, once per rank; raises ``Poison`` if it was told otherwise."""
        ...


class LedgerWork(Protocol):
    """The part of the unit of work that posting uses."""

    @property
    def journals(self) -> JournalStore: ...

    @property
    def line_matches(self) -> LineMatches: ...

    @property
    def ids(self) -> Ids: ...
