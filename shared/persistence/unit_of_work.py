"""One request or message, one transaction: the only commit in the code base, with retry and its doubt."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextvars import Context
from datetime import datetime
from typing import Final, Generic, TypeAlias, TypeVar

import sqlalchemy as sa

from schemas import catalogue
from shared.kernel.clock import Clock
from shared.kernel.crash_points import crash_point
from shared.kernel.errors import InvariantViolation
from shared.kernel.ids import Ids
from shared.kernel.jitter import Jitter
from shared.persistence.commit_lookup import CommitLookup, is_transient, session_is_gone
from shared.persistence.key_batch import KeyBatch
from shared.persistence.outbox import Encode, Outbox
from shared.persistence.statements import commit, execute, roll_back, send_queued

MAX_TRIES: Final = 6
BACKOFF_BASE_S: Final = 0.02
BACKOFF_CAP_S: Final = 1.0

_OWN_ID: Final = "SELECT pg_current_xact_id_if_assigned()::text"

T = TypeVar("T")


class UnitOfWork:
    """What a handler may touch in one transaction. Services add their repositories in a subclass."""

    def __init__(self, connection: sa.Connection, outbox: Outbox, now: datetime, ids: Ids) -> None:
        self.connection = connection
        self.outbox = outbox
        self.now = now
        self.ids = ids
        self.keys = KeyBatch(connection)

    def flush(self) -> None:
        """Write out what the repositories hold back, set-based. Called once, before the outbox is written."""

    def committed(self) -> None:
        """Called once its COMMIT is certain, and only then: the place to count facts. Must neither raise nor wait."""


U = TypeVar("U", bound=UnitOfWork)

Steps: TypeAlias = Generator[None, None, T]
"""Work in two steps: up to the ``yield`` it only queues statements, after it their answers are there."""


def in_steps(uow: UnitOfWork, works: Sequence[tuple[Context, Steps[T]]]) -> list[T]:
    """Let all take their first step, send what they queued in one round trip, and let all finish, in order.

    Each runs in its own context: what it announces carries its own trace.
    """
    for context, steps in works:
        context.run(next, steps)
    uow.keys.ask()
    send_queued(uow.connection)
    return [context.run(_end_of, steps) for context, steps in works]


def _end_of(steps: Steps[T]) -> T:
    try:
        next(steps)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise InvariantViolation("two_steps", "work in steps has exactly one yield")


class Transactions(Generic[U]):
    """Runs units of work. ``build`` is usually the service's own ``UnitOfWork`` subclass."""

    def __init__(
        self,
        engine: sa.Engine,
        build: Callable[[sa.Connection, Outbox, datetime, Ids], U],
        *,
        source: str,
        clock: Clock,
        ids: Ids,
        jitter: Jitter | None = None,
        on_commit: Callable[[], None] | None = None,
        shards: int = 1,
        encode: Encode = catalogue.encode,
    ) -> None:
        self.engine = engine
        self._reading = engine.execution_options(postgresql_readonly=True)
        self._build = build
        self._source = source
        self._clock = clock
        self._ids = ids
        self._jitter = jitter or Jitter()
        self._on_commit = on_commit
        self._shards = shards
        self._encode = encode
        self._lookup = CommitLookup(engine, clock)

    def run(self, work: Callable[[U], T], *, name: str) -> T:
        """Run ``work`` in one transaction, commit it, and return its result once COMMIT is certain.

        ``work`` may run several times and must not reach outside the database; its exception rolls back.
        ``name`` says what runs, for errors. Raises ``CommitUnknown`` if the connection died at COMMIT and the
        outcome could not be learned in time.
        """
        tries = 0
        while True:
            tries += 1
            try:
                return self._once(work, name)
            except sa.exc.DBAPIError as error:
                # A lost COMMIT comes here only after the server said that it was rolled back.
                if tries >= MAX_TRIES or not is_transient(error):
                    raise
            self._clock.sleep(self._jitter.backoff(tries, base_s=BACKOFF_BASE_S, cap_s=BACKOFF_CAP_S))

    def read(self, work: Callable[[U], T], *, name: str) -> T:
        """Run ``work`` in a transaction that the database keeps read-only, and end it without COMMIT."""
        with self._reading.connect() as connection:
            try:
                uow = self._new_unit(connection)
                result = work(uow)
                if uow.outbox.pending:
                    raise InvariantViolation("read_only", f"{name} appended events while reading")
                return result
            finally:
                roll_back(connection)

    def _once(self, work: Callable[[U], T], name: str) -> T:
        with self.engine.connect() as connection:
            try:
                uow = self._new_unit(connection)
                result = work(uow)
                crash_point("unit_of_work.before_flush")
                uow.flush()
                uow.keys.flush()
                transaction_id = uow.outbox.flush()
                announce = transaction_id is not None
                if transaction_id is None:
                    transaction_id = execute(connection, _OWN_ID).rows[0][0]
            except BaseException:
                roll_back(connection)
                raise
            crash_point("unit_of_work.before_commit")
            try:
                commit(connection)
            except sa.exc.DBAPIError as error:
                # Without an id nothing was written: there is nothing to be in doubt about.
                if not session_is_gone(error) or transaction_id is None:
                    raise
                if not self._lookup.was_committed(transaction_id, name):
                    raise
        crash_point("unit_of_work.after_commit")
        uow.committed()
        if announce and self._on_commit is not None:
            self._on_commit()
        return result

    def _new_unit(self, connection: sa.Connection) -> U:
        now = self._clock.now()
        outbox = Outbox(
            connection,
            source=self._source,
            now=now,
            ids=self._ids,
            shards=self._shards,
            encode=self._encode,
        )
        return self._build(connection, outbox, now, self._ids)
