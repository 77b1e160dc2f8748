"""Beta's delayed list of changes: its only feed, and the only place where a lost answer can be found.

Look-ups of about one age share readings: those that come while one is under way wait for the next, which begins at the
earliest of their times and answers them all. A backlog of a thousand doubts costs a reading for each age, not a
thousand; and one doubt of days keeps none of minutes waiting for a list of days.
"""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import httpx2

from services.processor.adapters.processors.exchange import (
    Broken,
    Exchange,
    Names,
    date_of,
    read_document,
    reject_of,
)
from services.processor.adapters.processors.pages import Pages
from services.processor.app.ports import FeedPage, FeedReject, FeedUnreachable
from services.processor.domain.beta_facts import fact_of_notice
from services.processor.domain.fact import Fact, Unrecognised
from services.processor.domain.policy import CLOCKS_DIFFER_S
from shared.kernel.clock import Clock

_MILLISECONDS: Final = re.compile(r"[0-9]{1,9}")
_DATE_GRAIN: Final = timedelta(seconds=1)
"""A date tells whole seconds."""
PAGE: Final = 500
PAGES_MAX: Final = 400
"""Of one reading; a list that never ends proves nothing about what was not seen in it."""

AGES: Final = (timedelta(hours=1), timedelta(hours=6), timedelta(days=1), timedelta(days=7))
"""Up to these, and above the last, look-ups are of one age: they share readings, and wait for those of no other age."""

_NAMES: Final = Names(
    event_id="notice_id",
    event_type="notice_type",
    object_id=("transaction", "txn_id"),
    reference=("transaction", "merchant_ref"),
    payment_id=("transaction", "order_ref"),
)


_Bears = tuple[str | None, str | None]
"""Of a notice: our reference and our payment, as far as it bears them."""


@dataclass(slots=True)
class _Reading:
    """One reading of the list from a time on: who waits for it, and what it saw."""

    since: datetime
    facts: dict[str, dict[str, Fact]] = field(default_factory=dict)
    """By our reference, then by transaction: the last state that the list showed."""
    unreadable: dict[_Bears, str] = field(default_factory=dict)
    """Why a notice could not be read, by what it bears of ours."""
    clocks_differ: bool = False
    """A reply's date was too far from our clock: what was sought from a time of ours may lie before it by beta's."""
    done: asyncio.Task[None] | None = None
    waiting: int = 0
    """How many wait for it: what nobody waits for any more ends."""


@dataclass(slots=True)
class _Queue:
    """The readings for look-ups of one age: one under way, and one to come."""

    next: _Reading | None = None
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)


def _heard(reading: asyncio.Task[None]) -> None:
    """Whoever waits is told how it ended; where all have stopped waiting, a list that failed is nobody's fault."""
    if not reading.cancelled():
        reading.exception()


class DelayedListReader:
    """Reads the list; used by one event loop."""

    def __init__(self, exchange: Exchange, account: str, clock: Clock) -> None:
        self._pages = Pages(exchange, "transactions", events_max=PAGE)
        self._account = account
        self._clock = clock
        self._queues = tuple(_Queue() for _ in (*AGES, None))

    async def facts_under(self, reference: str, *, payment_id: str, since: datetime) -> tuple[Fact, ...]:
        """Return the latest state of each transaction under our reference, from a reading begun after this call.

        Nothing readable, but something unreadable that could be ours, raises: that is not "not there". What bears
        another reference or, like a claim that nobody answered, only another payment, is not ours. So does nothing
        in a list whose clock is not ours.
        """
        reading = await self._reading(since)
        facts = tuple(reading.facts.get(reference, {}).values())
        for (bears_reference, bears_payment), reason in reading.unreadable.items():
            nameless = bears_reference is None and bears_payment in (None, payment_id)
            if not facts and (nameless or bears_reference == reference):
                raise Unrecognised(reason)
        if not facts and reading.clocks_differ:
            raise FeedUnreachable("clocks_differ", healthy=True)
        return facts

    async def page(self, *, after: str | None, since: datetime | None = None) -> FeedPage:
        """Return one page: readable facts, and what could not be read."""
        document, _ = await self._document(after, since)
        return _page_of(document, account=self._account)

    async def _reading(self, since: datetime) -> _Reading:
        """Wait for the next reading of this age to end."""
        queue = self._queues[bisect_left(AGES, self._clock.now() - since)]
        reading = queue.next
        if reading is None or reading.done is None:
            reading = queue.next = _Reading(since)
            reading.done = asyncio.create_task(self._read(reading, queue))
            reading.done.add_done_callback(_heard)
        reading.since = min(reading.since, since)
        reading.waiting += 1
        try:
            # Shielded: whoever stops waiting must not take the answer from the others.
            await asyncio.shield(reading.done)
        finally:
            reading.waiting -= 1
            if reading.waiting == 0 and not reading.done.done():
                # Nobody joins what ends here, and those behind it need not wait for what nobody will hear.
                queue.next = None if queue.next is reading else queue.next
                reading.done.cancel()
        return reading

    async def _read(self, reading: _Reading, queue: _Queue) -> None:
        async with queue.one_at_a_time:
            # From here on nobody joins: a later look-up must not be answered by what was read before it.
            queue.next = None
            cursor: str | None = None
            for _ in range(PAGES_MAX):
                asked_at = self._clock.now()
                document, dated = await self._document(cursor, reading.since)
                reading.clocks_differ |= _differs(dated, asked_at, self._clock.now())
                page = _page_of(document, account=self._account)
                for fact in page.facts:
                    if fact.reference is not None:
                        reading.facts.setdefault(fact.reference, {})[fact.object_id] = fact
                if page.rejects:
                    reading.unreadable |= _unreadable(document, account=self._account)
                if not page.has_more:
                    return
                cursor = page.next_cursor
            raise FeedUnreachable("list_too_long", healthy=True)

    async def _document(
        self, after: str | None, since: datetime | None
    ) -> tuple[Mapping[str, Any], datetime | None]:
        """Return a page as it came, and when beta says that it was."""
        place: dict[str, str | int] = {}
        if after is not None:
            place["after"] = after
        elif since is not None:
            place["since_ms"] = max(0, int(since.timestamp() * 1000))
        try:
            status, raw, headers = await self._pages.read(place)
        except Broken as broken:
            raise FeedUnreachable(broken.failure.value) from broken
        if status != httpx2.codes.OK:
            raise FeedUnreachable(
                f"http_{status}",
                healthy=status < httpx2.codes.INTERNAL_SERVER_ERROR,
                throttled=status == httpx2.codes.TOO_MANY_REQUESTS,
                retry_after_s=retry_after_s(headers),
            )
        try:
            return read_document(raw), date_of(headers)
        except (Unrecognised, ValueError) as error:
            raise FeedUnreachable("shape:not_json") from error


def _differs(dated: datetime | None, asked_at: datetime, heard_at: datetime) -> bool:
    """Say whether the reply's date is further from our clock than is allowed for; without one nothing says so."""
    if dated is None:
        return False
    allowed = timedelta(seconds=CLOCKS_DIFFER_S)
    return not asked_at - allowed - _DATE_GRAIN <= dated <= heard_at + allowed


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how long beta asks to be left alone."""
    value = headers.get("x-beta-retry-in-ms", "")
    return int(value) / 1000 if _MILLISECONDS.fullmatch(value) else None


def _unreadable(document: Mapping[str, Any], *, account: str) -> dict[_Bears, str]:
    """Return the reason of each notice that could not be read, by what it bears of ours."""
    reasons: dict[_Bears, str] = {}
    for notice in document["notices"]:
        try:
            fact_of_notice(notice, account=account)
        except Unrecognised as unrecognised:
            transaction = notice.get("transaction") if isinstance(notice, Mapping) else None
            fields = transaction if isinstance(transaction, Mapping) else {}
            reasons[_text_of(fields, "merchant_ref"), _text_of(fields, "order_ref")] = unrecognised.reason
    return reasons


def _text_of(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) else None


def _page_of(document: Mapping[str, Any], *, account: str) -> FeedPage:
    notices, cursor = document.get("notices"), document.get("next")
    if not isinstance(notices, list) or not (cursor is None or isinstance(cursor, str)):
        raise FeedUnreachable("shape:page_invalid")
    facts: list[Fact] = []
    rejects: list[FeedReject] = []
    for notice in notices:
        try:
            facts.append(fact_of_notice(notice, account=account))
        except Unrecognised as unrecognised:
            rejects.append(reject_of(notice, unrecognised.reason, _NAMES))
    more = document.get("more")
    if not isinstance(more, bool) or (more and (not notices or cursor is None)):
        # Without this a list cut short would read as "not there".
        raise FeedUnreachable("shape:page_invalid")
    return FeedPage(facts=tuple(facts), rejects=tuple(rejects), next_cursor=cursor, has_more=more)
