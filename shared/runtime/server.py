"""The HTTP server of a process: uvicorn in the main thread, with the limits that it lacks on headers and
on patience.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.runtime.problems import Problem, new_request_id
from shared.runtime.startup import StartupRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER_BYTES_MAX: Final = 16 * 1024
"""Request line and headers together; llhttp itself sets no limit."""
HEADER_COUNT_MAX: Final = 100
HEADER_DEADLINE_S: Final = 10.0
"""From the first byte of a request to the end of its headers; also from connecting to the first byte."""
CONNECTIONS_MAX: Final = 8_000
"""Open connections of one process: above the waiters' cap, below the usual limit of open files (a ulimit)."""
KEEP_ALIVE_S: Final = 65
"""Longer than the 60 s that common load balancers keep idle connections."""
BACKLOG: Final = 2_048
_INTERIM: Final = b"HTTP/1.1 100 "
"""What the client has to have before it sends the body."""

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which also cuts off slow, endless or oversized headers, and answers in
    problem+json.
    """

    _header_timer: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _in_headers = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._header_timer = self.loop.call_later(HEADER_DEADLINE_S, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._in_headers or self.transport.is_closing():
            return
        self._header_bytes += len(data)
        if self._header_bytes > HEADER_BYTES_MAX:
            self._refuse(431, "headers_too_large", f"Headers are limited to {HEADER_BYTES_MAX} bytes.")
        elif self._header_timer is None:  # nearly all headers come whole, and need none
            self._header_timer = self.loop.call_later(HEADER_DEADLINE_S, self._too_slow)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = True
        self._header_bytes = 0

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._stop_timer()
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > HEADER_BYTES_MAX or len(self.headers) > HEADER_COUNT_MAX:
            self._refuse(431, "headers_too_large", f"Headers are limited to {HEADER_BYTES_MAX} bytes.")
            # uvicorn's callbacks that follow need a finished cycle to look at.
            raise _HeadersRefused
        super().on_headers_complete()
        if self.scope["method"] != "HEAD":  # whose reply has no body to wait for
            self.cycle.transport = _HeadWithBody(self.transport)  # type: ignore[assignment]

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        self._refuse(400, "http_malformed", "The request is not valid HTTP/1.1.")

    def _too_slow(self) -> None:
        self._header_timer = None
        if self._in_headers and self._header_bytes:
            self._refuse(408, "request_too_slow", f"Headers must arrive within {HEADER_DEADLINE_S:.0f} s.")
        elif not self.transport.is_closing():
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer outside of the application, once, and hang up."""
        if self.transport.is_closing():
            return
        problem = Problem(status=status, code=code, message=message)
        headers = [*problem.headers(new_request_id()), (b"connection", b"close")]
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        self.transport.write(b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (status, code.encode(), lines, problem.body()))
        self.transport.close()


class _HeadWithBody:
    """The transport of one reply: its head leaves with the first piece of its body, as one packet for one reader."""

    __slots__ = ("_head", "_head_sent", "_transport", "abort", "is_closing")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.is_closing = transport.is_closing
        self.abort = transport.abort
        self._head: bytes | None = None
        self._head_sent = False

    def write(self, data: bytes) -> None:
        if self._head_sent or data.startswith(_INTERIM):
            self._transport.write(data)
        elif self._head is None:
            self._head = data
        else:
            self._head_sent = True
            self._transport.write(self._head + data)

    def close(self) -> None:
        """Hang up, after what is still here."""
        if self._head is not None and not self._head_sent:
            self.write(b"")
        self._transport.close()


class _HeadersRefused(Exception):  # noqa: N818 - never leaves the parser
    """Stops the parser after the refusal has been written."""


class ManagedServer(uvicorn.Server):
    """uvicorn whose signals belong to the process, and which tells when it serves and when it drains."""

    def __init__(
        self, config: uvicorn.Config, on_started: Callable[[], None], on_drain: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._on_drain = on_drain

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_drain()
        await super().shutdown(sockets=sockets)


def make_server(
    app: ASGIApp,
    *,
    on_started: Callable[[], None] = lambda: None,
    on_drain: Callable[[], None] = lambda: None,
    graceful_s: float = 25.0,
) -> ManagedServer:
    """Every option that matters is spelled out, also where it is uvicorn's default."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=GuardedProtocol,
        ws="none",
        lifespan="auto",
        access_log=False,  # the application's one line per request says more
        log_config=None,  # logs are configured by shared.runtime.logs
        server_header=False,
        date_header=True,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS_MAX,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, int(graceful_s)),
    )
    return ManagedServer(config, on_started, on_drain)


def bind(host: str, port: int, variable: str = "HTTP_PORT") -> socket.socket:
    """Take the port before anything else starts, so that a clash is one line instead of a traceback."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise StartupRefused(
            f"{variable}: cannot listen on {host}:{port} ({error.strerror}); expected a free port"
        ) from None


def run_server(server: ManagedServer, sockets: Sequence[socket.socket]) -> None:
    server.run(sockets=list(sockets))
