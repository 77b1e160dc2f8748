"""Owns a minimal HTTP/1.1 client for one address: kept-open connections, one POST at a time on each.

A general client costs about 2 ms of CPU per webhook, which would be most of the sandbox's cost; this one costs
a tenth, and the sandbox must not hide ours in a benchmark. The parser is the same that the server uses.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, cast
from urllib.parse import urlsplit

import httptools

CONNECTIONS_MAX: Final = 32
TIMEOUT_S: Final = 5.0
REPLY_LIMIT_BYTES: Final = 64 * 1024


class NotDeliveredError(Exception):
    """No complete reply came; whether the receiver got the request is unknown."""


class _Exchange(asyncio.Protocol):
    """One connection: a request goes out, its status comes back, and the connection may serve again."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.reusable = True
        self._status: asyncio.Future[int] | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._received_bytes = 0

    async def post(self, request: bytes) -> int:
        """Send ``request`` and return the reply's status."""
        if self.transport is None:
            raise NotDeliveredError("not connected")
        self._status = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._received_bytes = 0
        self.transport.write(request)
        return await self._status

    @property
    def is_idle(self) -> bool:
        return self._status is None or (self._status.done() and not self._status.cancelled())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not registered as asyncio's, so an isinstance check would refuse them.
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received_bytes += len(data)
        if self._parser is None or self._received_bytes > REPLY_LIMIT_BYTES:
            self._fail("reply too long")
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(type(error).__name__)

    def on_message_complete(self) -> None:
        """Called by the parser at the end of the reply."""
        parser, self._parser = self._parser, None
        if parser is None or self._status is None or self._status.done():
            return
        self.reusable = self.reusable and parser.should_keep_alive()
        self._status.set_result(parser.get_status_code())

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("connection lost" if exc is None else type(exc).__name__)

    def close(self) -> None:
        self.reusable = False
        if self.transport is not None:
            self.transport.abort()

    def _fail(self, cause: str) -> None:
        self.close()
        if self._status is not None and not self._status.done():
            self._status.set_exception(NotDeliveredError(cause))


class KeepAlivePoster:
    """Posts to one URL from one event loop; redirects are replies like any other."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._secure = parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._head = f"POST {target} HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\n"
        self._free: list[_Exchange] = []
        self._slots = asyncio.Semaphore(CONNECTIONS_MAX)

    async def post(self, body: bytes, headers: Mapping[str, str]) -> int:
        """Return the status of the reply, or raise ``NotDeliveredError``."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = f"{self._head}{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body
        async with self._slots:
            exchange = None
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    exchange = await self._connected()
                    return await exchange.post(request)
            except (OSError, TimeoutError) as error:  # TimeoutError is an OSError, named for the reader
                if exchange is not None:
                    exchange.close()
                raise NotDeliveredError(type(error).__name__) from error
            finally:
                if exchange is not None:
                    self._give_back(exchange)

    def close(self) -> None:
        while self._free:
            self._free.pop().close()

    def _give_back(self, exchange: _Exchange) -> None:
        """Keep a connection whose exchange is over; one left in the middle would mix up two replies."""
        if exchange.reusable and exchange.is_idle:
            self._free.append(exchange)
        else:
            exchange.close()

    async def _connected(self) -> _Exchange:
        while self._free:
            exchange = self._free.pop()
            if exchange.reusable:
                return exchange
        loop = asyncio.get_running_loop()
        _, exchange = await loop.create_connection(
            _Exchange, self._host, self._port, ssl=True if self._secure else None
        )
        return exchange
