"""Closed-loop HTTP clients that cost little themselves: prepared bytes out, status and length read back."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tools.local_stack.layout import StackError


@dataclass(slots=True)
class Load:
    """What came back: seconds per request, and how long the whole took."""

    latencies_s: list[float] = field(default_factory=list)
    elapsed_s: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.latencies_s) / self.elapsed_s


def drive(
    url: str,
    request: Callable[[], bytes],
    *,
    clients: int,
    count: int,
    expected: int,
    rate: float | None = None,
) -> Load:
    """Send requests over that many connections, each waiting for its answer; at most ``rate`` per second."""
    return asyncio.run(_drive(url, request, clients=clients, count=count, expected=expected, rate=rate))


async def _drive(
    url: str, request: Callable[[], bytes], *, clients: int, count: int, expected: int, rate: float | None
) -> Load:
    load, left = Load(), iter(range(count))
    place = urlsplit(url)
    started = time.perf_counter()

    async def client() -> None:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            for number in left:
                if rate is not None:
                    await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
                sent = time.perf_counter()
                writer.write(request())
                status, body = await _answer(reader)
                load.latencies_s.append(time.perf_counter() - sent)
                if status != expected:
                    raise StackError(f"expected {expected}, got {status}: {body[:300]!r}")
        finally:
            writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    load.elapsed_s = time.perf_counter() - started
    return load


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    at = lower.index(b"content-length:") + len(b"content-length:")
    length = int(lower[at : lower.index(b"\r\n", at)])
    return int(head[9:12]), await reader.readexactly(length)
