"""What the use cases need from outside: sources, and a way to tell what an operator did."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from services.reconciliation.app.operators import OperatorAct
from services.reconciliation.domain.sources import Source
from shared.kernel.ids import Ids


class Sources(Protocol):
    """Whose files are read, and how."""

    def get(self, name: str) -> Source | None: ...

    def owner_of(self, source: Source) -> str | None:
        """The source that tells of the same account already, if there is one."""
        ...

    def declare(self, source: Source, declared_by: str) -> None:
        """Add it, or let it be read in another way from now on."""
        ...


class ReconciliationUnit(Protocol):
    """What one transaction of this service offers its use cases."""

    @property
    def now(self) -> datetime: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def sources(self) -> Sources: ...

    def announce(self, act: OperatorAct) -> None:
        """Say what an operator did."""
        ...
