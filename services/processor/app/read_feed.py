"""Records pages of a processor's event feed: each fact is published once, whatever webhooks did."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from services.processor.app.ports import FeedPage, FeedTurn, ProcessorUnitOfWork

FEED_LEASE_S: Final = 120.0
"""Longer than reading and recording one page can take."""
OVERLAP_S: Final = 3_600.0
"""How far back each round begins: events that the processor listed late are still seen."""


def take_feed(processor: str, account: str, uow: ProcessorUnitOfWork, *, owner: str) -> FeedTurn | None:
    """Return the right to read the feed, if it is due and nobody else is reading it."""
    return uow.feeds.take(processor, account, owner=owner, lease_s=FEED_LEASE_S, overlap_s=OVERLAP_S)


def record_page(
    turn: FeedTurn,
    page: FeedPage,
    uow: ProcessorUnitOfWork,
    *,
    interval_s: float,
    count_rejects: Callable[[int], None] = lambda _new: None,
) -> bool:
    """Publish the page's new facts and store the cursor; false if the turn has passed to somebody else.

    What cannot be read is told as well, by the names that it bears: nobody else may ever speak of it, and the cursor
    moves on.
    """
    next_at = None if page.has_more else uow.now + timedelta(seconds=interval_s)
    if not uow.feeds.advance(turn, page.next_cursor, next_at=next_at, lease_s=FEED_LEASE_S):
        return False
    for fact in uow.feeds.first_seen(page.facts):
        uow.evidence.observed(fact, page.next_cursor or "start")
    unread = uow.feeds.reject(turn, page.rejects)
    for reject in unread:
        uow.evidence.unrecognised(turn, reject, page.next_cursor or "start")
    count_rejects(len(unread))
    return True


def leave_feed(turn: FeedTurn, uow: ProcessorUnitOfWork, *, wait_s: float) -> bool:
    """Give the turn back unfinished: one page that did not come costs an interval, not the rest of a lease."""
    return uow.feeds.leave(turn, next_at=uow.now + timedelta(seconds=wait_s))
