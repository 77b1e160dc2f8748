"""Lets what stands under a line's key count under the object's that it was matched to; moves no money."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import asdict

from services.ledger.app.ports import LedgerWork, Rekeying
from services.ledger.app.post_event import IncomingEvent
from services.ledger.domain.posting import rekeying_of
from services.ledger.domain.posting_rules import REKEYING_EVENT_TYPES


def load_matches(events: Sequence[IncomingEvent], work: LedgerWork) -> None:
    """Read, for the whole batch at once, which of its matches are known."""
    told = {
        (rekeying_of(event.event_type, asdict(event.data))[0], event.data.match_number)
        for event in events
        if event.event_type in REKEYING_EVENT_TYPES
    }
    if told:
        work.line_matches.load(sorted(told))


def rekey_line(event: IncomingEvent, work: LedgerWork) -> None:
    """Keep the match with this transaction; it needs no journal to be there yet."""
    line_key, clearing_key = rekeying_of(event.event_type, asdict(event.data))
    work.line_matches.rekey(
        Rekeying(
            line_key=line_key,
            number=event.data.match_number,
            clearing_key=clearing_key,
            payment_id=event.data.payment_id,
            cause_event_id=event.event_id,
            matched_at=event.data.matched_at,
        )
    )
