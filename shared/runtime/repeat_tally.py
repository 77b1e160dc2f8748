"""Counts requests under keys that were used before, in memory, and writes the counts once per second.

First requests cost nothing more, a repeat a dictionary entry. However often one key is repeated, each process updates
its row once per second, so no row becomes hot. A process that is killed loses what it counted since its last write.
"""

from __future__ import annotations

import threading
from typing import Any, Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.kernel.clock import Clock
from shared.kernel.errors import CommitUnknown
from shared.persistence.key_repeats import Mismatch, Repeat, Repeats, add_repeats
from shared.persistence.unit_of_work import Transactions
from shared.runtime.logs import logger
from shared.runtime.metric_names import IDEMPOTENCY_UNCOUNTED
from shared.runtime.metrics import counter
from shared.runtime.roles import PeriodicRole

WRITE_EVERY_S: Final = 1.0
KEYS_MAX: Final = 10_000
"""More different keys than a process can answer in a second: reached only where the database takes no writes."""
_log = logger(__name__)


class RepeatTally:
    """What one process has counted and not yet written; safe to use from any thread."""

    def __init__(self, transactions: Transactions[Any], *, keys_max: int = KEYS_MAX) -> None:
        self._transactions = transactions
        self._keys_max = keys_max
        self._lock = threading.Lock()
        self._noted: dict[str, Repeats] = {}

    def note(self, scope: str, repeat: Repeat, mismatch: Mismatch | None = None) -> None:
        """Count one request. Neither waits nor raises; beyond the cap it is counted as uncounted."""
        later = Repeats(mismatch=mismatch)
        later.counts[repeat] = 1
        with self._lock:
            self._add(scope, later)

    def write(self) -> None:
        """Write what was counted, in one statement; kept for the next time if the database surely did not take it."""
        with self._lock:
            noted, self._noted = self._noted, {}
        if not noted:
            return
        try:
            self._transactions.run(lambda uow: add_repeats(uow.connection, noted), name="count key repeats")
        except CommitUnknown:
            # Once or not at all: what may have been written is never written again.
            counter(IDEMPOTENCY_UNCOUNTED, amount=_sum(noted))
            _log.warning("key_repeats_in_doubt", keys=len(noted))
        except BaseException:
            self._take_back(noted)
            raise

    def close(self) -> None:
        """Write for the last time; a database that cannot be had does not stop a process from ending."""
        try:
            self.write()
        except (DBAPIError, PoolTimeout) as error:
            _log.warning("key_repeats_lost", keys=len(self._noted), error=str(error))

    def role(self, clock: Clock) -> PeriodicRole:
        """The loop that writes; it belongs to every process that serves HTTP."""
        return PeriodicRole("serve.key-repeats", WRITE_EVERY_S, self._write_if_it_can, clock)

    def _write_if_it_can(self) -> None:
        """A count is no reason to end a process that serves: what could not be written waits for the next time."""
        try:
            self.write()
        except (DBAPIError, PoolTimeout) as error:
            _log.warning("key_repeats_wait", keys=len(self._noted), error=str(error))

    def _take_back(self, earlier: dict[str, Repeats]) -> None:
        with self._lock:
            since, self._noted = self._noted, earlier
            for scope, later in since.items():
                self._add(scope, later)

    def _add(self, scope: str, later: Repeats) -> None:
        found = self._noted.get(scope)
        if found is not None:
            found.add(later)
        elif len(self._noted) < self._keys_max:
            self._noted[scope] = later
        else:
            counter(IDEMPOTENCY_UNCOUNTED, amount=later.counts.total())


def _sum(noted: dict[str, Repeats]) -> int:
    return sum(repeats.counts.total() for repeats in noted.values())
