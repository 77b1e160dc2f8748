"""A processor's server that reads one request per connection and then does what it was told."""

import asyncio
import contextlib
import json


def reply(status, document, *headers):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(body)}",
        "Content-Type: application/json",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Script:
    """A server that reads one request and then does what it was told."""

    def __init__(self, act):
        self.act = act
        self.requests = []
        self.tasks = []

    async def __call__(self, reader, writer):
        self.tasks.append(asyncio.current_task())
        try:
            await self.answer(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def answer(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        ]
        self.requests.append(head + (await reader.readexactly(lengths[0]) if lengths else b""))
        if callable(self.act):
            await self.act(reader, writer)
        else:
            writer.write(self.act)
            await writer.drain()
