"""Sessions that outlive the pool, the process and the seed that opened them; each is handed out as if it were new.

A session costs PostgreSQL a process and all that this learns about its tables: a third of a seed. What one user of it
could leave to the next goes with ``DISCARD ALL``, plans included: a plan depends on how large the tables were when it
was made, and on the plan the order of rows.
"""

from __future__ import annotations

import select
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import pq

END_DEADLINE_S = 60.0
CONNECT_TIMEOUT_S = 60
"""For a machine that leaves us hardly anything."""


class KeptSession(psycopg.Connection[Any]):
    """Goes back to its stock instead of being closed, unless it is broken or in the middle of something."""

    stock: list[KeptSession] | None = None
    _heard = False

    def close(self) -> None:
        """As a session is closed; the next one to be opened may be this one."""
        whole = self.pgconn.status == pq.ConnStatus.OK
        if self.stock is None or not whole or self.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            super().close()
        elif self not in self.stock:
            self.stock.append(self)

    def add_notice_handler(self, callback: Callable[[Any], None]) -> None:
        """Once: every pool that takes the session in asks for the same."""
        if not self._heard:
            self._heard = True
            super().add_notice_handler(callback)

    def renew(self) -> bool:
        """Forget everything; false where the server has ended the session meanwhile."""
        self.pgconn.exec_(b"BEGIN")
        if self.pgconn.transaction_status != pq.TransactionStatus.INTRANS:
            return False
        self.rollback()  # by which the driver forgets what is prepared
        self.autocommit, self.isolation_level, self.read_only, self.deferrable = False, None, None, None
        # Prepared at the first use: planned once, and at the same moment in every run of a seed.
        self.prepare_threshold, self.prepared_max = 0, None
        return self.pgconn.exec_(b"DISCARD ALL").status == pq.ExecStatus.COMMAND_OK


class Sessions:
    """The stock of all engines of one storage."""

    def __init__(self) -> None:
        self._stocks: dict[str, list[KeptSession]] = defaultdict(list)

    def keep_those_of(self, engine: sa.Engine, name: str) -> None:
        """Let an engine take its sessions from the stock of this name, and give them back to it."""
        stock = self._stocks[name]

        @sa.event.listens_for(engine, "do_connect")
        def _connect(_dialect: Any, _record: Any, words: Any, options: dict[str, Any]) -> KeptSession:
            while stock:
                kept = stock.pop()
                if kept.renew():
                    return kept
                psycopg.Connection.close(kept)
            made = KeptSession.connect(*words, **(options | {"connect_timeout": CONNECT_TIMEOUT_S}))
            made.stock = stock
            made.renew()
            return made

    def close(self) -> None:
        """End them all."""
        for stock in self._stocks.values():
            while stock:
                psycopg.Connection.close(stock.pop())


def wait_for_the_end(session: psycopg.Connection[Any]) -> None:
    """Return when the server's process behind a session is gone, with everything that it held."""
    gone = select.poll()
    gone.register(session.pgconn.socket, select.POLLRDHUP)
    if not gone.poll(END_DEADLINE_S * 1000):
        raise TimeoutError("a session that was told to end did not")
