"""Runs the few statements of the hot path: prepared once per session, sent over libpq without a cursor between.

A statement costs the process about a fifth of what the cursor layers cost it, which a request with ten of them feels.
Everything else stays on SQLAlchemy: both may be mixed inside one transaction, and errors are SQLAlchemy's in both.

A statement whose answer is only checked can wait for company (:func:`execute_later`): it goes out with the next one, in
one round trip and in the order of the calls. BEGIN travels in the same way. Nothing queued is ever left out: the next
statement of either kind sends it first, and so does COMMIT.
"""

from __future__ import annotations

import itertools
import select
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import psycopg
import sqlalchemy as sa
from psycopg import pq
from sqlalchemy.pool import PoolProxiedConnection

from shared.persistence.wire_statements import Answer, Parameters, answer_of, compiled, encoded

# Where a session keeps what it has prepared: SQLAlchemy ties this mapping to the life of the connection.
_PREPARED: Final = "tieout_prepared"
# Statements of the session's transaction that have not been sent yet.
_QUEUED: Final = "tieout_queued"
_DONE: Final = frozenset({pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK})
_IDLE: Final = pq.TransactionStatus.IDLE
_numbers: Final = itertools.count()

Check: TypeAlias = Callable[[Answer], object]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A statement with its values as they are sent, and what has to be said of its answer."""

    sql: str
    parameters: Parameters
    compiled: bytes
    values: list[Any]
    formats: list[int]
    checks: list[Check]


def execute(connection: sa.Connection, sql: str, parameters: Parameters = ()) -> Answer:
    """Run one statement, written as for ``exec_driver_sql``, in the connection's transaction or its autocommit.

    Takes text, bytes, numbers, truth values, times and None; each placeholder's type is what the SQL makes of it.
    """
    _tell(connection, sql, parameters)
    return _Session(connection.connection, connection).execute(sql, parameters)


def execute_later(connection: sa.Connection, sql: str, parameters: Parameters, check: Check) -> None:
    """Send one statement together with the next; ``check`` sees its answer then, and may raise to refuse it.

    For transactions of :class:`~shared.persistence.unit_of_work.Transactions`, which sends what is left before COMMIT.
    """
    _tell(connection, sql, parameters)
    _Session(connection.connection, connection).queue(sql, parameters, check)


def ask_later(connection: sa.Connection, sql: str, parameters: Parameters, check: Check) -> None:
    """As :func:`execute_later`, for a query: asked once, however many ask the same before it is sent.

    Only for what the transaction's own queued writes cannot change.
    """
    session = _Session(connection.connection, connection)
    if not session.asks_already(sql, parameters, check):
        _tell(connection, sql, parameters)
        session.queue(sql, parameters, check)


def send_queued(connection: sa.Connection) -> None:
    """Send what waits for company now; its checks have passed when this returns."""
    if connection.connection.info.get(_QUEUED):
        _Session(connection.connection, connection).send()


def send_queued_first(engine: sa.Engine) -> None:
    """Keep the order of calls where SQLAlchemy's statements follow queued ones on this engine's connections."""

    @sa.event.listens_for(engine, "before_cursor_execute")
    def _first(connection: sa.Connection, cursor: Any, *_: Any) -> None:
        if cursor is not None:
            send_queued(connection)


def roll_back_ourselves(engine: sa.Engine) -> None:
    """Spare the sessions of this engine the driver's way to roll back, which forgets what is prepared, ours included.

    Reading ends so as well: a connection that is given back without COMMIT.
    """

    @sa.event.listens_for(engine, "rollback")
    def _first(connection: sa.Connection) -> None:
        roll_back(connection)


def _tell(connection: sa.Connection, sql: str, parameters: Parameters) -> None:
    # Whoever listens to the engine's statements hears of these too; there is no cursor to show.
    for tell in connection.dispatch.before_cursor_execute:
        tell(connection, None, sql, parameters, None, False)


def execute_alone(engine: sa.Engine, sql: str, parameters: Parameters = ()) -> Answer:
    """Run one statement on a pooled session of an autocommit engine: one round trip and nothing around it."""
    try:
        pooled = engine.raw_connection()
    except psycopg.Error as error:  # the pool hands it on as the driver raised it
        raise _as_driver_error(sql, error, gone=True) from error
    try:
        return _Session(pooled, pooled).execute(sql, parameters)
    finally:
        pooled.close()


def commit(connection: sa.Connection) -> None:
    """Commit what ran on the connection, whichever way it ran; an aborted transaction is an error, not a success."""
    _Session(connection.connection, connection).commit()


def roll_back(connection: sa.Connection) -> None:
    """End the transaction without effect. The driver's own way would also forget every prepared statement."""
    # A session that was given up (invalidated, or closed after it was taken out of the pool) has no transaction left.
    if not connection.invalidated and connection.connection.driver_connection is not None:
        _Session(connection.connection, connection).roll_back()


class _Session:
    """One session of the pool; ``owner`` is told when it turns out to be gone."""

    __slots__ = ("_driver", "_libpq", "_owner", "_prepared", "_queued")

    def __init__(self, pooled: PoolProxiedConnection, owner: sa.Connection | PoolProxiedConnection) -> None:
        # Of psycopg this is the driver's own connection, and it is there after a detach as well.
        driver: Any = pooled.dbapi_connection
        self._driver = driver
        self._libpq: pq.abc.PGconn = driver.pgconn
        self._prepared: dict[str, bytes] = pooled.info.setdefault(_PREPARED, {})
        self._queued: list[_Ready] = pooled.info.setdefault(_QUEUED, [])
        self._owner = owner

    def execute(self, sql: str, parameters: Parameters) -> Answer:
        self.queue(sql, parameters)
        return self.send()

    def queue(self, sql: str, parameters: Parameters, *checks: Check) -> None:
        statement = compiled(sql)
        values, formats = encoded(statement, parameters)
        self._queued.append(_Ready(sql, parameters, statement.sql, values, formats, list(checks)))

    def asks_already(self, sql: str, parameters: Parameters, check: Check) -> bool:
        """Whether the same is waiting to be asked, whose answer ``check`` will see as well."""
        for ready in self._queued:
            if ready.sql == sql and ready.parameters == parameters:
                ready.checks.append(check)
                return True
        return False

    def send(self) -> Answer:
        """Send all that is queued and return the last answer, every check having passed."""
        sending = self._queued[:]
        self._queued.clear()
        begins = self._libpq.transaction_status == _IDLE and not self._driver.autocommit
        try:
            results = (
                self._together(sending, begins) if begins or len(sending) > 1 else [self._alone(sending[0])]
            )
        except psycopg.Error as error:
            raise self._failed(sending[-1].sql, error) from error
        answer = Answer([], 0)
        for ready, result in zip(sending, results, strict=True):
            if result.status not in _DONE:
                raise self._failed(ready.sql, psycopg.errors.error_from_result(result))
            answer = answer_of(result)
            for check in ready.checks:
                check(answer)
        return answer

    def _alone(self, ready: _Ready) -> pq.abc.PGresult:
        name = self._prepared.get(ready.sql)
        if name is None:
            name = _new_name()
            self._check(self._libpq.prepare(name, ready.compiled))
            self._prepared[ready.sql] = name
        return self._libpq.exec_prepared(name, ready.values, ready.formats)

    def _together(self, sending: list[_Ready], begins: bool) -> list[pq.abc.PGresult]:
        """One round trip; the first failure keeps the server from looking at what follows it.

        Returns a result per statement: its answer, or why it, its preparation or the BEGIN before it failed.
        """
        libpq = self._libpq
        fresh: dict[str, bytes] = {}
        steps: list[int] = []  # which statement each result belongs to
        try:
            libpq.enter_pipeline_mode()
            if begins:
                libpq.send_query_params(self._begin(), None)
                steps.append(0)
            for number, ready in enumerate(sending):
                name = self._prepared.get(ready.sql) or fresh.get(ready.sql)
                if name is None:
                    name = fresh[ready.sql] = _new_name()
                    libpq.send_prepare(name, ready.compiled)
                    steps.append(number)
                libpq.send_query_prepared(name, ready.values, ready.formats)
                steps.append(number)
            libpq.pipeline_sync()
            results = _received(libpq, len(steps))
            libpq.exit_pipeline_mode()
        except BaseException:
            libpq.finish()  # what was sent and what was not is unknown: nobody may use the session again
            raise
        answers: dict[int, pq.abc.PGresult] = {}
        for number, result in zip(steps, results, strict=True):
            if number not in answers or answers[number].status in _DONE:
                answers[number] = result
        if all(answer.status in _DONE for answer in answers.values()):
            self._prepared.update(fresh)
        return list(answers.values())

    def commit(self) -> None:
        if self._queued:
            self.send()
        if self._libpq.transaction_status == _IDLE:
            return
        try:
            result = self._libpq.exec_(b"COMMIT")
            self._check(result)
            if result.command_status != b"COMMIT":
                raise psycopg.errors.InFailedSqlTransaction("COMMIT rolled an aborted transaction back")
        except psycopg.Error as error:
            raise self._failed("COMMIT", error) from error

    def roll_back(self) -> None:
        self._queued.clear()
        if self._libpq.transaction_status in {_IDLE, pq.TransactionStatus.UNKNOWN}:
            return
        try:
            self._check(self._libpq.exec_(b"ROLLBACK"))
        except psycopg.Error as error:
            self._failed("ROLLBACK", error)

    def _begin(self) -> bytes:
        """As the driver would begin: isolation comes from the session, unless it was set on the connection."""
        isolation = self._driver.isolation_level
        words = ["BEGIN"]
        if isolation is not None:
            words.append("ISOLATION LEVEL " + isolation.name.replace("_", " "))
        if self._driver.read_only is not None:
            words.append("READ ONLY" if self._driver.read_only else "READ WRITE")
        return " ".join(words).encode()

    def _check(self, result: pq.abc.PGresult) -> None:
        if result.status not in _DONE:
            raise psycopg.errors.error_from_result(result)

    def _failed(self, sql: str, error: psycopg.Error) -> Exception:
        """What SQLAlchemy would have raised; a session that is gone leaves the pool, as it does there."""
        # The server may have forgotten a statement, or have planned it for a table that has changed since.
        self._prepared.clear()
        gone = self._libpq.status != pq.ConnStatus.OK
        if gone:
            self._owner.invalidate(error)
            if error.sqlstate is None and not isinstance(error, psycopg.OperationalError):
                # A result without a code says nothing of its kind: the server went away before it answered.
                error = psycopg.OperationalError(*error.args)
        return _as_driver_error(sql, error, gone=gone)


def _as_driver_error(sql: str, error: psycopg.Error, *, gone: bool) -> Exception:
    return sa.exc.DBAPIError.instance(
        sql, None, error, psycopg.Error, hide_parameters=True, connection_invalidated=gone
    )


def _new_name() -> bytes:
    # Never a name twice: what was forgotten here may still be there.
    return b"tieout_%d" % next(_numbers)


def _received(libpq: pq.abc.PGconn, count: int) -> list[pq.abc.PGresult]:
    """Wait for that many results and the end of the pipeline, without the interpreter's lock."""
    waiting = select.poll()
    waiting.register(libpq.socket, select.POLLIN | select.POLLOUT)
    while libpq.flush():  # our statements are small, but a server that is busy answering may not be reading
        waiting.poll()
        libpq.consume_input()
    waiting.modify(libpq.socket, select.POLLIN)
    results: list[pq.abc.PGresult] = []
    while True:
        while libpq.is_busy():
            waiting.poll()
            libpq.consume_input()
        result = libpq.get_result()
        if result is None:
            if libpq.status != pq.ConnStatus.OK:
                raise psycopg.OperationalError("the session ended in the middle of its answers")
        elif result.status == pq.ExecStatus.PIPELINE_SYNC:
            return results
        elif len(results) < count:
            results.append(result)
        else:
            raise psycopg.errors.error_from_result(result)
