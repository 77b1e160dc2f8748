"""Owns the bytes of one exchange: read a bounded body, send JSON, hang, cut the connection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final

from services.sandbox.domain.faults import Fault, ReplyFault
from services.sandbox.domain.scripts import Asked
from shared.kernel.errors import InvariantViolation, Rejected

BODY_LIMIT_BYTES: Final = 64 * 1024
DISCONNECT: Final = "http.disconnect"
HANG_LIMIT_S: Final = 300.0
"""A hanging request ends when its caller does, but not later than this."""


async def read_body(receive: Any) -> bytes:
    """Return the whole body, refusing what is too large while it still arrives."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == DISCONNECT:
            raise Rejected("caller_gone", "The caller hung up before its body was complete.", status=400)
        body += bytes(message.get("body", b""))
        if len(body) > BODY_LIMIT_BYTES:
            raise Rejected("body_too_large", f"At most {BODY_LIMIT_BYTES} bytes.", status=413)
        if not message.get("more_body", False):
            return body


async def send_json(
    send: Any, status: int, body: bytes, more_headers: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    """Send one complete reply."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *more_headers]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_stream(send: Any, status: int, media_type: str, pieces: AsyncIterator[bytes]) -> None:
    """Send a reply piece by piece, as it is made."""
    headers = [(b"content-type", media_type.encode("ascii"))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def described(asked: Asked) -> Asked:
    """Of a request that says everything itself."""
    return asked


async def suffer_reading(fault: Fault, hang_s: float, receive: Any) -> bool:
    """Suffer what happens to a request that has no effect; true if the caller gets no answer at all."""
    if fault.reply_delay:
        await asyncio.sleep(fault.reply_delay.total_seconds())
    if fault.reply not in (ReplyFault.TIMEOUT_BEFORE, ReplyFault.HANG):
        return False
    await wait_for_caller(receive, HANG_LIMIT_S if fault.reply is ReplyFault.HANG else hang_s)
    await drop(receive)
    return True


async def wait_for_caller(receive: Any, seconds: float) -> None:
    """Hang until the caller hangs up, but not longer than ``seconds``."""
    try:
        async with asyncio.timeout(seconds):
            await _disconnected(receive)
    except TimeoutError:
        return


async def drop(receive: Any) -> None:
    """Close the connection without a reply, as a broken network would.

    ASGI has no word for this, so the server's own transport is taken from the callable it handed us.
    """
    cycle = getattr(receive, "__self__", None)
    transport = getattr(cycle, "transport", None)
    if transport is None:
        raise InvariantViolation("droppable_connection", "the server's transport is out of reach")
    transport.abort()
    await _disconnected(receive)


async def lifespan(receive: Any, send: Any, close: Callable[[], Awaitable[None]]) -> None:
    """Answer the server's start and stop; the connections close in the loop that opened them."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await close()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _disconnected(receive: Any) -> None:
    while (await receive())["type"] != DISCONNECT:
        pass
