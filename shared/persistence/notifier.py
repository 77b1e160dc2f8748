"""The wake-up of the relay: one coalesced NOTIFY after commits, on a connection of its own.

A NOTIFY inside a transaction takes a lock of the whole instance through COMMIT; so the money path only raises
a flag. A lost wake-up costs latency, never an event: the relay also polls.
"""

from __future__ import annotations

import threading
from typing import Final

import sqlalchemy as sa
import structlog

from shared.kernel.clock import Clock, SystemClock
from shared.persistence.statements import execute

OUTBOX_CHANNEL: Final = "tieout_outbox"
MIN_INTERVAL_S: Final = 0.005
# How long the thread stays away from a database that refused it.
PAUSE_AFTER_FAILURE_S: Final = 1.0
# A stop is noticed at least this often even if its wake-up is lost.
IDLE_WAIT_S: Final = 1.0

_NOTIFY: Final = f"NOTIFY {OUTBOX_CHANNEL}"

_log = structlog.get_logger(__name__)


class OutboxNotifier:
    """Called after every commit that appended events; sends at most one NOTIFY per interval and process."""

    def __init__(
        self, engine: sa.Engine, *, clock: Clock | None = None, min_interval_s: float = MIN_INTERVAL_S
    ) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._clock = clock or SystemClock()
        self._min_interval_s = min_interval_s
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._start_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.sent = 0

    def __call__(self) -> None:
        """Ask for a wake-up. Never blocks on the database and never raises: the commit has happened."""
        self._wanted.set()
        if self._thread is None:
            self._start()

    def close(self) -> None:
        """Stop the thread; a wake-up still wanted is sent first."""
        self._stopping.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _start(self) -> None:
        with self._start_lock:
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._loop, name="outbox-notifier", daemon=True)
                self._thread.start()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._engine.connect() as connection:
                    # Its own connection: kept open, and no longer one of the pool's places.
                    connection.detach()
                    self._notify_while_open(connection)
            except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
                _log.warning("outbox_notify_failed", error=type(error).__name__)
                self._clock.sleep(PAUSE_AFTER_FAILURE_S)

    def _notify_while_open(self, connection: sa.Connection) -> None:
        while True:
            if self._wanted.wait(IDLE_WAIT_S):
                # Cleared before the NOTIFY: a commit during it asks for another one.
                self._wanted.clear()
                execute(connection, _NOTIFY)
                self.sent += 1
            if self._stopping.is_set():
                return
            self._clock.sleep(self._min_interval_s)
