"""A merchant's client as one should be: one key per intention, retried with the same key until there is an answer."""

import asyncio
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import httpx2

TRIES: Final = 8
RETRY_PAUSE_S: Final = 0.25
RETRY_PAUSE_MAX_S: Final = 2.0
RETRYABLE: Final = frozenset({409, 429, 502, 503, 504})
Body = dict[str, Any]


class UnexpectedReply(Exception):  # noqa: N818  # what came back
    """A reply that the API does not document for this request."""


@dataclass(slots=True)
class MerchantClient:
    """Calls of one merchant; remembers nothing but a counter for its keys."""

    http: httpx2.AsyncClient
    api_key: str
    run: str
    wait_s: int = 10
    tries: int = TRIES
    _numbers: "count[int]" = field(default_factory=count)

    def new_key(self) -> str:
        """An idempotency key for one intention."""
        return f"{self.run}-{next(self._numbers)}"

    async def post(self, path: str, body: Body, *, key: str | None = None) -> Body:
        """POST until there is a final answer; the key makes repeating harmless."""
        headers = {
            "Authorization": f"Bearer {self.api_key}",
            "Idempotency-Key": key or self.new_key(),
            "Prefer": f"wait={self.wait_s}",
        }
        return await self._answer("POST", path, headers, body)

    async def get(self, path: str) -> Body:
        """GET one object."""
        return await self._answer("GET", path, {"Authorization": f"Bearer {self.api_key}"}, None)

    async def _answer(self, method: str, path: str, headers: dict[str, str], body: Body | None) -> Body:
        last: httpx2.Response | None = None
        for attempt in range(self.tries):
            try:
                last = await self.http.request(method, path, json=body, headers=headers)
            except httpx2.TransportError:
                last = None
            if last is not None and last.status_code not in RETRYABLE:
                break
            await asyncio.sleep(min(RETRY_PAUSE_S * (attempt + 1), RETRY_PAUSE_MAX_S))
        if last is None:
            raise UnexpectedReply(f"{method} {path}: no answer after {self.tries} tries")
        if last.is_error:
            raise UnexpectedReply(f"{method} {path}: {last.status_code} {last.text}")
        return dict(last.json())

    async def settled(self, payment_id: str, *, deadline_s: float) -> Body:
        """The payment once nothing about it is in doubt or under way."""
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline_s
        while True:
            payment = await self.get(f"/payments/{payment_id}")
            if payment["certainty"] == "certain":
                return payment
            if loop.time() > until:
                raise UnexpectedReply(f"{payment_id} is still {payment['certainty']}: {payment['operation']}")
            await asyncio.sleep(RETRY_PAUSE_S)

    async def shows(self, payment_id: str, name: str, value: object, *, deadline_s: float = 60.0) -> Body:
        """The payment once one of its fields says so."""
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline_s
        while True:
            payment = await self.get(f"/payments/{payment_id}")
            if payment[name] == value:
                return payment
            if loop.time() > until:
                raise UnexpectedReply(f"{payment_id}: {name} is still {payment[name]}, not {value}")
            await asyncio.sleep(RETRY_PAUSE_S)
