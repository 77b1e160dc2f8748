"""The turns of the role that folds snapshots, and folding them all anew at an operator's command."""

from __future__ import annotations

from services.ledger.adapters.unit_of_work import LedgerUnitOfWork
from services.ledger.app.fold_snapshots import Folding, discard_snapshots, fold_snapshots
from services.ledger.domain.seals import SHARD
from shared.kernel.errors import Rejected
from shared.persistence.unit_of_work import Transactions


class Folder:
    """One process's folder. Several may run: a turn that finds another one at work does nothing."""

    def __init__(self, transactions: Transactions[LedgerUnitOfWork], folding: Folding) -> None:
        self._transactions = transactions
        self._folding = folding
        self._folded = 0

    def turn(self) -> bool:
        """Fold a batch if enough is sealed; true if there may be more to fold."""
        # Asked first by one reading transaction: an idle folder writes nothing and syncs nothing.
        sealed = self._transactions.read(lambda uow: uow.snapshots.sealed(SHARD), name="look for unfolded")
        if sealed - self._folded < self._folding.every_seals:
            return False
        more = self._transactions.run(lambda uow: fold_snapshots(self._folding, uow), name="fold snapshots")
        if not more:
            self._folded = sealed
        return more


def rebuild(transactions: Transactions[LedgerUnitOfWork], folding: Folding) -> int:
    """Throw every snapshot away and fold anew as far as is due; return how many there were."""
    gone = transactions.run(discard_snapshots, name="discard snapshots")
    if gone is None:
        raise Rejected("busy", "Somebody is folding now; try again.", status=409, stored=False)
    while transactions.run(lambda uow: fold_snapshots(folding, uow), name="fold snapshots"):
        pass
    return gone
