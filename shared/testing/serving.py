"""Serves an application on a real socket for a test, with the server and limits of production."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from shared.runtime.server import ASGIApp, bind, make_server, run_server
from shared.testing.waiting import eventually

CLIENT_TIMEOUT_S = 40.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole reply; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return orjson.loads(self.body)

    @property
    def code(self) -> str | None:
        """The problem's stable code."""
        return self.document.get("code") if "problem+json" in self.headers.get("content-type", "") else None


@dataclass(frozen=True, slots=True)
class Served:
    """A running application."""

    host: str
    port: int

    def call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own; ``body`` as bytes is sent as it is, anything else as JSON."""
        raw = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        connection = http.client.HTTPConnection(self.host, self.port, timeout=CLIENT_TIMEOUT_S)
        try:
            # A server that refuses a body may hang up before it has all of it: what it answered is there to be read.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body=raw, headers=dict(headers or {}))
            reply = connection.getresponse()
            return Answer(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def raw(self) -> socket.socket:
        """A bare connection, for requests that no client library would send."""
        return socket.create_connection((self.host, self.port), timeout=CLIENT_TIMEOUT_S)


@contextmanager
def served(app: ASGIApp) -> Iterator[Served]:
    """Serve ``app`` until the block ends; the drain of production runs at the end."""
    listener = bind("127.0.0.1", 0)
    started = threading.Event()
    server = make_server(app, on_started=started.set, graceful_s=5)
    thread = threading.Thread(target=run_server, args=(server, [listener]), daemon=True)
    thread.start()
    try:
        eventually(started.is_set, describe="the server")
        host, port = listener.getsockname()
        yield Served(host, port)
    finally:
        server.should_exit = True
        thread.join(15)
        listener.close()
