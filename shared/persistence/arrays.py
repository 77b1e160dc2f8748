"""PostgreSQL array literals, written as fast as Python can: batches hand whole columns to one statement.

The driver dumps an array element by element, at ten times the price.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from shared.kernel.errors import InvariantViolation


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
