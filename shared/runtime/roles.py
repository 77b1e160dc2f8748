"""Ready-made loops: something done every few seconds until the process stops."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.kernel.clock import Clock, SystemClock
from shared.kernel.errors import CommitUnknown
from shared.runtime.edge import is_unavailable
from shared.runtime.logs import logger

BEAT_EVERY_S: Final = 5.0
_log = logger(__name__)


class PeriodicRole:
    """Calls ``action`` every ``every_s`` seconds; ``action`` returns True if there is more to do at once.

    An action that knows when it is needed next returns the seconds until then instead.

    A database that is unreachable, overloaded or does not say what became of a COMMIT is waited out (the action must be
    one that may simply run again); any other error ends the role, and with it the process.
    """

    def __init__(
        self, name: str, every_s: float, action: Callable[[], bool | float | None], clock: Clock | None = None
    ) -> None:
        self._name = name
        self._every_s = every_s
        self.action = action
        self._clock = clock or SystemClock()
        self._beat_s = 0.0
        self._rest_s = every_s

    @property
    def name(self) -> str:
        return self._name

    def heartbeat(self) -> float:
        return self._beat_s

    def beat(self) -> None:
        """Say in the middle of a long turn that it moves."""
        self._beat_s = self._clock.monotonic_s()

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            if not self.turn():
                self._rest(stop)

    def turn(self) -> bool:
        """Do it once; true if there is more to do at once."""
        self._beat_s = self._clock.monotonic_s()
        self._rest_s = self._every_s
        try:
            said = self.action()
        except (DBAPIError, PoolTimeout, CommitUnknown) as error:
            if not (isinstance(error, CommitUnknown) or is_unavailable(error)):
                raise
            # What the driver said: what SQLAlchemy says of it repeats the whole statement.
            said_why = error.orig if isinstance(error, DBAPIError) else error
            _log.warning("database_unavailable", role=self._name, error=str(said_why))
            return False
        if isinstance(said, bool) or said is None:
            return bool(said)
        self._rest_s = said
        return False

    def _rest(self, stop: threading.Event) -> None:
        """Wait for the next turn and keep beating: resting is not hanging."""
        until_s = self._clock.monotonic_s() + self._rest_s
        while not stop.is_set() and (left_s := until_s - self._clock.monotonic_s()) > 0:
            stop.wait(min(left_s, BEAT_EVERY_S))
            self._beat_s = self._clock.monotonic_s()
