"""Fills books from the archive: what people decided, from the ledger's own topic, then every event that is booked.

In this order, so that a proposal that reconciliation asked for is found as it was decided.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.ledger.adapters.publishing import TOPIC
from services.ledger.adapters.restoring import CONSUMER, Restored, restore_decisions
from services.ledger.adapters.topic_records import check_finished
from services.ledger.adapters.unit_of_work import LedgerUnitOfWork
from shared.kernel.operators import Actor, OperatorAct
from shared.messaging.refill import RefillLoop
from shared.messaging.topics import refill_topic
from shared.persistence.unit_of_work import Transactions

if TYPE_CHECKING:
    from shared.messaging.broker import Broker
    from shared.messaging.consumer import ConsumerLoop

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildParts:
    """What a rebuild works with: one loop per topic that is booked, and transactions of the tables' owner."""

    broker: Broker
    loops: Collection[ConsumerLoop[LedgerUnitOfWork]]
    app: Transactions[LedgerUnitOfWork]
    owner: Transactions[LedgerUnitOfWork]


def rebuild_books(
    parts: RebuildParts, actor: Actor, reason: str, progress: Progress = lambda _: None
) -> Restored:
    """Read all refills to their ends, and set the group back to the beginning of what the live topics hold.

    Safe to repeat from any point: what is booked is known. Other members of the group must be stopped; the broker
    refuses to set it back (``BrokerError``) while there are any.
    """
    topics = [topic for loop in parts.loops for topic in loop.reads]
    for topic in topics:
        check_finished(
            parts.broker, refill_topic(topic, CONSUMER)
        )  # the loop would wait for ever for its end
    restored = restore_decisions(parts.broker, parts.owner)
    progress(TOPIC)
    for loop in parts.loops:
        for topic in loop.reads:
            refill = RefillLoop(parts.broker, loop, topic)
            refill.read_to_markers(threading.Event())
            refill.rewind_live_group()
            progress(topic)
    act = OperatorAct(actor=actor, action="books_rebuilt", target="books", reason=reason)
    parts.app.run(lambda uow: uow.acted(act), name="rebuild")
    return restored
