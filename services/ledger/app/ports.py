"""What the use cases need from the outside: the books of this transaction, and a source of ids."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from services.ledger.domain.journal import Journal
from shared.kernel.ids import Ids


class JournalStore(Protocol):
    """The journals that this transaction can see, and those that it will write when it flushes."""

    def load_facts(self, facts: Collection[tuple[str, str]]) -> None:
        """Read which of these (rule, fact key) are booked already, in one statement."""
        ...

    def load_payments(self, payment_ids: Collection[str]) -> None:
        """Read what is booked for these payments, in one statement, so that ``find`` answers from memory."""
        ...

    def find(self, payment_id: str, rule: str, subject: str) -> Journal | None:
        """The journal of this rule for this subject: loaded, or added in this transaction."""
        ...

    def add(self, journal: Journal) -> None:
        """Write this journal at flush, unless its fact is booked; raises ``Poison`` if booked differently."""
        ...


class LedgerWork(Protocol):
    """The part of the unit of work that posting uses."""

    @property
    def journals(self) -> JournalStore: ...

    @property
    def ids(self) -> Ids: ...
