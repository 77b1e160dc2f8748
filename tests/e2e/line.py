"""A line to a processor that can be cut: while it is, nobody is there to connect to; how busy it is is counted by second."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from contextlib import suppress
from typing import Final

from shared.kernel.clock import SystemClock

CHUNK_BYTES: Final = 65_536
BACKLOG: Final = 512


class Line:
    """Forwards bytes to one server, each answer ``delay_s`` late; one port for its whole life."""

    def __init__(self, server: tuple[str, int], *, delay_s: float) -> None:
        self._server = server
        self._delay_s = delay_s
        self._distance = threading.Event()  # Never set: waiting for it is what takes the time.
        self._clock = SystemClock()
        self._listener: socket.socket | None = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._busy = 0
        self._lock = threading.Lock()
        self.most_busy: Counter[int] = Counter()
        """The most requests under way at once, by second since the first one after the line was restored."""
        self._first_s: float | None = None
        self._start()

    def cut(self) -> None:
        """End every connection and refuse new ones."""
        with self._lock:
            listener, self._listener = self._listener, None
            ending = list(self._open)
        if listener is not None:
            _end(listener)
        for each in ending:
            _end(each)

    def restore(self) -> None:
        """Be there again, at the same port, and count from now."""
        with self._lock:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=BACKLOG)
            self._busy, self._first_s = 0, None
            self.most_busy.clear()
        self._start()

    def _start(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self._server)
                with self._lock:
                    self._open |= {client, server}
                threading.Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        """Answers come back from another thread; a connection is busy from a request's first bytes to its answer's."""
        busy = threading.Event()
        threading.Thread(target=self._answers, args=(client, server, busy), daemon=True).start()
        with suppress(OSError):
            while data := client.recv(CHUNK_BYTES):
                if not busy.is_set():
                    busy.set()
                    self._begins()
                server.sendall(data)
        self._ended(client, server, busy)

    def _answers(self, client: socket.socket, server: socket.socket, busy: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(CHUNK_BYTES):
                if busy.is_set():
                    self._distance.wait(self._delay_s)  # A processor is as far away as it is.
                    busy.clear()
                    self._ends()
                client.sendall(data)
        self._ended(client, server, busy)

    def _ended(self, client: socket.socket, server: socket.socket, busy: threading.Event) -> None:
        if busy.is_set():
            busy.clear()
            self._ends()
        _end(client)
        _end(server)
        with self._lock:
            self._open -= {client, server}

    def _begins(self) -> None:
        with self._lock:
            now_s = self._clock.monotonic_s()
            self._first_s = now_s if self._first_s is None else self._first_s
            self._busy += 1
            second = int(now_s - self._first_s)
            self.most_busy[second] = max(self.most_busy[second], self._busy)

    def _ends(self) -> None:
        with self._lock:
            self._busy = max(0, self._busy - 1)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
