"""One transaction of the ledger: the journals it adds, written and announced together at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa

from services.ledger.adapters.accounts import AccountDirectory
from services.ledger.adapters.adjustments import StoredAdjustments
from services.ledger.adapters.heads import HeadStore
from services.ledger.adapters.import_proposals import StoredImportProposals
from services.ledger.adapters.imports import StoredImports
from services.ledger.adapters.journals import PostedJournals
from services.ledger.adapters.line_matches import StoredLineMatches
from services.ledger.adapters.notes import NoteStore
from services.ledger.adapters.periods import StoredPeriods
from services.ledger.adapters.publishing import (
    CLOSES_KEY,
    TOPIC,
    adjustment_answered,
    adjustment_decided,
    chain_key,
    head_signed,
    journal_posted,
    period_close_decided,
    period_closed,
)
from services.ledger.adapters.seals import SealStore
from services.ledger.adapters.snapshots import SnapshotStore
from services.ledger.domain.adjustments import Adjustment, Answer
from services.ledger.domain.closes import SignedClose
from services.ledger.domain.heads import Head
from shared.kernel.ids import Ids
from shared.kernel.months import PeriodClose
from shared.kernel.operators import OperatorAct
from shared.messaging.operator_acts import announce
from shared.persistence.outbox import Outbox
from shared.persistence.unit_of_work import UnitOfWork
from shared.runtime.metric_names import JOURNALS_POSTED
from shared.runtime.metrics import counter


class LedgerUnitOfWork(UnitOfWork):
    """The base unit of work with the books.

    Every journal written is announced in the same transaction, unless it was told before these books were rebuilt.
    """

    def __init__(
        self, connection: sa.Connection, outbox: Outbox, now: datetime, ids: Ids, accounts: AccountDirectory
    ) -> None:
        super().__init__(connection, outbox, now, ids)
        self.journals = PostedJournals(connection, accounts)
        self.line_matches = StoredLineMatches(connection)
        self.seals = SealStore(connection)
        self.notes = NoteStore(connection)
        self.heads = HeadStore(connection)
        self.snapshots = SnapshotStore(connection)
        self.adjustments = StoredAdjustments(connection, now)
        self.periods = StoredPeriods(connection)
        self.imports = StoredImports(connection, now)
        self.import_proposals = StoredImportProposals(connection, now)
        self._posted: Counter[str] = Counter()

    def announce_head(self, head: Head) -> None:
        """Publish a signed head with this transaction."""
        self.outbox.append(TOPIC, head_signed(head), key=chain_key(head.shard), cause_id=head.journal_id)

    def announce_close(self, close: SignedClose) -> None:
        """Publish a signed close with this transaction."""
        self.outbox.append(TOPIC, period_closed(close), key=CLOSES_KEY, cause_id=close.close_id)

    def announce_decision(self, decided: Adjustment, cause_event_id: str) -> None:
        """Publish what was decided of an adjustment with this transaction, behind the act of deciding it."""
        told = adjustment_decided(decided, cause_event_id)
        self.outbox.append(TOPIC, told, key=decided.adjustment_id, cause_id=cause_event_id)

    def announce_close_decision(self, decided: PeriodClose, cause_event_id: str) -> None:
        """The same of the close of a month."""
        self.outbox.append(
            TOPIC, period_close_decided(decided), key=decided.close_id, cause_id=cause_event_id
        )

    def acted(self, act: OperatorAct) -> str:
        """Say what an operator did, on the stream of what it was done to; the event's id, for what it causes."""
        return announce(self.outbox, TOPIC, act, self.now)

    def answer(self, answer: Answer) -> None:
        """Tell reconciliation what became of a proposal of its own, on the stream of its break."""
        self.outbox.append(TOPIC, adjustment_answered(answer), key=answer.break_id, cause_id=answer.cause_id)

    def flush(self) -> None:
        self.line_matches.flush()
        for journal in self.journals.flush():
            self._posted[journal.rule] += 1
            if journal.journal_id in self.journals.told:
                continue  # its event was taken over with its stream
            key = journal.payment_id or journal.journal_id
            self.outbox.append(TOPIC, journal_posted(journal), key=key, cause_id=journal.cause.event_id)

    def committed(self) -> None:
        for rule, journals in self._posted.items():
            counter(JOURNALS_POSTED, rule, amount=journals)


def unit_of_work_builder(
    accounts: AccountDirectory,
) -> Callable[[sa.Connection, Outbox, datetime, Ids], LedgerUnitOfWork]:
    """The maker of units of work that share one directory of accounts."""

    def build(connection: sa.Connection, outbox: Outbox, now: datetime, ids: Ids) -> LedgerUnitOfWork:
        return LedgerUnitOfWork(connection, outbox, now, ids, accounts)

    return build
