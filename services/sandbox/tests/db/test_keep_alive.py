"""The webhook client against receivers with bad manners: one status or one refusal, never a wait without end."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from services.sandbox.adapters import keep_alive
from services.sandbox.adapters.keep_alive import KeepAlivePoster, NotDeliveredError


class Receiver(asyncio.Protocol):
    """Answers every request with the same bytes, or hangs up if there are none; ``None`` stays silent."""

    def __init__(self, reply, connections):
        self.reply = reply
        self.connections = connections

    def connection_made(self, transport):
        self.transport = transport
        self.connections.append(transport)

    def data_received(self, data):
        assert data
        if self.reply:
            self.transport.write(self.reply)
        elif self.reply is not None:
            self.transport.close()


@asynccontextmanager
async def _receiver(reply):
    connections = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Receiver(reply, connections), "127.0.0.1", 0)
    poster = KeepAlivePoster(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?a=1")
    try:
        yield poster, connections
    finally:
        poster.close()
        for connection in connections:
            connection.abort()
        server.close()


def _post(reply, times=1):
    """Return the outcomes of that many posts and how many connections they used."""

    async def run():
        async with _receiver(reply) as (poster, connections):
            return [await poster.post(b"{}", {"X": "y"}) for _ in range(times)], len(connections)

    return asyncio.run(run())


def test_one_connection_serves_many_posts():
    assert _post(b"HTTP/1.1 204 No Content\r\n\r\n", times=3) == ([204, 204, 204], 1)


def test_chunked_replies_are_read_to_their_end():
    reply = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    assert _post(reply, times=2) == ([200, 200], 1)


def test_a_connection_that_the_receiver_closes_is_not_used_again():
    reply = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    assert _post(reply, times=2) == ([200, 200], 2)


@pytest.mark.parametrize("reply", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000])
def test_a_reply_that_is_none_is_no_delivery(reply):
    with pytest.raises(NotDeliveredError):
        _post(reply)


def test_a_silent_receiver_is_left_after_the_deadline(monkeypatch):
    monkeypatch.setattr(keep_alive, "TIMEOUT_S", 0.1)
    with pytest.raises(NotDeliveredError):
        _post(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")


def test_nobody_listening_is_no_delivery():
    with pytest.raises(NotDeliveredError):
        asyncio.run(KeepAlivePoster("http://127.0.0.1:1/hook").post(b"{}", {}))


def test_a_post_given_up_in_the_middle_does_not_leave_its_connection_behind():
    async def run():
        async with _receiver(None) as (poster, _):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await poster.post(b"{}", {})
            return list(poster._free)

    assert asyncio.run(run()) == []
