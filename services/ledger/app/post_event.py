"""Books one event: what the posting rules say, once per fact.

The consumer calls ``load_books`` once per batch and ``post_event`` once per event, in stream order, inside
the transaction that claims the events; nothing is written before the unit of work flushes the whole batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from msgspec.structs import asdict

from services.ledger.app.ports import LedgerWork
from services.ledger.domain.journal import Cause
from services.ledger.domain.posting import facts_amended, facts_of, journals_for
from services.ledger.domain.posting_rules import (
    AMENDING_EVENT_TYPES,
    BOUNDED_EVENT_TYPES,
    GROUNDS,
    REVERSING_EVENT_TYPES,
)

_OF_PAYMENTS: Final = REVERSING_EVENT_TYPES | BOUNDED_EVENT_TYPES
_GROUND_RULES: Final = sorted({rule for rules in GROUNDS.values() for rule in rules})


class IncomingEvent(Protocol):
    """What posting reads of an event."""

    @property
    def event_id(self) -> str: ...
    @property
    def event_type(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def time(self) -> datetime: ...
    @property
    def data(self) -> Any: ...


def load_books(events: Sequence[IncomingEvent], work: LedgerWork) -> None:
    """Read, for the whole batch at once, what is booked of its facts and what its events rest on."""
    facts = {fact for event in events for fact in facts_of(event.event_type, asdict(event.data))}
    if facts:
        work.journals.load_facts(sorted(facts))
    amended = {
        fact
        for event in events
        if event.event_type in AMENDING_EVENT_TYPES
        for fact in facts_amended(event.event_type, asdict(event.data))
    }
    if amended:
        work.journals.load_amended(sorted(amended))
    payment_ids = {event.data.payment_id for event in events if event.event_type in _OF_PAYMENTS}
    if payment_ids:
        work.journals.load_payments(sorted(payment_ids))
    on_grounds = {event.data.payment_id for event in events if event.event_type in GROUNDS} - payment_ids
    if on_grounds:
        work.journals.load_grounds(sorted(on_grounds), _GROUND_RULES)


def post_event(event: IncomingEvent, work: LedgerWork) -> None:
    """Add the event's journals to the books of this transaction."""
    cause = Cause(event_id=event.event_id, event_type=event.event_type, version=event.version)
    fields = asdict(event.data)
    # The money's own time where the event carries one; else when it was decided.
    effective_at = fields.get("effective_at") or fields.get("available_on") or event.time
    for journal in journals_for(cause, fields, effective_at, work.journals, lambda: work.ids.new("jrn_")):
        work.journals.add(journal)
