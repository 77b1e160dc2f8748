"""The sealer's turns and its gauges: how old the oldest journal is that nobody has sealed yet."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from services.ledger.adapters.unit_of_work import LedgerUnitOfWork
from services.ledger.app.seal_journals import seal_journals
from services.ledger.app.sign_head import Signer, head_is_due, sign_head
from services.ledger.domain.horizon import Horizon
from services.ledger.domain.seals import SHARD
from shared.kernel.crash_points import crash_point
from shared.persistence.unit_of_work import Transactions
from shared.runtime.metric_names import LEDGER_UNSEALED_S
from shared.runtime.metrics import Samples, probe

_UNSEALED_AGE: Final = """
SELECT COALESCE(EXTRACT(EPOCH FROM clock_timestamp() - min(j.booked_at)), 0)::float8 FROM journals j
 WHERE j.position > COALESCE((SELECT min(settled_position) FROM seal_shards), 0)
   AND NOT EXISTS (SELECT FROM seals s WHERE s.journal_position = j.position)
"""


class Sealer:
    """One process's sealer. Several may run: a turn that finds another one at work does nothing."""

    def __init__(
        self,
        transactions: Transactions[LedgerUnitOfWork],
        signer: Signer | None = None,
        head_interval_s: float = 0.0,
    ) -> None:
        self._transactions = transactions
        self._signer = signer
        self._head_interval_s = head_interval_s
        self._horizon = Horizon()

    def turn(self) -> bool:
        """Seal a batch and sign a head if there is anything to; true if there may be more to seal."""
        # Asked first by a reading transaction: an idle sealer writes nothing and syncs nothing.
        if not self._transactions.read(lambda uow: uow.seals.is_behind(SHARD), name="look for unsealed"):
            self._sign()
            return False
        more = self._transactions.run(lambda uow: seal_journals(self._horizon, uow), name="seal journals")
        crash_point("seal.after_commit")
        self._sign()
        return more

    def _sign(self) -> None:
        signer, every_s = self._signer, self._head_interval_s
        if signer is None or not self._transactions.read(
            lambda uow: head_is_due(every_s, uow), name="look for unsigned"
        ):
            return
        self._transactions.run(lambda uow: sign_head(signer, every_s, uow), name="sign head")


def unsealed_age_s(engine: sa.Engine) -> float:
    """Seconds since the oldest journal without a seal was booked; 0 where all are sealed."""
    with engine.connect() as connection:
        return float(connection.exec_driver_sql(_UNSEALED_AGE).scalar_one())


def watch_sealing(engine: sa.Engine) -> None:
    """Register the sealer's gauges; call once, where HTTP is served."""

    def unsealed_age() -> Samples:
        return {(): unsealed_age_s(engine)}

    probe(LEDGER_UNSEALED_S, unsealed_age)
