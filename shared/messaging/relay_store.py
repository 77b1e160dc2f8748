"""The relay store owns the SQL of leases, unsent rows and marks, each statement a transaction of its own.

Rows are asked for by "not sent yet", never by "position above the last one seen": positions are handed out before
COMMIT, so a slow writer's row may appear below rows that were published long ago.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import psycopg
import sqlalchemy as sa
from psycopg import sql

from shared.persistence.arrays import integer_array
from shared.persistence.statements import execute
from shared.persistence.wire_statements import Answer, Row, bytes_of

_CLAIM: Final = """
INSERT INTO relay_leases AS l (shard, owner, epoch, expires_at)
VALUES (%(shard)s, %(owner)s, 1, clock_timestamp() + make_interval(secs => %(ttl_s)s))
ON CONFLICT (shard) DO UPDATE
   SET owner = excluded.owner, epoch = l.epoch + 1, expires_at = excluded.expires_at
 WHERE l.expires_at <= clock_timestamp()
RETURNING epoch
"""
_RENEW: Final = """
UPDATE relay_leases SET expires_at = clock_timestamp() + make_interval(secs => %(ttl_s)s)
 WHERE shard = %(shard)s AND owner = %(owner)s AND epoch = %(epoch)s
"""
_RELEASE: Final = """
UPDATE relay_leases SET expires_at = clock_timestamp()
 WHERE shard = %(shard)s AND owner = %(owner)s AND epoch = %(epoch)s
"""
_OUTBOX_COLUMNS: Final = (
    "position", "created_on", "topic", "key", "stream_version", "event_id", "event_type", "data_schema", "source",
    "subject", "event_time", "cause_id", "traceparent", "payload",
)  # fmt: skip
_UNSENT: Final = f"""
SELECT {", ".join(_OUTBOX_COLUMNS)}
  FROM outbox
 WHERE shard = %(shard)s AND sent_at IS NULL AND position <> ALL (%(in_flight)s::bigint[])
 ORDER BY position LIMIT %(limit)s
"""
_MARK: Final = """
UPDATE outbox o SET sent_at = clock_timestamp(), sent_epoch = l.epoch
  FROM relay_leases l
 WHERE l.shard = %(shard)s AND l.owner = %(owner)s AND l.epoch = %(epoch)s
   AND o.shard = l.shard AND o.created_on = %(created_on)s AND o.position = ANY (%(positions)s::bigint[])
   AND o.sent_at IS NULL
"""
_HELD: Final = (
    "SELECT 1 FROM relay_leases WHERE shard = %(shard)s AND owner = %(owner)s AND epoch = %(epoch)s"
)


class RelayStore:
    """One relay's session; autocommit, so that no transaction spans a call to the broker."""

    def __init__(self, engine: sa.Engine, *, owner_id: str) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._owner_id = owner_id
        self._connection: sa.Connection | None = None

    def claim(self, shard: int, ttl_s: float) -> int | None:
        """Take a shard whose lease ran out; return the new epoch, or None while somebody holds it."""
        rows = self._run(_CLAIM, {"shard": shard, "owner": self._owner_id, "ttl_s": ttl_s}).rows
        return int(str(rows[0][0])) if rows else None

    def renew(self, shard: int, epoch: int, ttl_s: float) -> bool:
        return self._run(_RENEW, {**self._lease(shard, epoch), "ttl_s": ttl_s}).affected == 1

    def release(self, shard: int, epoch: int) -> None:
        self._run(_RELEASE, self._lease(shard, epoch))

    def unsent(self, shard: int, in_flight: Collection[int], limit: int) -> Sequence[Mapping[str, Any]]:
        """Return unsent rows in position order, which is version order within a stream."""
        values = {"shard": shard, "in_flight": integer_array(in_flight), "limit": limit}
        return [_outbox_row(row) for row in self._run(_UNSENT, values).rows]

    def mark(self, shard: int, epoch: int, acknowledged: Mapping[date, Sequence[int]]) -> bool:
        """Mark acknowledged rows, if the lease is still ours; return whether it is."""
        for created_on, positions in sorted(acknowledged.items()):
            values = {
                **self._lease(shard, epoch),
                "created_on": created_on.isoformat(),
                "positions": integer_array(positions),
            }
            if self._run(_MARK, values).affected != len(positions) and not self._held(shard, epoch):
                return False
        return True

    def _held(self, shard: int, epoch: int) -> bool:
        return bool(self._run(_HELD, self._lease(shard, epoch)).rows)

    def _lease(self, shard: int, epoch: int) -> dict[str, Any]:
        return {"shard": shard, "owner": self._owner_id, "epoch": epoch}

    def _run(self, statement: str, values: Mapping[str, Any]) -> Answer:
        if self._connection is None:
            self._connection = self._engine.connect()
            # Left to itself the server plans each mark anew, over all days, which costs more than to carry it out.
            self._connection.exec_driver_sql("SET plan_cache_mode = force_generic_plan")
        return execute(self._connection, statement, values)

    def close(self) -> None:
        """Give the session back; the next call opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


def _outbox_row(texts: Row) -> dict[str, Any]:
    row: dict[str, Any] = dict(zip(_OUTBOX_COLUMNS, texts, strict=True))
    row["position"] = int(row["position"])
    row["created_on"] = date.fromisoformat(row["created_on"])
    row["event_time"] = datetime.fromisoformat(row["event_time"])
    row["payload"] = bytes_of(row["payload"])
    return row


class WakeUps:
    """Listens for the writers' coalesced NOTIFY. It only saves waiting: polling alone would be correct."""

    def __init__(self, url: sa.URL, channel: str) -> None:
        self._url = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._channel = channel
        self._session: psycopg.Connection | None = None

    def wait(self, timeout_s: float) -> bool:
        """Return on the first notification, or when the time is over; whether there was one."""
        return any(True for _ in self._listen().notifies(timeout=timeout_s, stop_after=1))

    def heard(self) -> bool:
        """Whether a notification came since the last one that was heard; does not wait."""
        return self.wait(0)

    def _listen(self) -> psycopg.Connection:
        if self._session is None:
            self._session = psycopg.connect(
                self._url, autocommit=True, application_name="relay-listen", connect_timeout=5
            )
            self._session.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
        return self._session

    def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()
