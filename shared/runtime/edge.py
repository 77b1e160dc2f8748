"""The ASGI layer around every application: Request-Id, trace, body limits, error boundary, one log line
per request.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

from shared.kernel.clock import Clock, SystemClock
from shared.kernel.errors import CommitUnknown, Rejected
from shared.runtime.card_numbers import RAW_SUSPICION
from shared.runtime.first_step import gone_on
from shared.runtime.logs import logger
from shared.runtime.metric_names import HTTP_REQUEST_SECONDS, HTTP_REQUESTS
from shared.runtime.metrics import counter, histogram
from shared.runtime.problems import Problem, new_request_id
from shared.runtime.server import ASGIApp
from shared.runtime.strict_json import refuse_bad_text
from shared.runtime.tracing import attach_trace, detach_trace

API_BODY_BYTES_MAX: Final = 64 * 1024
BODY_DEADLINE_S: Final = 10.0
"""For the whole body: one byte per second must not hold a connection for the eighteen hours that 64 KiB
would take.
"""
_BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_UNAVAILABLE: Final = Problem(
    status=503, code="temporarily_unavailable", message="Try again with the same key.", retry_after_s=1
)
_INTERNAL: Final = Problem(
    status=500, code="internal_error", message="This is our fault; it has been recorded."
)
_log = logger(__name__)


class Disconnected(Exception):  # noqa: N818 - an event, not a fault
    """The client went away before its request was whole; nothing has been done."""


class Edge:
    """Pure ASGI: a request costs a header scan, two closures and one log line.

    The body is read whole, within its limits, before the application runs: so no handler ever holds a
    thread, a
    connection or a transaction while a slow client dribbles, and a body that lies about its length costs
    nothing. Paths that ``streamed`` matches get theirs piece by piece and answer for its size themselves.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        body_bytes_max: int = API_BODY_BYTES_MAX,
        body_deadline_s: float = BODY_DEADLINE_S,
        clock: Clock | None = None,
        log_requests: bool = True,
        streamed: re.Pattern[str] | None = None,
    ) -> None:
        self._app = app
        self._streamed = streamed
        self._body_bytes_max = body_bytes_max
        self._body_deadline_s = body_deadline_s
        self._clock = clock or SystemClock()
        self._log_requests = log_requests

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = self._clock.monotonic_s()
        request_id = new_request_id()
        reply = _Reply(send, request_id)
        scope["state"]["request_id"] = request_id
        token = attach_trace(_header(scope, b"traceparent"))
        try:
            await self._answer(scope, receive, reply)
        except Disconnected:
            reply.status = 499
        finally:
            self._record(scope, request_id, reply.status, self._clock.monotonic_s() - began_s)
            detach_trace(token)

    async def _answer(self, scope: Any, receive: Any, reply: _Reply) -> None:
        try:
            refuse_bad_target(scope)
            if scope["method"] in _BODY_METHODS:
                receive = await self._received(scope, receive)
            await self._app(scope, receive, reply)
        except Rejected as rejected:
            await reply.problem(Problem.of(rejected), close=rejected.status in {408, 413})
        except CommitUnknown:
            _log.exception("commit_unknown", path=_route(scope))
            await reply.problem(_UNAVAILABLE)
        except Disconnected:
            raise
        except Exception as error:  # noqa: BLE001 - the process boundary
            unavailable = is_unavailable(error)
            _log.exception("request_failed", route=_route(scope), unavailable=unavailable)
            await reply.problem(_UNAVAILABLE if unavailable else _INTERNAL)

    async def _received(self, scope: Any, receive: Any) -> Any:
        _refuse_encoded(scope)
        if self._streamed is not None and self._streamed.fullmatch(scope["path"]):
            return self._pieces(receive)
        body = scope["state"]["body"] = await self._body(scope, receive)
        return _Replayed(body, receive)

    def _pieces(self, receive: Any) -> Any:
        """The body as it comes: each piece has the time that a whole body has elsewhere."""

        async def piece() -> Any:
            return await self._within_deadline(receive, self._body_deadline_s)

        return piece

    async def _body(self, scope: Any, receive: Any) -> bytes:
        declared = _header(scope, b"content-length")
        # Compared by length first: Python refuses to read a number of more than 4,300 digits.
        digits = (declared or "").lstrip("0")
        if len(digits) > len(str(self._body_bytes_max)) or (
            digits.isdecimal() and int(digits) > self._body_bytes_max
        ):
            raise self._too_large()
        deadline_s = self._clock.monotonic_s() + self._body_deadline_s
        message = await self._within_deadline(receive, self._body_deadline_s)
        body: bytes = message["body"]
        if not message.get("more_body"):
            self._check_size(body)
            return body
        grown = bytearray(body)
        while message.get("more_body"):
            self._check_size(grown)
            message = await self._within_deadline(receive, deadline_s - self._clock.monotonic_s())
            grown += message["body"]
        self._check_size(grown)
        return bytes(grown)

    async def _within_deadline(self, receive: Any, left_s: float) -> Any:
        receiving = receive()
        try:
            awaited = receiving.send(None)
            async with asyncio.timeout(max(0.0, left_s)):
                message = await gone_on(receiving, awaited)
        except StopIteration as arrived:  # it came with the headers
            message = arrived.value
        except TimeoutError:
            raise Rejected(
                "request_too_slow",
                f"A body must arrive within {self._body_deadline_s:.0f} s.",
                status=408,
                stored=False,
            ) from None
        if message["type"] == "http.disconnect":
            raise Disconnected
        return message

    def _check_size(self, body: bytes | bytearray) -> None:
        if len(body) > self._body_bytes_max:
            raise self._too_large()

    def _too_large(self) -> Rejected:
        return Rejected(
            "body_too_large", f"Bodies are limited to {self._body_bytes_max} bytes.", status=413, stored=False
        )

    def _record(self, scope: Any, request_id: str, status: int, duration_s: float) -> None:
        route = _route(scope)
        counter(HTTP_REQUESTS, scope["method"], route, str(status))
        histogram(HTTP_REQUEST_SECONDS, duration_s, route)
        if self._log_requests:
            _log.info(
                "request", request_id=request_id, method=scope["method"], route=route, status=status,
                duration_ms=round(duration_s * 1000, 2), **scope["state"].get("log", {}),
            )  # fmt: skip


class _Reply:
    """``send`` that adds the Request-Id, remembers the status, and answers errors at most once."""

    __slots__ = ("_request_id", "_send", "started", "status")

    def __init__(self, send: Any, request_id: str) -> None:
        self._send = send
        self._request_id = request_id.encode()
        self.started = False
        self.status = 0

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), (b"request-id", self._request_id)]
        await self._send(message)

    async def problem(self, problem: Problem, *, close: bool = False) -> None:
        if self.started:
            return  # half a reply is out; the server hangs up
        headers = problem.headers()
        if close:
            headers.append((b"connection", b"close"))
        await self({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": problem.body()})


class _Replayed:
    """``receive`` that hands out the body already read, then waits for the disconnect like the server's
    own.
    """

    __slots__ = ("_body", "_receive")

    def __init__(self, body: bytes, receive: Any) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Any:
        if self._body is not None:
            message = {"type": "http.request", "body": self._body, "more_body": False}
            self._body = None
            return message
        return await self._receive()


def refuse_bad_target(scope: Any) -> None:
    """Card numbers and NUL in a path or query are refused before they reach a log, a query or a route."""
    raw = scope.get("raw_path") or b""
    query = scope.get("query_string") or b""
    if b"%" in raw or b"%" in query or RAW_SUSPICION.search(raw) or RAW_SUSPICION.search(query):
        from urllib.parse import unquote_plus

        refuse_bad_text(scope["path"], "path")
        refuse_bad_text(unquote_plus(query.decode("latin-1")), "query")


def is_unavailable(error: BaseException) -> bool:
    """True if a database is unreachable or overloaded: the caller may try again, nothing of this attempt
    stays.
    """
    from sqlalchemy.exc import DBAPIError, OperationalError
    from sqlalchemy.exc import TimeoutError as PoolTimeout

    return isinstance(error, (OperationalError, PoolTimeout)) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )


def _refuse_encoded(scope: Any) -> None:
    if _header(scope, b"content-encoding") not in {None, "identity"}:
        raise Rejected(
            "encoding_unsupported", "Compressed bodies are not accepted.", status=415, stored=False
        )


def _header(scope: Any, name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")  # type: ignore[no-any-return]
    return None


def _route(scope: Any) -> str:
    """The route's template, never the path: paths hold ids, and label values must be few."""
    route = scope.get("route")
    return getattr(route, "path", None) or "unmatched"
