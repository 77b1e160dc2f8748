"""A TCP proxy before PostgreSQL that loses one COMMIT, in one of three ways, and is transparent otherwise."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Final

import sqlalchemy as sa

_CHUNK_BYTES: Final = 65_536
_COMMIT: Final = b"COMMIT\x00"


class Loss(Enum):
    """What happens to the COMMIT that is lost."""

    REQUEST = "never reaches the server, whose session ends: rolled back"
    ANSWER = "is carried out, its answer is lost: committed"
    SILENCE = "never reaches the server, whose session stays open: in progress"


class LossyProxy:
    """Forwards bytes between clients and one server until ``lose_next_commit`` arms it for a single COMMIT."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._armed: Loss | None = None
        self._open: list[socket.socket] = []
        self.lost = 0
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="lossy-proxy", daemon=True).start()

    def lose_next_commit(self, loss: Loss) -> None:
        """Arm the proxy for one COMMIT."""
        self._armed = loss

    def close(self) -> None:
        """Stop listening and end every connection."""
        self._listener.close()
        for each in self._open:
            _end(each)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._open += [client, server]
                threading.Thread(target=self._requests, args=(client, server), daemon=True).start()
                threading.Thread(target=self._answers, args=(client, server), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(_CHUNK_BYTES):
                loss = self._armed
                if loss is not None and _COMMIT in data:
                    self._armed = None
                    self.lost += 1
                    self._lose(loss, data, client, server)
                    return
                server.sendall(data)
        _end(server)

    def _lose(self, loss: Loss, data: bytes, client: socket.socket, server: socket.socket) -> None:
        if loss is Loss.ANSWER:
            # The client's side is cut first, so the answer has nowhere to go; the server then hears the COMMIT.
            _end(client)
            server.sendall(data)
        elif loss is Loss.REQUEST:
            _end(server)
            _end(client)
        else:
            _end(client)

    def _answers(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(_CHUNK_BYTES):
                client.sendall(data)
            _end(client)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def lossy_proxy(url: str) -> Iterator[tuple[LossyProxy, str]]:
    """Yield a proxy before the database at ``url``, and the URL that leads through it."""
    parsed = sa.make_url(url)
    proxy = LossyProxy(parsed.host or "127.0.0.1", parsed.port or 5432)
    try:
        through = parsed.set(host="127.0.0.1", port=proxy.port)
        yield proxy, through.render_as_string(hide_password=False)
    finally:
        proxy.close()
