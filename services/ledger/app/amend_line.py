"""Books what a corrected file says of a line, and lets it count where this revision says: older matches have ended."""

from __future__ import annotations

from services.ledger.app.ports import LedgerWork
from services.ledger.app.post_event import IncomingEvent, post_event
from services.ledger.app.rekey_line import rekey_line


def amend_line(event: IncomingEvent, work: LedgerWork) -> None:
    """Both, in this transaction, also where the new revision moves nothing."""
    post_event(event, work)
    rekey_line(event, work)
