"""The sealer's turns and its gauge: how old the oldest journal or note is that nobody has sealed yet."""

from __future__ import annotations

from typing import Final, Protocol

import sqlalchemy as sa

from services.ledger.adapters.unit_of_work import LedgerUnitOfWork
from services.ledger.app.seal_journals import seal_journals
from services.ledger.app.sign_closes import CloseSigner, sign_closes
from services.ledger.app.sign_head import Pace, Signer, head_is_due, sign_head
from services.ledger.domain.horizon import Horizon
from services.ledger.domain.seals import SHARD
from shared.kernel.crash_points import crash_point
from shared.persistence.unit_of_work import Transactions
from shared.runtime.metric_names import LEDGER_UNSEALED_S
from shared.runtime.metrics import Samples, probe

HEAD_EVERY_SEALS: Final = 1_000
"""One batch of the sealer: under full load every batch ends with a head."""
_UNSEALED_AGE: Final = """
SELECT COALESCE(EXTRACT(EPOCH FROM clock_timestamp() - least(
         (SELECT min(j.booked_at) FROM journals j
           WHERE j.position > COALESCE((SELECT min(settled_position) FROM seal_shards), 0)
             AND NOT EXISTS (SELECT FROM seals s WHERE s.journal_position = j.position)),
         (SELECT min(q.queued_at) FROM notes_unsealed q WHERE q.kind <> 'notes_begin'))), 0)::float8
"""


class SigningKey(Signer, CloseSigner, Protocol):
    """What signs heads and closes."""


class Sealer:
    """One process's sealer. Several may run: a turn that finds another one at work does nothing."""

    def __init__(
        self,
        transactions: Transactions[LedgerUnitOfWork],
        signer: SigningKey | None = None,
        head_interval_s: float = 0.0,
        head_every_seals: int = HEAD_EVERY_SEALS,
    ) -> None:
        self._transactions = transactions
        self._signer = signer
        self._pace = Pace(interval_s=head_interval_s, every_seals=head_every_seals)
        self._horizon = Horizon()

    def turn(self) -> bool:
        """Seal a batch, sign a head and closes if there is anything to; true if there may be more to seal."""
        # Asked first by one reading transaction: an idle sealer writes nothing and syncs nothing.
        behind, head_due, closes_due = self._transactions.read(
            self._look, name="look for unsealed and unsigned"
        )
        if closes_due and (signer := self._signer) is not None:
            self._transactions.run(lambda uow: sign_closes(signer, uow), name="sign closes")
        if not behind:
            if head_due:
                self._sign()
            return False
        more = self._transactions.run(lambda uow: seal_journals(self._horizon, uow), name="seal journals")
        crash_point("seal.after_commit")
        if self._transactions.read(self._is_head_due, name="look for unsigned"):
            self._sign()
        return more

    def _look(self, uow: LedgerUnitOfWork) -> tuple[bool, bool, bool]:
        closes_due = self._signer is not None and bool(uow.periods.unsigned())
        behind = uow.seals.is_behind(SHARD) or uow.notes.are_waiting()
        return behind, self._is_head_due(uow), closes_due

    def _is_head_due(self, uow: LedgerUnitOfWork) -> bool:
        return self._signer is not None and head_is_due(self._pace, uow)

    def _sign(self) -> None:
        if (signer := self._signer) is not None:
            self._transactions.run(lambda uow: sign_head(signer, self._pace, uow), name="sign head")


def unsealed_age_s(engine: sa.Engine) -> float:
    """Seconds since the oldest journal without a seal was booked, or note queued; 0 where all are sealed."""
    with engine.connect() as connection:
        return float(connection.exec_driver_sql(_UNSEALED_AGE).scalar_one())


def watch_sealing(engine: sa.Engine) -> None:
    """Register the sealer's gauges; call once, where HTTP is served."""

    def unsealed_age() -> Samples:
        return {(): unsealed_age_s(engine)}

    probe(LEDGER_UNSEALED_S, unsealed_age)
