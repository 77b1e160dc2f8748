"""Files as they come in: kept byte for byte under their hash, then staged or refused, once and for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

CHUNK_BYTES: Final = 262_144
NAME_CHARS_MAX: Final = 255


class FileState(StrEnum):
    """How far a file has come."""

    RECEIVED = "RECEIVED"
    STAGED = "STAGED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a file as a whole was not read."""

    code: str
    field: str
    expected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFile:
    """A file with its life; the period is that of its lines."""

    file_id: str
    source: str
    sha256: str
    """In hexadecimal digits."""
    name: str
    byte_count: int
    state: FileState
    refusal: Refusal | None
    received_at: datetime
    received_by: str
    closed_at: datetime | None
    period_from: datetime | None
    period_to: datetime | None
    line_count: int | None
    quarantined_count: int | None
    feed_sequence: int | None = None
    """Which piece of the source's feed it is; None of one that came as a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InDoubt:
    """What stands of the question whether a file holds."""

    is_overtaken: bool
    """Every statement of it is older, by the bank's own times, than one that is here: nothing of it could stand."""
    is_contradicted: bool
    """It contradicts another file, or another one contradicts it."""
    is_decided: bool
    """Two people accepted that a later file holds, or the second of them is asked to."""
    is_outdated: bool
    """What came since it was asked for contradicts what it says, or what others said of the same."""


class PreferenceState(StrEnum):
    """What became of a wish that a file holds."""

    WAITING = "WAITING"
    DONE = "DONE"
    REFUSED = "REFUSED"
    FAILED = "FAILED"
    """Tried as often as it is worth, and stopped each time by an error that is not the file's; it may be asked anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """A person's wish that a file holds over those that contradict it, and what became of it."""

    nth: int
    source: str
    file_id: str
    after_file_id: str
    """The last file of the source that was staged when it was asked for."""
    asked_by: str
    reason: str
    asked_at: datetime
    state: PreferenceState
    ended_at: datetime | None
    refused_code: str | None
    refused: str | None
    """Why it was refused, or failed."""
    tries: int
    """How often it failed so far."""
    next_try_at: datetime | None
    """Not before; None where it may be done now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """What staging found in a file."""

    line_count: int
    quarantined_count: int
    period_from: datetime | None
    period_to: datetime | None


class FileRefused(Exception):  # noqa: N818 - what happened to the file, told to whoever staged it
    """The file cannot be read as its source's format; nothing of it is staged."""

    def __init__(self, file_id: str, refusal: Refusal) -> None:
        super().__init__(f"{file_id}: {refusal.code}: {refusal.field}: expected {refusal.expected}")
        self.file_id, self.refusal = file_id, refusal
