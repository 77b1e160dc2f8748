"""What a hot statement is on the wire: its text with numbered placeholders, its values, and the rows that come back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, TypeAlias

from psycopg import pq

from shared.kernel.errors import InvariantViolation

Parameters: TypeAlias = Mapping[str, Any] | Sequence[Any]
Row: TypeAlias = tuple[str | None, ...]

_PLACEHOLDER: Final = re.compile(r"%(?:\((\w+)\)s|([sb%]))")
_TEXT: Final = 0
_BINARY: Final = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement gave: its rows as text, and how many rows it wrote or read."""

    rows: Sequence[Row]
    affected: int


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with numbered placeholders; ``names`` says which parameter each one takes, None where they are positional."""

    sql: bytes
    names: tuple[str, ...] | None


@lru_cache(maxsize=256)
def compiled(sql: str) -> Statement:
    names: list[str] = []
    positions = 0

    def number(match: re.Match[str]) -> str:
        nonlocal positions
        if match[2] == "%":
            return "%"
        if match[1] is None:
            positions += 1
            return f"${positions}"
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    numbered = _PLACEHOLDER.sub(number, sql)
    if names and positions:
        raise InvariantViolation("placeholders", "a statement's placeholders are either named or not")
    return Statement(numbered.encode(), tuple(names) or None)


def encoded(statement: Statement, parameters: Parameters) -> tuple[list[Any], list[int]]:
    if statement.names is None:
        given: Any = parameters
    elif isinstance(parameters, Mapping):
        given = [parameters[name] for name in statement.names]
    else:
        raise InvariantViolation("placeholders", "named placeholders take a mapping")
    values: list[Any] = []  # bytes and None, which the driver's own types leave out
    formats: list[int] = []
    for value in given:
        if type(value) is bytes:
            values.append(value)
            formats.append(_BINARY)
        elif value is None:
            values.append(None)
            formats.append(_TEXT)
        else:
            values.append(_text(value))
            formats.append(_TEXT)
    return values, formats


def _text(value: Any) -> bytes:
    if isinstance(value, str):
        encoded = value.encode()
        if 0 in encoded:  # libpq would cut it off there
            raise InvariantViolation("text_storable", "text with NUL was about to be stored")
        return encoded
    if isinstance(value, bool):
        return b"t" if value else b"f"
    if isinstance(value, (int, float)):
        return str(value).encode()
    if isinstance(value, datetime):
        return value.isoformat().encode()
    raise InvariantViolation("parameter_type", f"{type(value).__name__} cannot be sent by a hot statement")


def answer_of(result: pq.abc.PGresult) -> Answer:
    affected = result.command_tuples or 0
    if not result.ntuples:
        return Answer([], affected)
    columns, value_at = range(result.nfields), result.get_value
    rows = [
        tuple([None if (value := value_at(row, column)) is None else value.decode() for column in columns])
        for row in range(result.ntuples)
    ]
    return Answer(rows, affected)


def bytes_of(text: str) -> bytes:
    """Return the bytes of a ``bytea`` in an answer."""
    return bytes.fromhex(text[2:])
