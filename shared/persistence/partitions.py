"""The outbox's daily partitions: made ahead of time, archived to hashed files, dropped once that is proven.

Making partitions needs only the application's or the relay's role; archiving and dropping are the owner's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from shared.kernel.crash_points import crash_point
from shared.persistence.archive_files import ArchiveCorrupt, file_sha256, write_archive
from shared.persistence.retention import KEEP_DAYS

DAYS_AHEAD: Final = 7
DROP_LOCK_TIMEOUT: Final = "2s"
ROWS_BETWEEN_BEATS: Final = 1_000
_TURN: Final = "hashtext('outbox_archive')"

_COLUMNS: Final = (
    "position, created_on, shard, topic, key, stream_version, event_id, event_type, data_schema, source, "
    "subject, event_time, cause_id, traceparent, payload, payload_sha256, sent_at, sent_epoch"
)


class ArchiveRefused(Exception):  # noqa: N818  # what was answered
    """The partition may not be archived or dropped now; the message says why. Nothing was changed."""


class ArchiveBusy(ArchiveRefused):
    """Another process archives this outbox now."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One day of the outbox."""

    name: str
    day: date


@dataclass(frozen=True, slots=True)
class Archive:
    """One archived day, as its row states it."""

    partition_name: str
    file_name: str
    sha256: bytes
    rows: int
    first_position: int | None
    last_position: int | None


def create_ahead(engine: sa.Engine, *, today: date, days: int = DAYS_AHEAD) -> int:
    """Make the partitions of today and the days after; rows in the default one are brought home."""
    return make_partitions(
        engine, "SELECT outbox_create_partitions(%(today)s, %(days)s)", {"today": today, "days": days}
    )


def make_partitions(engine: sa.Engine, statement: str, values: Mapping[str, Any] | None = None) -> int:
    """Run a statement that makes what is missing, in a transaction that has nothing else in it; how many that were."""
    with engine.begin() as connection:
        return int(connection.exec_driver_sql(statement, values).scalar_one())


def list_partitions(connection: sa.Connection) -> Sequence[Partition]:
    """Return the daily partitions, oldest first."""
    names = connection.exec_driver_sql(
        "SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = 'outbox'::regclass AND c.relname ~ '^outbox_p[0-9]{8}$' ORDER BY c.relname"
    ).scalars()
    return [Partition(name, _day_of(name)) for name in names]


def _nothing() -> None:
    """Where nobody watches."""


def archive_due(
    owner: sa.Engine,
    folder: Path,
    *,
    today: date,
    keep_days: int = KEEP_DAYS,
    drop: bool = True,
    moved: Callable[[], None] = _nothing,
) -> list[Archive]:
    """Archive, and drop if wanted, every partition older than ``keep_days``; stops at the first refusal.

    One at a time: two would write the same file. ``moved`` is called now and then, and may end it by raising.
    """
    done = []
    with _turn(owner):
        with owner.connect() as connection:
            due = [p for p in list_partitions(connection) if p.day < today - timedelta(days=keep_days)]
        for partition in due:
            done.append(archive_partition(owner, partition, folder, today=today, moved=moved))
            if drop:
                drop_partition(owner, partition, folder)
    return done


@contextmanager
def _turn(owner: sa.Engine) -> Iterator[None]:
    """Held by a session and not by a transaction, which would be idle for as long as a day takes to be written."""
    with owner.connect() as holder:
        taken = holder.exec_driver_sql(f"SELECT pg_try_advisory_lock({_TURN})").scalar_one()
        holder.commit()
        if not taken:
            raise ArchiveBusy("another process archives this outbox now")
        try:
            yield
        finally:
            holder.exec_driver_sql(f"SELECT pg_advisory_unlock({_TURN})")
            holder.commit()


def archive_partition(
    owner: sa.Engine, partition: Partition, folder: Path, *, today: date, moved: Callable[[], None] = _nothing
) -> Archive:
    """Write the partition's rows to a hashed file and record it; a complete one is only verified again."""
    if partition.day >= today:
        raise ArchiveRefused(f"{partition.name} is still being written")
    with owner.connect() as connection:
        recorded = find_archive(connection, partition.name)
        if recorded is not None:
            verify_archive(recorded, folder)
            return recorded
        unsent = connection.exec_driver_sql(
            f"SELECT count(*) FROM {partition.name} WHERE sent_at IS NULL"
        ).scalar_one()
        if unsent:
            raise ArchiveRefused(f"{partition.name} holds {unsent} unsent rows")
        rows = connection.execution_options(stream_results=True, max_row_buffer=1000).exec_driver_sql(
            f"SELECT {_COLUMNS} FROM {partition.name} ORDER BY position"
        )
        with closing(rows):  # whoever ends it in the middle leaves no open cursor behind
            written = write_archive(folder / f"{partition.name}.jsonl.gz", _watched(rows, moved))
    crash_point("archive.after_file")
    archive = Archive(
        partition_name=partition.name,
        file_name=written.file_name,
        sha256=written.sha256,
        rows=written.rows,
        first_position=written.first_position,
        last_position=written.last_position,
    )
    _record(owner, archive)
    return archive


def _watched(rows: sa.CursorResult[Any], moved: Callable[[], None]) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(rows.mappings()):
        if number % ROWS_BETWEEN_BEATS == 0:
            moved()
        yield dict(row)


def drop_partition(owner: sa.Engine, partition: Partition, folder: Path) -> None:
    """Drop an archived partition after hashing its file again; SQL refuses lossy drops once more."""
    with owner.connect() as connection:
        archive = find_archive(connection, partition.name)
    if archive is None:
        raise ArchiveRefused(f"{partition.name} is not archived")
    verify_archive(archive, folder)
    crash_point("archive.before_drop")
    try:
        with owner.begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{DROP_LOCK_TIMEOUT}'")
            connection.exec_driver_sql("SELECT outbox_drop_partition(%(name)s)", {"name": partition.name})
    except sa.exc.IntegrityError as error:
        # restrict_violation: the function's own words say which rows would have been lost.
        raise ArchiveRefused(str(error.orig).partition("\n")[0]) from error
    crash_point("archive.after_drop")


def find_archive(connection: sa.Connection, partition_name: str) -> Archive | None:
    """Return what is recorded of a partition's archive."""
    row = connection.exec_driver_sql(
        "SELECT partition_name, file_name, sha256, rows, first_position, last_position"
        "  FROM outbox_archives WHERE partition_name = %(name)s",
        {"name": partition_name},
    ).one_or_none()
    return None if row is None else Archive(*row)


def list_archives(connection: sa.Connection) -> Sequence[Archive]:
    """Return every archive, oldest first; refill reads them in this order, then the outbox itself."""
    rows = connection.exec_driver_sql(
        "SELECT partition_name, file_name, sha256, rows, first_position, last_position"
        "  FROM outbox_archives ORDER BY partition_name"
    )
    return [Archive(*row) for row in rows]


def verify_archive(archive: Archive, folder: Path) -> None:
    """Hash the file again and compare; raises ``ArchiveCorrupt`` if it is missing or differs."""
    path = folder / archive.file_name
    if not path.exists():
        raise ArchiveCorrupt(f"{archive.file_name} is missing")
    if file_sha256(path) != archive.sha256:
        raise ArchiveCorrupt(f"{archive.file_name} differs from its recorded hash")


def _record(owner: sa.Engine, archive: Archive) -> None:
    with owner.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO outbox_archives"
            " (partition_name, file_name, sha256, rows, first_position, last_position)"
            " VALUES (%(name)s, %(file)s, %(sha256)s, %(rows)s, %(first)s, %(last)s)",
            {
                "name": archive.partition_name,
                "file": archive.file_name,
                "sha256": archive.sha256,
                "rows": archive.rows,
                "first": archive.first_position,
                "last": archive.last_position,
            },
        )


def _day_of(partition_name: str) -> date:
    digits = partition_name.removeprefix("outbox_p")
    return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
