"""How a file that lies in the spool is received, by whichever way it came."""

from __future__ import annotations

from services.reconciliation.adapters.spooling import Spool
from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from services.reconciliation.app.receive_file import IncomingFile, Received, receive_file
from shared.kernel.operators import Actor
from shared.persistence.unit_of_work import Transactions
from shared.runtime.metric_names import RECONCILIATION_FILES
from shared.runtime.metrics import counter

FOLDER = "watched folder"
"""Who received what nobody uploaded."""


def receive_spooled(
    transactions: Transactions[ReconciliationUnitOfWork],
    source: str,
    name: str,
    spool: Spool,
    actor: Actor | None,
) -> Received:
    """Make it durable; without an ``actor`` it was found in the watched folder."""
    incoming = IncomingFile(
        source=source, name=name, sha256=spool.sha256, byte_count=spool.byte_count, content=spool.content
    )
    received_by = FOLDER if actor is None else actor.name
    received = transactions.run(
        lambda uow: receive_file(incoming, received_by, actor, uow), name="receive file"
    )
    if received.is_new:
        counter(RECONCILIATION_FILES, "received")
    return received
