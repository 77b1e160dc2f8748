"""The network between callers and processes: real ASGI applications and a real HTTP client, and nothing in between."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import httpx2

Spawn = Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]


class ConnectionRefused(Exception):  # noqa: N818 - what happened to the call
    """Nobody listens there: nothing was done."""


class ConnectionLost(Exception):  # noqa: N818 - what happened to the call
    """The connection broke before the reply was there: anything may have been done."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


class Exchange:
    """One request and its reply, as a server hands them to an ASGI application."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._gone = asyncio.Event()
        self._status = 0
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.transport = self  # applications that want to hang up ask the server's transport

    async def receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = {
                name.decode().lower(): value.decode() for name, value in message.get("headers", ())
            }
            return
        self._parts.append(message.get("body", b""))
        if not message.get("more_body") and not self.reply.done():
            self.reply.set_result(Reply(self._status, self._headers, b"".join(self._parts)))

    def abort(self) -> None:
        """Hang up without a reply, as a server that died does."""
        self._gone.set()
        if not self.reply.done():
            self.reply.set_exception(ConnectionLost("the other side hung up"))

    def hang_up(self) -> None:
        """The caller has what it wanted, or wants nothing any more."""
        self._gone.set()
        self.reply.cancel()


async def ask(
    app: Any, spawn: Spawn, method: str, target: str, headers: dict[str, str], body: bytes
) -> Reply:
    """Run one request through an application; raises ``ConnectionLost`` where its process dies meanwhile."""
    exchange = Exchange(body)
    path, _, query = target.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {},
    }  # fmt: skip
    served = spawn(app(scope, exchange.receive, exchange.send))
    served.add_done_callback(lambda _: exchange.abort())
    try:
        return await exchange.reply
    finally:
        exchange.hang_up()


class Wire(httpx2.AsyncBaseTransport):
    """Under the HTTP client of an adapter: the request goes to an application of this world."""

    def __init__(self, call: Callable[..., Awaitable[Reply]]) -> None:
        self._call = call

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = b"".join([part async for part in request.stream])
        target = request.url.raw_path.decode()
        try:
            reply = await self._call(request.method, target, dict(request.headers), body)
        except ConnectionRefused as error:
            raise httpx2.ConnectError(str(error), request=request) from error
        except ConnectionLost as error:
            raise httpx2.ReadError(str(error), request=request) from error
        return httpx2.Response(reply.status, headers=reply.headers, content=reply.body)
