"""Lets what stands under a line's key count where its newest reading says it belongs; moves no money."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import asdict

from services.ledger.app.ports import LedgerWork, Rekeying
from services.ledger.app.post_event import IncomingEvent
from services.ledger.domain.posting import rekeying_of
from services.ledger.domain.posting_rules import REKEYING_EVENT_TYPES


def load_matches(events: Sequence[IncomingEvent], work: LedgerWork) -> None:
    """Read, for the whole batch at once, which of its readings are known."""
    told = {_told(event).rank for event in events if event.event_type in REKEYING_EVENT_TYPES}
    if told:
        work.line_matches.load(sorted(told))


def rekey_line(event: IncomingEvent, work: LedgerWork) -> None:
    """Keep the reading with this transaction; it needs no journal to be there yet."""
    work.line_matches.rekey(_told(event))


def _told(event: IncomingEvent) -> Rekeying:
    line_key, revision, number, clearing_key = rekeying_of(event.event_type, asdict(event.data))
    return Rekeying(
        line_key=line_key,
        revision=revision,
        number=number,
        clearing_key=clearing_key,
        # Back under its own key it is about no payment.
        payment_id=event.data.payment_id if clearing_key != line_key else None,
        cause_event_id=event.event_id,
        told_at=event.time,
    )
