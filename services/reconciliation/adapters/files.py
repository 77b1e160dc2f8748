"""Repository of files: their bytes in chunks, their life, and what is said of a file that could not be read."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any, BinaryIO, Final, cast

import sqlalchemy as sa

from services.reconciliation.adapters import tables
from services.reconciliation.domain.files import CHUNK_BYTES, FileState, Refusal, ReportFile, Staged

_COLUMNS: Final = ", ".join(tables.FILE)
_GET: Final = f"SELECT {_COLUMNS} FROM report_files WHERE file_id = %(file_id)s"
_FIND: Final = f"SELECT {_COLUMNS} FROM report_files WHERE source = %(source)s AND sha256 = %(sha256)s"
_ADD: Final = f"""
INSERT INTO report_files (file_id, source, sha256, name, byte_count, state, received_at, received_by, feed_sequence)
VALUES (%(file_id)s, %(source)s, %(sha256)s, %(name)s, %(byte_count)s, 'RECEIVED', %(now)s, %(by)s, %(feed_sequence)s)
ON CONFLICT (source, sha256) DO NOTHING RETURNING {_COLUMNS}
"""
# Pieces of one source come one after the other; the staging of its files holds nobody up here.
_FEED_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended('reconciliation feed ' || %(source)s, 0))"
_LAST_FED: Final = """
SELECT coalesce(max(feed_sequence), 0) FROM report_files WHERE source = %(source)s AND feed_sequence IS NOT NULL
"""
_KEEP: Final = b"COPY report_file_chunks (file_id, chunk_number, content) FROM STDIN (FORMAT BINARY)"
#: A statement has a time limit, and a file may have a thousand chunks: what is limited is how long so many take.
CHUNKS_PER_STATEMENT: Final = 16
_CHUNK: Final = """
SELECT content FROM report_file_chunks WHERE file_id = %(file_id)s AND chunk_number = %(number)s
"""
# Files of a source in the order in which they came, one at a time: a later one corrects an earlier one. Whoever stages
# or announces lines of a source holds its row.
_SOURCE: Final = """
SELECT s.source FROM sources AS s
  JOIN LATERAL (SELECT nth FROM report_files AS w WHERE w.source = s.source AND w.state = 'RECEIVED'
                 ORDER BY nth LIMIT 1) AS f ON true
 ORDER BY f.nth LIMIT 1 FOR NO KEY UPDATE OF s SKIP LOCKED
"""
_WAITING: Final = "SELECT count(*) FROM report_files WHERE source = %(source)s AND state = 'RECEIVED'"
# Asked once the source is held: what was seen while somebody else held it may be done by now.
_NEXT: Final = f"""
SELECT {_COLUMNS} FROM report_files WHERE source = %(source)s AND state = 'RECEIVED' ORDER BY nth LIMIT 1
"""
# Read again only after the source was declared otherwise: the same bytes read in the same way are refused again.
_REOPEN: Final = f"""
UPDATE report_files AS f
   SET state = 'RECEIVED', closed_at = NULL, refused_code = NULL, refused_field = NULL, refused_expected = NULL
  FROM sources AS s
 WHERE f.file_id = %(file_id)s AND f.state = 'REFUSED' AND s.source = f.source AND s.changed_at > f.closed_at
RETURNING {", ".join("f." + column for column in tables.FILE)}
"""
_STAGED: Final = """
UPDATE report_files SET state = 'STAGED', closed_at = %(now)s, line_count = %(lines)s,
       quarantined_count = %(quarantined)s, period_from = %(period_from)s, period_to = %(period_to)s
 WHERE file_id = %(file_id)s
"""
_REFUSED: Final = """
UPDATE report_files SET state = 'REFUSED', closed_at = %(now)s, refused_code = %(code)s, refused_field = %(field)s,
       refused_expected = %(expected)s
 WHERE file_id = %(file_id)s AND state = 'RECEIVED'
"""


class StoredFiles:
    """Files of one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def get(self, file_id: str) -> ReportFile | None:
        """One of them."""
        return self._one(_GET, {"file_id": file_id})

    def find(self, source: str, sha256: bytes) -> ReportFile | None:
        """The file with these bytes."""
        return self._one(_FIND, {"source": source, "sha256": sha256})

    def add(
        self,
        *,
        file_id: str,
        source: str,
        sha256: bytes,
        name: str,
        byte_count: int,
        received_by: str,
        feed_sequence: int | None = None,
    ) -> ReportFile | None:
        """Add it without its bytes yet; None where the source has it."""
        values = {
            "file_id": file_id,
            "source": source,
            "sha256": sha256,
            "name": name,
            "byte_count": byte_count,
            "now": self._now,
            "by": received_by,
            "feed_sequence": feed_sequence,
        }
        return self._one(_ADD, values)

    def take_feed(self, source: str) -> int:
        """Wait for the turn to feed the source, which ends with the transaction; the number of its last piece."""
        self._connection.exec_driver_sql(_FEED_TURN, {"source": source})
        return self.last_fed(source)

    def last_fed(self, source: str) -> int:
        """The number of the last piece of its feed; 0 before the first."""
        return int(self._connection.exec_driver_sql(_LAST_FED, {"source": source}).scalar_one())

    def keep(self, file_id: str, content: BinaryIO) -> None:
        """Store its bytes, chunk by chunk, some chunks a statement."""
        driver: Any = self._connection.connection.driver_connection
        number = 0
        while chunk := content.read(CHUNK_BYTES):
            with driver.cursor() as cursor, cursor.copy(_KEEP) as copy:
                copy.set_types(["text", "int4", "bytea"])
                for _ in range(CHUNKS_PER_STATEMENT):
                    copy.write_row((file_id, number, chunk))
                    number += 1
                    if number % CHUNKS_PER_STATEMENT == 0 or not (chunk := content.read(CHUNK_BYTES)):
                        break

    def waiting(self, source: str) -> int:
        """How many files and pieces of the source are not staged yet."""
        return int(self._connection.exec_driver_sql(_WAITING, {"source": source}).scalar_one())

    def next_waiting(self) -> ReportFile | None:
        """The first file of a source that nobody works at; its source is this transaction's until it ends."""
        source = self._connection.exec_driver_sql(_SOURCE).scalar_one_or_none()
        return None if source is None else self._one(_NEXT, {"source": source})

    def staged(self, file_id: str, found: Staged) -> None:
        """Close it as read."""
        values = {
            "file_id": file_id,
            "now": self._now,
            "lines": found.line_count,
            "quarantined": found.quarantined_count,
            "period_from": found.period_from,
            "period_to": found.period_to,
        }
        self._connection.exec_driver_sql(_STAGED, values)

    def refused(self, file_id: str, refusal: Refusal) -> None:
        """Close it as unreadable."""
        values = {
            "file_id": file_id,
            "now": self._now,
            "code": refusal.code,
            "field": refusal.field,
            "expected": refusal.expected,
        }
        self._connection.exec_driver_sql(_REFUSED, values)

    def chunk(self, file_id: str, number: int) -> bytes | None:
        """One piece of its bytes, from 0; None behind the last."""
        values = {"file_id": file_id, "number": number}
        found = self._connection.exec_driver_sql(_CHUNK, values).scalar_one_or_none()
        return None if found is None else bytes(found)

    def reopen(self, file_id: str) -> ReportFile | None:
        """Let a refused file be read again, where its source was declared otherwise since; None where it was not."""
        return self._one(_REOPEN, {"file_id": file_id})

    def content(self, file_id: str) -> BinaryIO:
        """Its bytes as they came, read chunk by chunk while this transaction lasts."""
        return cast("BinaryIO", io.BufferedReader(_Chunks(self, file_id), CHUNK_BYTES))

    def _one(self, query: str, values: dict[str, Any]) -> ReportFile | None:
        row = self._connection.exec_driver_sql(query, values).mappings().one_or_none()
        return None if row is None else file_from(row)


class _Chunks(io.RawIOBase):
    """The bytes of a kept file, one chunk in memory at a time."""

    def __init__(self, files: StoredFiles, file_id: str) -> None:
        self._files = files
        self._file_id = file_id
        self._number = 0
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._left:
            found = self._files.chunk(self._file_id, self._number)
            if found is None:
                return 0
            self._number += 1
            self._left = memoryview(found)
        target = memoryview(buffer).cast("B")
        size = min(len(target), len(self._left))
        target[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


def file_from(row: sa.RowMapping) -> ReportFile:
    """A row as a file."""
    refusal = None
    if row["refused_code"] is not None:
        refusal = Refusal(
            code=row["refused_code"], field=row["refused_field"], expected=row["refused_expected"]
        )
    return ReportFile(
        file_id=row["file_id"],
        source=row["source"],
        sha256=bytes(row["sha256"]).hex(),
        name=row["name"],
        byte_count=row["byte_count"],
        state=FileState(row["state"]),
        refusal=refusal,
        received_at=row["received_at"],
        received_by=row["received_by"],
        closed_at=row["closed_at"],
        period_from=row["period_from"],
        period_to=row["period_to"],
        line_count=row["line_count"],
        quarantined_count=row["quarantined_count"],
        feed_sequence=row["feed_sequence"],
    )


_LIST: Final = f"""
SELECT {_COLUMNS} FROM report_files
 WHERE (%(source)s::text IS NULL OR source = %(source)s) AND (%(state)s::text IS NULL OR state = %(state)s)
 ORDER BY nth DESC LIMIT %(limit)s
"""


def list_files(
    connection: sa.Connection, *, source: str | None, state: str | None, limit: int
) -> Sequence[ReportFile]:
    """Files, newest first."""
    values = {"source": source, "state": state, "limit": limit}
    return [file_from(row) for row in connection.exec_driver_sql(_LIST, values).mappings()]
