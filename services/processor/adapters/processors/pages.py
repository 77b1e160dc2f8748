"""Pages of one feed or list: as many events as come within what a page may have, down to one."""

from __future__ import annotations

from collections.abc import Mapping

import httpx2

from services.processor.adapters.processors.exchange import PAGE_BYTES_MAX, Broken, Exchange
from services.processor.domain.outcome import Failure


class Pages:
    """Asks for pages, and for fewer events where they are too large; used by one event loop."""

    def __init__(self, exchange: Exchange, path: str, *, events_max: int) -> None:
        self._exchange = exchange
        self._path = path
        self._events_max = events_max
        self._events = events_max

    async def read(self, place: Mapping[str, str | int]) -> tuple[int, bytes, Mapping[str, str]]:
        """Return the reply with the page at that place.

        One that is too large is asked for again with half as many events: the same request would end the same way for
        ever. Each page that comes lets the next have twice as many, for what was large is behind it.
        """
        while True:
            query = httpx2.QueryParams({"limit": self._events, **place})
            try:
                reply = await self._exchange.call(
                    "GET", f"{self._path}?{query}", {}, None, bytes_max=PAGE_BYTES_MAX
                )
            except Broken as broken:
                if broken.failure is not Failure.TOO_LARGE or self._events == 1:
                    raise
                self._events //= 2
            else:
                self._events = min(self._events * 2, self._events_max)
                return reply
