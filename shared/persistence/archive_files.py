"""Archive files: one day of outbox rows as gzip JSON lines, complete on disk or not there at all."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import orjson

_CHUNK_BYTES: Final = 1 << 20
_BYTES_COLUMNS: Final = ("payload", "payload_sha256")


class ArchiveCorrupt(Exception):  # noqa: N818  # a state of the file
    """The file is missing, differs from its recorded hash, or a row in it differs from its own."""


@dataclass(frozen=True, slots=True)
class WrittenArchive:
    """What a finished file holds."""

    file_name: str
    sha256: bytes
    rows: int
    first_position: int | None
    last_position: int | None


def write_archive(path: Path, rows: Iterable[Mapping[str, Any]]) -> WrittenArchive:
    """Write every column of every row, in the order given; the file appears only when whole and on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    count, first, last = 0, None, None
    with partial.open("wb") as raw:
        # No name and no time in the header: the same rows give the same bytes, and so the same hash.
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
            for row in rows:
                packed.write(orjson.dumps(_plain(row), option=orjson.OPT_APPEND_NEWLINE))
                last = int(row["position"])
                first = last if first is None else first
                count += 1
        raw.flush()
        os.fsync(raw.fileno())
    partial.replace(path)
    _sync_folder(path.parent)
    return WrittenArchive(path.name, file_sha256(path), count, first, last)


def read_archive(path: Path, *, sha256: bytes) -> Iterator[dict[str, Any]]:
    """Yield the rows with bytes and times restored; the file and each payload are held to their hashes."""
    if not path.exists() or file_sha256(path) != sha256:
        raise ArchiveCorrupt(f"{path.name} is missing or differs from its recorded hash")
    with gzip.open(path, "rb") as packed:
        for line in packed:
            row: dict[str, Any] = orjson.loads(line)
            for column in _BYTES_COLUMNS:
                row[column] = base64.b64decode(row[column])
            row["created_on"] = date.fromisoformat(row["created_on"])
            for column in ("event_time", "sent_at"):
                row[column] = datetime.fromisoformat(row[column])
            if hashlib.sha256(row["payload"]).digest() != row["payload_sha256"]:
                raise ArchiveCorrupt(f"{path.name}: {row['event_id']} differs from its hash")
            yield row


def file_sha256(path: Path) -> bytes:
    """Return the SHA-256 of the file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.digest()


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    plain = dict(row)
    for column in _BYTES_COLUMNS:
        plain[column] = base64.b64encode(plain[column]).decode("ascii")
    return plain


def _sync_folder(folder: Path) -> None:
    # The rename itself must survive a power cut before the row that names the file is written.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
