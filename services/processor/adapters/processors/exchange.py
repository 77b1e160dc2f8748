"""One HTTP exchange with a processor: bounded in time and size, and every way it can break named."""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, Final

import httpx2
import orjson

from services.processor.app.ports import FeedReject, InTime
from services.processor.domain.fact import Unrecognised
from services.processor.domain.outcome import Failure, Result

CONNECT_TIMEOUT_S: Final = 2.0
POOL_TIMEOUT_S: Final = 1.0
RESPONSE_BYTES_MAX: Final = 1_048_576
"""An answer about an operation has a few KiB; hundreds of times that is none of a processor's."""
PAGE_BYTES_MAX: Final = 4_194_304
"""Of a page of a feed or list: its events bear what merchants handed in, and it can be asked for with fewer of them."""
_VISIBLE: Final = re.compile(r"[!-~]{1,255}")


class Broken(Exception):  # noqa: N818 - what happened to the exchange
    """The exchange failed below the meaning of its answer."""

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(f"{failure}: {detail}")
        self.failure = failure


def always() -> bool:
    """Reading is never too late: it changes nothing."""
    return True


_WRITES: Final[Mapping[str, Failure]] = {
    "http11.send_request_headers.started": Failure.LATE,
    "http11.send_request_body.started": Failure.WRITE,
}
"""The steps of a call that write, and what it is to stop before them: of the second, half of the request has left."""


class Exchange:
    """Connections to one processor. Made and closed inside the event loop that uses them.

    Each connection is a client of its own, and the one used last is used next: a client of many looks at all of its
    idle connections for every call, which was a fifth of what a call costs.
    """

    def __init__(
        self,
        *,
        base_url: str,
        headers: Mapping[str, str],
        total_timeout_s: float,
        connections: int,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/") + "/"
        self._headers = {"Accept": "application/json", **headers}
        self._total_timeout_s = total_timeout_s
        self._transport = transport
        self._places = asyncio.Semaphore(connections)
        self._idle: list[httpx2.AsyncClient] = []

    async def close(self) -> None:
        """Close the connections."""
        while self._idle:
            await self._idle.pop().aclose()

    async def call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        bytes_max: int = RESPONSE_BYTES_MAX,
        in_time: InTime = always,
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """Return status, body and headers of the reply, or raise ``Broken``.

        Nothing is written that is not in time then: also not after a connection was waited for, or a process slept.
        """
        try:
            async with asyncio.timeout(POOL_TIMEOUT_S):
                await self._places.acquire()
        except TimeoutError as error:
            raise Broken(Failure.POOL, "no connection is free") from error
        client = self._idle.pop() if self._idle else self._connection()
        try:
            return await self._call(client, method, path, headers, body, bytes_max, in_time)
        finally:
            self._idle.append(client)
            self._places.release()

    async def _call(
        self,
        client: httpx2.AsyncClient,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        bytes_max: int,
        in_time: InTime,
    ) -> tuple[int, bytes, Mapping[str, str]]:
        async def before_writing(step: str, _of: Mapping[str, Any]) -> None:
            if step in _WRITES and not in_time():
                raise Broken(_WRITES[step], "its lease has ended")

        if not in_time():
            raise Broken(Failure.LATE, "its lease has ended")
        watched = {} if in_time is always else {"trace": before_writing}
        try:
            # The library's timeouts are per read: a server that drips a byte a second would outlive them all.
            async with asyncio.timeout(self._total_timeout_s):
                async with client.stream(
                    method, path, headers=dict(headers), content=body, extensions=watched
                ) as response:
                    received = bytearray()
                    async for chunk in response.aiter_bytes():
                        received += chunk
                        if len(received) > bytes_max:
                            raise Broken(Failure.TOO_LARGE, f"more than {bytes_max} bytes")
                    return response.status_code, bytes(received), response.headers
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise Broken(Failure.CONNECT, type(error).__name__) from error
        except TimeoutError as error:
            raise Broken(Failure.TIMEOUT, "total time") from error
        except httpx2.TimeoutException as error:
            raise Broken(Failure.TIMEOUT, type(error).__name__) from error
        except httpx2.WriteError as error:
            raise Broken(Failure.WRITE, type(error).__name__) from error
        except httpx2.HTTPError as error:
            raise Broken(Failure.READ, type(error).__name__) from error

    def _connection(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            base_url=self._base_url,
            headers=self._headers,
            timeout=httpx2.Timeout(
                self._total_timeout_s, connect=min(CONNECT_TIMEOUT_S, self._total_timeout_s)
            ),
            limits=httpx2.Limits(max_connections=1, max_keepalive_connections=1),
            # A redirect could carry our key elsewhere; the environment's proxies are nobody's decision here.
            follow_redirects=False,
            trust_env=False,
            verify=_trusted(),
            transport=self._transport,
        )


def read_document(raw: bytes) -> Mapping[str, Any]:
    """Return the JSON object of a body; anything else is unreadable."""
    parsed = orjson.loads(raw)
    if not isinstance(parsed, dict):
        raise Unrecognised("not_an_object")
    return parsed


def refusal_of(
    status: int, code: str | None, *, not_executed: Mapping[int, frozenset[str]], final: bool
) -> Result:
    """Return what a client error means: nothing was done, a final no, or, where neither is declared, doubt."""
    if code in not_executed.get(status, frozenset()):
        return Result.NOT_SENT
    return Result.DECLINED if final else Result.UNKNOWN


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """Return the whole second at which the processor says that it replied; ``None`` where that cannot be read."""
    try:
        dated = parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, OverflowError):
        return None
    return dated if dated.tzinfo else dated.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Where a processor's feed names things, as paths: all that we know of an event that is no fact to us."""

    event_id: str
    event_type: str
    object_id: tuple[str, ...]
    reference: tuple[str, ...]
    payment_id: tuple[str, ...]


def reject_of(event: object, reason: str, names: Names) -> FeedReject:
    """Return what can be told of an event that could not be read: its own id, or the digest of what it says."""
    digest = sha256(orjson.dumps(event))
    given = event.get(names.event_id) if isinstance(event, Mapping) else None
    keeps = isinstance(given, str) and given.isprintable()
    event_type = _named(event, (names.event_type,))
    return FeedReject(
        event_id=str(given)[:255] if keeps else f"digest:{digest}",
        own_id=_named(event, (names.event_id,)),
        event_type=event_type[:128] if event_type else None,
        reason=reason,
        digest=digest,
        object_id=_named(event, names.object_id),
        reference=_named(event, names.reference),
        payment_id=_named(event, names.payment_id),
    )


def _named(event: object, path: tuple[str, ...]) -> str | None:
    for name in path:
        event = event.get(name) if isinstance(event, Mapping) else None
    return event if isinstance(event, str) and _VISIBLE.fullmatch(event) else None


def sha256(raw: bytes) -> str:
    """Return the digest that the log keeps of a body."""
    return hashlib.sha256(raw).hexdigest()


@cache
def _trusted() -> ssl.SSLContext:
    """The machine's certificates, read once per process: each reading of a feed has a client of its own, and reading
    them again costs more than its calls.
    """
    return httpx2.create_ssl_context(trust_env=False)
