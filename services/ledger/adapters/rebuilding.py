"""Fills books from the archive: what the old ones told, what people decided by it, then every event that is booked.

In this order, so that every journal is found to be told already, and a proposal that reconciliation asked for as it was
decided. At the end the books are held against everything that was told of them, and the months that the old ones had
closed are closed again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.ledger.adapters.publishing import TOPIC
from services.ledger.adapters.restoring import CONSUMER, Restored, restore_decisions
from services.ledger.adapters.restoring_closes import RestoredCloses, restore_closes
from services.ledger.adapters.taking_over import take_over_told
from services.ledger.adapters.told_journals import Differences, differences
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild found: events of the archive that were new here, decisions, closes, and what is not as told."""

    taken_over: int
    decisions: Restored
    different: Differences
    closes: RestoredCloses


def rebuild_books(
    parts: RebuildParts, actor: Actor, reason: str, progress: Progress = lambda _: None
) -> Rebuilt:
    """Read all refills to their ends, and set the group back to the beginning of what the live topics hold.

    Safe to repeat from any point: what is booked is known. Nothing else may work on these books meanwhile: the broker
    refuses to set the group back (``BrokerError``) while it has other members, and what a relay or a sealer told before
    stands in the archive's places (``Rejected``).
    """
    topics = [topic for loop in parts.loops for topic in loop.reads]
    for topic in topics:  # each loop would wait for ever for its end
        check_finished(parts.broker, refill_topic(topic, CONSUMER))
    taken_over = take_over_told(parts.broker, refill_topic(TOPIC, CONSUMER), parts.owner)
    restored = restore_decisions(parts.broker, parts.owner)
    progress(TOPIC)
    for loop in parts.loops:
        for topic in loop.reads:
            refill_loop = RefillLoop(parts.broker, loop, topic)
            refill_loop.read_to_markers(threading.Event())
            refill_loop.rewind_live_group()
            progress(topic)
    act = OperatorAct(actor=actor, action="books_rebuilt", target="books", reason=reason)
    parts.app.run(lambda uow: uow.acted(act), name="rebuild")
    found = parts.owner.read(lambda uow: differences(uow.connection), name="compare with what was told")
    closes = restore_closes(parts.broker, parts.app, found.since)
    return Rebuilt(taken_over=taken_over, decisions=restored, different=found, closes=closes)
