"""Owns the asynchronous connections to the sandbox's database: few, kept open, one statement per transaction.

Every statement runs in autocommit mode and is a transaction of its own, so there is nothing to commit and
nothing is ever left open. That is what keeps the processor's cost per request below ours.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
from psycopg.rows import TupleRow, tuple_row

PREPARE_AFTER: Final = 1  # The statements are few and always the same.
STATEMENT_TIMEOUT_MS: Final = 10_000
LOCK_TIMEOUT_MS: Final = 5_000
CONNECT_TIMEOUT_S: Final = 5
OPTIONS: Final = (
    r"-c default_transaction_isolation=read\ committed -c timezone=UTC"
    f" -c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS}"
    # One-row statements: compiling them costs more than running them.
    " -c jit=off -c plan_cache_mode=force_generic_plan"
)

Connection = psycopg.AsyncConnection[TupleRow]


class Connections:
    """Connections of one event loop. A broken one is thrown away; the next caller opens another."""

    def __init__(self, url: str, *, application_name: str, size: int) -> None:
        self._url = url.replace("postgresql+psycopg://", "postgresql://", 1)
        self._application_name = application_name
        self._size = size
        self._free: list[Connection] = []
        self._slots: asyncio.Semaphore | None = None

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        if self._slots is None:
            self._slots = asyncio.Semaphore(self._size)
        async with self._slots:
            connection = self._free.pop() if self._free else await self._open()
            try:
                yield connection
            finally:
                if connection.closed or connection.broken:
                    await connection.close()
                else:
                    self._free.append(connection)

    async def fetch(self, statement: str, parameters: dict[str, Any]) -> list[TupleRow]:
        """Run one statement as one transaction and return its rows."""
        async with self._connection() as connection:
            cursor = await connection.execute(statement.encode(), parameters)
            return await cursor.fetchall() if cursor.description is not None else []

    async def close(self) -> None:
        while self._free:
            await self._free.pop().close()

    async def _open(self) -> Connection:
        return await psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,
            prepare_threshold=PREPARE_AFTER,
            row_factory=tuple_row,
            application_name=self._application_name,
            connect_timeout=CONNECT_TIMEOUT_S,
            options=OPTIONS,
        )
