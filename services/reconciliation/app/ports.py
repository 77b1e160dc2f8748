"""What the use cases need from outside: sources, files, staging, and a way to tell what an operator did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import BinaryIO, Protocol

from services.reconciliation.domain.announcing import ToldLine, UntoldLine
from services.reconciliation.domain.files import InDoubt, Preference, Refusal, ReportFile, Staged
from services.reconciliation.domain.lines import ReportRecord
from services.reconciliation.domain.sources import Source
from shared.kernel.ids import Ids
from shared.kernel.operators import OperatorAct


class Sources(Protocol):
    """Whose files are read, and how."""

    def take_turn(self) -> None:
        """Wait until no other declaration is under way; this one's turn ends with the transaction."""
        ...

    def get(self, name: str) -> Source | None: ...

    def hold(self, name: str) -> Source | None:
        """The source as it is declared until this transaction ends."""
        ...

    def hold_alone(self, name: str) -> Source | None:
        """The source once nobody takes files of it in or stages them; nobody does until this transaction ends."""
        ...

    def owner_of(self, source: Source) -> str | None:
        """The source that tells of the same account already, if there is one."""
        ...

    def declare(self, source: Source, declared_by: str) -> None:
        """Add it, or let it be read in another way from now on."""
        ...


class Files(Protocol):
    """Files, kept byte for byte."""

    def get(self, file_id: str) -> ReportFile | None: ...

    def find(self, source: str, sha256: bytes) -> ReportFile | None:
        """The source's file with these bytes."""
        ...

    def add(
        self,
        *,
        file_id: str,
        source: str,
        sha256: bytes,
        name: str,
        byte_count: int,
        received_by: str,
        feed_sequence: int | None = None,
    ) -> ReportFile | None:
        """Add it without its bytes yet; None where the source has it."""
        ...

    def take_feed(self, source: str) -> int:
        """Wait for the turn to feed the source, which ends with the transaction; the number of its last piece."""
        ...

    def last_fed(self, source: str) -> int:
        """The number of the last piece of its feed; 0 before the first."""
        ...

    def keep(self, file_id: str, content: BinaryIO) -> None:
        """Store its bytes."""
        ...

    def waiting(self, source: str) -> int:
        """How many files and pieces of the source are not staged yet."""
        ...

    def next_waiting(self) -> ReportFile | None:
        """The first file of a source that nobody works at; its source is this transaction's until it ends."""
        ...

    def content(self, file_id: str) -> BinaryIO:
        """Its bytes as they came, read while this transaction lasts."""
        ...

    def reopen(self, file_id: str) -> ReportFile | None:
        """Let a refused file be read again, where its source was declared otherwise since; None where it was not."""
        ...

    def staged(self, file_id: str, found: Staged) -> None: ...

    def refused(self, file_id: str, refusal: Refusal) -> None: ...


class Staging(Protocol):
    """What files say, and what stands of it."""

    def be_patient(self) -> None:
        """Let this transaction take as long as a large file takes."""
        ...

    def stated_account(self, source: str) -> str | None:
        """The account of the first statement of the source that was staged."""
        ...

    def add(self, file_id: str, batch: Sequence[ReportRecord]) -> None:
        """Write what a file says."""
        ...

    def settle(self, source: Source, file_id: str) -> Staged:
        """Let what the file says stand, where it says something else or something new."""
        ...

    def in_doubt(self, file_id: str, after_file_id: str | None = None) -> InDoubt:
        """What stands of the question whether a file that was settled holds.

        With the last file that whoever asked for it may have seen, every file is looked at; without it only those
        that the file contradicts, or that contradict it, which takes no time however long they are.
        """
        ...

    def prefer(self, source: Source, file_id: str, preferred_by: str, reason: str) -> None:
        """Let what a file that was settled says stand once more, over those that came later; remember who said so."""
        ...


class Preferences(Protocol):
    """Which files people asked to hold."""

    def take_turn(self, source: str) -> None:
        """Until this transaction ends nobody else asks for a file of the source, or decides which one holds."""
        ...

    def waiting(self, source: str) -> Preference | None:
        """What was asked for and is not done yet."""
        ...

    def ask(self, file: ReportFile, asked_by: str, reason: str) -> Preference:
        """Keep it for the worker."""
        ...

    def next_waiting(self) -> Preference | None:
        """The first of a source that nobody works at; its source is this transaction's until it ends."""
        ...

    def done(self, asked: Preference) -> Preference | None:
        """Close it as done; None where it does not wait any more."""
        ...

    def tried(self, asked: Preference, next_try_at: datetime) -> Preference | None:
        """Count a try that failed; it is not done again before then. None where it changed meanwhile."""
        ...

    def failed(self, asked: Preference, code: str, why: str) -> Preference | None:
        """Close it as failed with the last try; None where it changed meanwhile."""
        ...


class Announcing(Protocol):
    """Lines of closed payouts that the ledger and payments still have to hear of."""

    def next_untold(self, limit: int) -> Sequence[UntoldLine]:
        """Lines of a source that nobody works at; it is this transaction's until it ends."""
        ...

    def told(self, lines: Sequence[ToldLine]) -> None:
        """Remember that they were, and by which event."""
        ...


class ReconciliationUnit(Protocol):
    """What one transaction of this service offers its use cases."""

    @property
    def now(self) -> datetime: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def sources(self) -> Sources: ...
    @property
    def files(self) -> Files: ...
    @property
    def staging(self) -> Staging: ...
    @property
    def preferences(self) -> Preferences: ...
    @property
    def announcing(self) -> Announcing: ...

    def announce(self, act: OperatorAct) -> None:
        """Say what an operator did."""
        ...

    def tell(self, line: UntoldLine) -> str:
        """Tell of a line, as accepted or amended; returns the event's id."""
        ...
