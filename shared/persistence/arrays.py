"""PostgreSQL arrays, written as fast as Python can: batches hand whole columns to one statement.

The driver dumps an array element by element, at ten times the price. Times and bytes are cheaper still in binary, which
neither side has to spell: only :mod:`shared.persistence.statements` sends that.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.kernel.errors import InvariantViolation

# Numbers that PostgreSQL never changes: of its built-in types, and of the day that it counts times from.
_BYTEA: Final = 17
_TIMESTAMPTZ: Final = 1184
_TIMES_FROM: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_TIME_BYTES: Final = 8


def text_array(values: Sequence[str]) -> str:
    """Return the literal of a ``text[]``."""
    if not values:
        return "{}"
    joined = "\x00".join(values)
    if joined.count("\x00") != len(values) - 1:
        raise InvariantViolation("text_without_nul", "a text for the database holds a NUL")
    if "\\" in joined or '"' in joined:
        joined = joined.replace("\\", r"\\").replace('"', r"\"")
    return '{"' + joined.replace("\x00", '","') + '"}'


def optional_text_array(values: Sequence[str | None]) -> str:
    """Return the literal of a ``text[]``, None being NULL."""
    if None not in values:
        return text_array([value for value in values if value is not None])
    joined = "".join([value for value in values if value is not None])
    if "\x00" in joined:
        raise InvariantViolation("text_without_nul", "a text for the database holds a NUL")
    if "\\" in joined or '"' in joined:
        values = [value and value.replace("\\", r"\\").replace('"', r"\"") for value in values]
    return "{" + ",".join(["NULL" if value is None else f'"{value}"' for value in values]) + "}"


def integer_array(values: Iterable[int | None]) -> str:
    """Return the literal of an array of integers, None being NULL."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def time_array(values: Iterable[datetime]) -> str:
    """Return the literal of a ``timestamptz[]``; the times are aware."""
    return "{" + ",".join([value.isoformat() for value in values]) + "}"


def bytes_array(values: Iterable[bytes]) -> str:
    """Return the literal of a ``bytea[]``."""
    return "{" + ",".join([f'"\\\\x{value.hex()}"' for value in values]) + "}"


def optional_bytes_array(values: Iterable[bytes | None]) -> str:
    """Return the literal of a ``bytea[]``, None being NULL."""
    return "{" + ",".join(["NULL" if value is None else f'"\\\\x{value.hex()}"' for value in values]) + "}"


def binary_time_array(values: Sequence[datetime]) -> bytes:
    """Return a binary ``timestamptz[]``; the times are aware."""
    parts = [_TIME_BYTES] * (2 * len(values))
    parts[1::2] = [(value - _TIMES_FROM) // _MICROSECOND for value in values]
    return _head(_TIMESTAMPTZ, len(values)) + struct.pack(">" + "iq" * len(values), *parts)


def binary_bytes_array(values: Sequence[bytes]) -> bytes:
    """Return a binary ``bytea[]``."""
    parts = [b""] * (2 * len(values))
    parts[::2] = [len(value).to_bytes(4) for value in values]
    parts[1::2] = values
    return _head(_BYTEA, len(values)) + b"".join(parts)


def _head(element: int, count: int) -> bytes:
    """Dimensions, whether there are NULLs, the type's number, and the one dimension's length and first index."""
    return struct.pack(">iiIii", 1, 0, element, count, 1) if count else struct.pack(">iiI", 0, 0, element)
