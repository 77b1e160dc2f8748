"""What adjusting the books needs from outside: adjustments, journals, what stands, and a way to tell of it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from services.ledger.app.ports import JournalStore
from services.ledger.domain.adjustments import Adjustment, Answer, Proposed, Withdrawal
from services.ledger.domain.chart import AccountRef, Owner
from shared.kernel.ids import Ids
from shared.kernel.operators import OperatorAct


class Adjustments(Protocol):
    """Adjustments: added and decided, never changed otherwise."""

    def get(self, adjustment_id: str, *, locked: bool = False) -> Adjustment | None: ...

    def is_asked(self, asked_event_id: str) -> bool:
        """Whether one is kept for this proposal of reconciliation."""
        ...

    def answered(self, asked_event_id: str, break_id: str) -> str | None:
        """The outcome that these books have told of it first, before this transaction; None where they have not."""
        ...

    def add(self, adjustment_id: str, proposed: Proposed, *, by: str, at: datetime) -> None: ...

    def decide(self, decided: Adjustment) -> None:
        """Store how it was decided; only after it was read ``locked``."""
        ...

    def asked_for(self, asked_event_id: str) -> Adjustment | None:
        """The one that was kept for a proposal of reconciliation; nobody else decides it until this ends."""
        ...

    def withdraw(self, said: Withdrawal) -> None:
        """Remember that a proposal is wanted no more: it is not kept afterwards."""
        ...

    def is_withdrawn(self, asked_event_id: str) -> bool: ...

    def reversal_of(self, adjustment_id: str) -> str | None:
        """The adjustment that reverses this one, proposed or approved."""
        ...

    def currencies_held(self, kind: Owner, owner: str) -> Collection[str]:
        """In which currencies there is any account of this owner."""
        ...

    def take_turns(self, names: Collection[str]) -> None:
        """Let no other commanded movement of these go on until this transaction ends; facts never wait."""
        ...

    def available_minor(self, account: AccountRef) -> int:
        """What may be taken from a merchant's account; only after its turn was taken."""
        ...

    def balances_minor(self, account: AccountRef) -> tuple[int, int]:
        """Its balance by what has taken effect, and by all that is booked; only after its turn was taken."""
        ...

    def open_minor(self, account: AccountRef, clearing_key: str) -> int:
        """Debits less credits under a clearing key; only after its turn was taken."""
        ...


class OpenPeriod(Protocol):
    """Which part of the books is open."""

    def opens_at(self) -> datetime | None:
        """Before it everything is closed; None where nothing is."""
        ...


class AdjustingUnit(Protocol):
    """What one transaction offers the use cases."""

    @property
    def now(self) -> datetime: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def journals(self) -> JournalStore: ...
    @property
    def adjustments(self) -> Adjustments: ...
    @property
    def periods(self) -> OpenPeriod: ...

    def acted(self, act: OperatorAct) -> str:
        """Say what an operator did; the id of that event."""
        ...

    def answer(self, answer: Answer) -> None:
        """Tell reconciliation what became of a proposal of its own, with this transaction."""
        ...

    def announce_decision(self, decided: Adjustment, cause_event_id: str) -> None:
        """Say all of an adjustment that was decided, so that the books can be made again from the archive."""
        ...
