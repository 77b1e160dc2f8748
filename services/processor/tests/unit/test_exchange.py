"""Connections to a processor: never more than asked for, the last used first, and none is used again after a fault."""

import asyncio

import httpx2
import pytest

from services.processor.adapters.processors import exchange
from services.processor.adapters.processors.exchange import Broken, Exchange
from services.processor.domain.outcome import Failure

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def against(answer, calls, *, connections=2, timeout_s=2.0):
    """Run ``calls(exchange)`` beside a server that answers each request by ``answer(its number, of its connection)``."""

    async def run():
        opened, asked = [], []

        async def serve(reader, writer):
            opened.append(writer)
            number = len(opened)
            try:
                while await reader.readuntil(b"\r\n\r\n"):
                    asked.append(number)
                    await answer(len(asked), writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        to = Exchange(
            base_url=f"http://127.0.0.1:{port}",
            headers={},
            total_timeout_s=timeout_s,
            connections=connections,
        )
        try:
            return await calls(to), asked
        finally:
            await to.close()
            server.close()
            for writer in opened:
                writer.close()

    return asyncio.run(run())


async def replies(_number, writer):
    writer.write(REPLY)
    await writer.drain()


async def get(to):
    return (await to.call("GET", "x", {}, None))[0]


def test_one_call_after_another_takes_the_same_connection():
    async def calls(to):
        return [await get(to) for _ in range(3)]

    assert against(replies, calls) == ([200] * 3, [1, 1, 1])


def test_no_more_connections_than_asked_for_and_who_finds_none_sent_nothing(monkeypatch):
    monkeypatch.setattr(exchange, "POOL_TIMEOUT_S", 0.05)
    gate = asyncio.Event()

    async def held(_number, writer):
        await gate.wait()
        await replies(_number, writer)

    async def calls(to):
        first = [asyncio.ensure_future(get(to)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Broken) as refused:
            await get(to)
        gate.set()
        return refused.value.failure, await asyncio.gather(*first)

    found, asked = against(held, calls)
    assert found == (Failure.POOL, [200, 200])
    assert sorted(asked) == [1, 2]


async def silence(_writer):
    """Nothing comes."""


async def half(writer):
    writer.write(REPLY[:-1])
    writer.close()


async def flood(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + bytes(2_000_000))


@pytest.mark.parametrize(
    ("fault", "failure"),
    [(silence, Failure.TIMEOUT), (half, Failure.READ), (flood, Failure.TOO_LARGE)],
)
def test_a_connection_that_failed_is_not_used_again(fault, failure):
    async def wrong_first(number, writer):
        await (fault(writer) if number == 1 else replies(number, writer))

    async def calls(to):
        with pytest.raises(Broken) as broken:
            await get(to)
        return broken.value.failure, await get(to)

    found, asked = against(wrong_first, calls, connections=1, timeout_s=0.5)
    assert found == (failure, 200)
    assert asked == [1, 2]


def test_a_caller_that_gives_up_anywhere_leaves_a_connection_for_the_next():
    async def calls(to):
        for steps in range(40):
            given_up = asyncio.ensure_future(get(to))
            for _ in range(steps):
                await asyncio.sleep(0)
            given_up.cancel()
            await asyncio.gather(given_up, return_exceptions=True)
            assert await get(to) == 200

    against(replies, calls, connections=1)


def test_a_transport_of_the_caller_serves_all_connections():
    async def calls():
        shared = httpx2.MockTransport(lambda _request: httpx2.Response(200, content=b"{}"))
        to = Exchange(base_url="http://x", headers={}, total_timeout_s=1, connections=2, transport=shared)
        return await asyncio.gather(get(to), get(to))

    assert asyncio.run(calls()) == [200, 200]


def post(in_time):
    async def calls(to):
        await to.call("GET", "warm", {}, None)
        with pytest.raises(Broken) as broken:
            await to.call("POST", "x", {}, b"{}", in_time=in_time)
        # The connection that was given up is not used again, and the next call goes through.
        return broken.value.failure, (await to.call("GET", "y", {}, None))[0]

    return calls


@pytest.mark.parametrize(
    ("answers", "failure"),
    [([False], Failure.LATE), ([True, False], Failure.LATE), ([True, True, False], Failure.WRITE)],
    ids=["before it is begun", "before it is written", "before its body is written"],
)
def test_what_is_late_by_now_is_not_written(answers, failure):
    left = iter(answers)
    seen, asked = against(replies, post(lambda: next(left)))
    assert seen == (failure, 200)
    whole = 2 if failure is Failure.LATE else 3
    assert len(asked) <= whole, "of a request that is late at most the head is seen"


def test_what_is_in_time_is_written():
    async def calls(to):
        return (await to.call("POST", "x", {}, b"{}", in_time=lambda: True))[0]

    assert against(replies, calls)[0] == 200
