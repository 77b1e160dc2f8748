"""Reads an import file: JSON lines, each checked for its types as it is decoded, with the digest of what was read.

The file is read twice, to be checked and to be booked. What is read the second time is held against the digests of the
first: a file that somebody changes meanwhile is refused before the changed part is booked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec

from services.ledger.app.import_journals import Read
from services.ledger.domain.imports import LineRefused
from shared.kernel.errors import Rejected
from shared.runtime.card_numbers import RAW_SUSPICION, has_card_number

LINE_BYTES_MAX: Final = 262_144

_PATH: Final = re.compile(r" - at `(?:\$\.?)?(.*)`$")
_UNKNOWN: Final = re.compile(r"unknown field `([^`]*)`")
_MISSING: Final = re.compile(r"missing required field `([^`]*)`")


class EntryOnFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One entry as a line writes it."""

    family: str
    owner: str
    currency: str
    scale: int
    side: str
    amount_minor: int
    clearing_key: str | None = None


class LineOnFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One line: a journal of the other ledger."""

    version: int
    source: str
    id: str
    effective_at: Annotated[datetime, msgspec.Meta(tz=True)]
    entries: tuple[EntryOnFile, ...]


_DECODER: Final = msgspec.json.Decoder(LineOnFile)


def decoded(raw: bytes, *, known: bool = False) -> LineOnFile | LineRefused:
    """What a line says, or the first reason why it says nothing. A ``known`` one is not searched for cards again."""
    if len(raw) > LINE_BYTES_MAX:
        return LineRefused("line_too_long", "", f"more than {LINE_BYTES_MAX} bytes")
    try:
        line = _DECODER.decode(raw)
    except msgspec.ValidationError as error:
        return _refusal(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return LineRefused("malformed", "", str(error)[:200])
    if not known and RAW_SUSPICION.search(raw) and any(has_card_number(text) for text in _texts(line)):
        return LineRefused("card_number", "", "holds digits that may be a card's")
    return line


class ImportFile:
    """One file, read in batches of lines. ``sha256`` is of all that was read so far."""

    def __init__(self, path: Path, batch_lines: int) -> None:
        self.name = path.name
        self._path = path
        self._batch_lines = batch_lines
        self._digests: list[bytes] = []

    @property
    def sha256(self) -> bytes:
        """The digest of the whole file; known once it was read to its end."""
        return self._digests[-1]

    def first_time(self) -> Iterator[list[Read]]:
        """Read it all and keep the digest of each batch's end."""
        self._digests = []
        for batch, digest in self._batches(known=False):
            self._digests.append(digest)
            yield batch
        if not self._digests:
            raise Rejected("file_empty", f"{self.name} has no line.", stored=False)

    def second_time(self) -> Iterator[list[Read]]:
        """Read it again; refuses a batch that is not what was read the first time."""
        expected = iter(self._digests)
        for batch, digest in self._batches(known=True):  # if it is not, the digest says so
            if next(expected, None) != digest:
                raise self._changed()
            yield batch
        if next(expected, None) is not None:
            raise self._changed()

    def _changed(self) -> Rejected:
        text = f"{self.name} was changed while it was imported; give it again."
        return Rejected("file_changed", text, stored=False)

    def _batches(self, *, known: bool) -> Iterator[tuple[list[Read], bytes]]:
        digest = hashlib.sha256()
        batch: list[Read] = []
        with self._path.open("rb") as file:
            number = 0
            while raw := file.readline(LINE_BYTES_MAX + 2):
                digest.update(raw)
                number += 1
                too_long = len(raw) > LINE_BYTES_MAX and not raw.endswith(b"\n")
                while too_long and not raw.endswith(b"\n") and (more := file.readline(LINE_BYTES_MAX)):
                    digest.update(more)
                    raw = raw[:1] * (LINE_BYTES_MAX + 1) + more[-1:]
                batch.append((number, decoded(raw.rstrip(b"\r\n"), known=known)))
                if len(batch) == self._batch_lines:
                    yield batch, digest.digest()
                    batch = []
        if batch:
            yield batch, digest.digest()


def _refusal(message: str) -> LineRefused:
    found = _PATH.search(message)
    at = found[1] if found else ""
    words = message[: found.start()] if found else message
    for pattern, code in ((_UNKNOWN, "unknown_field"), (_MISSING, "missing_field")):
        if (named := pattern.search(words)) is not None:
            return LineRefused(code, f"{at}.{named[1]}" if at else named[1], words)
    return LineRefused("wrong_type", at, words)


def _texts(line: LineOnFile) -> Iterator[str]:
    yield line.source
    yield line.id
    for entry in line.entries:
        yield entry.owner
        yield entry.clearing_key or ""
