"""A piece of a feed: ``{"sequence": 7, "lines": [{...}, ...]}``, each line with the columns of our own CSV, as texts.

What a line says is read as a row of that CSV is, and refused for the same reasons. A piece states no totals: a payout
is held to all lines of its source, in whichever piece they come.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, Final, Literal

from services.reconciliation.adapters.readers.csv_rows import CsvFile, Row
from services.reconciliation.adapters.readers.settlement_rows import settlement_records
from services.reconciliation.adapters.readers.text_lines import LINE_BYTES_MAX, raw_text, unprintable
from services.reconciliation.adapters.readers.tieout_csv import OPTIONAL, REQUIRED, line_of
from services.reconciliation.domain.feeds import (
    FEED_FORMAT,
    PIECE_BYTES_MAX,
    PIECE_LINES_MAX,
    SEQUENCE_MAX,
)
from services.reconciliation.domain.lines import (
    ControlTotal,
    QuarantinedLine,
    ReportRecord,
    UnreadableFileError,
)
from services.reconciliation.domain.readers import ReadingContext
from services.reconciliation.domain.report_values import FieldError, Figures
from shared.kernel.json_depth import is_deeper_than

COLUMNS: Final = (*REQUIRED, *OPTIONAL)
_POSITIONS: Final[Mapping[str, int]] = {name: at for at, name in enumerate(COLUMNS)}
_KNOWN: Final = frozenset(COLUMNS)
_DEPTH_MAX: Final = 8
_FIELD_CHARS_MAX: Final = 128


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece whose frame can be read, whatever its lines say."""

    sequence: int
    lines: Sequence[Any]


class _Fields(list[tuple[str, Any]]):
    """An object's names and values as they stand, also where a name stands twice."""


def piece_of(raw: bytes) -> Piece:
    """Read the frame; ``UnreadableFileError`` where it is none."""
    try:
        if len(raw) > PIECE_BYTES_MAX or is_deeper_than(_DEPTH_MAX, raw):
            raise _malformed(
                "piece", f"at most {PIECE_BYTES_MAX} bytes, nested at most {_DEPTH_MAX} levels deep"
            )
        frame = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_Fields, parse_int=_integer, parse_float=str
        )
    except UnicodeDecodeError as refused:
        raise UnreadableFileError("wrong_encoding", "piece", "text in utf-8") from refused
    except (ValueError, RecursionError) as refused:
        raise _malformed("piece", "a JSON object") from refused
    if not isinstance(frame, _Fields) or sorted(name for name, _ in frame) != ["lines", "sequence"]:
        raise _malformed("piece", "an object of sequence and lines, each once")
    said = dict(frame)
    sequence, lines = said["sequence"], said["lines"]
    if type(sequence) is not int or not 1 <= sequence <= SEQUENCE_MAX:
        raise _malformed("sequence", "the number of the piece, from 1")
    if type(lines) is not list or not 1 <= len(lines) <= PIECE_LINES_MAX:
        raise _malformed("lines", f"1 to {PIECE_LINES_MAX} lines")
    return Piece(sequence, lines)


class TieoutFeed:
    """The reader."""

    name: str = FEED_FORMAT
    kind: Literal["settlement"] = "settlement"
    options: Mapping[str, str] = {}

    def read(self, content: BinaryIO, context: ReadingContext) -> Iterator[ReportRecord]:  # noqa: ARG002
        """Lines in the order of the piece, numbered from 1; nothing that a source declares of its files counts."""
        piece = piece_of(content.read(PIECE_BYTES_MAX + 1))
        rows = (_row(number, line) for number, line in enumerate(piece.lines, start=1))
        found = settlement_records(
            CsvFile(_POSITIONS, rows), partial(line_of, _POSITIONS, Figures()), ids_unique=True
        )
        return (record for record in found if not isinstance(record, ControlTotal))


def _row(number: int, line: Any) -> Row | QuarantinedLine:
    raw = json.dumps(_plain(line), ensure_ascii=False).encode("utf-8", "backslashreplace").decode("utf-8")
    try:
        return Row(number, _fields(line, raw), raw)
    except FieldError as refused:
        return QuarantinedLine(number, refused.code, refused.field, refused.expected, raw_text(raw))


def _fields(line: Any, raw: str) -> list[str]:
    if not isinstance(line, _Fields):
        raise FieldError("line_malformed", "line", "an object of the columns' names and values")
    if len(raw.encode()) > LINE_BYTES_MAX:
        raise FieldError("line_too_long", "line", f"at most {LINE_BYTES_MAX} bytes in a line")
    found: dict[str, str] = {}
    for name, value in line:
        shown = raw_text(name.encode("ascii", "backslashreplace").decode())[:_FIELD_CHARS_MAX]
        if name not in _KNOWN:
            raise FieldError("column_unknown", shown, "a column of the format")
        if name in found:
            raise FieldError("column_repeated", shown, "every column once")
        if value is not None and not isinstance(value, str):
            raise FieldError("value_not_text", shown, "text as it stands in a row of the CSV, or null")
        if value and (code := unprintable(value)):
            raise FieldError(code, shown, "text without control characters")
        found[name] = value or ""
    missing = [name for name in REQUIRED if name not in found]
    if missing:
        raise FieldError("column_missing", missing[0], f"a column named {missing[0]}")
    return [found.get(name, "") for name in COLUMNS]


def _plain(value: Any) -> Any:
    """The line for people, its objects as such; of a name that stands twice the last value."""
    if isinstance(value, _Fields):
        return {name: _plain(each) for name, each in value}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _integer(text: str) -> int | str:
    """An amount is text; of numbers only the piece's own is read, and Python refuses to read very long ones."""
    return int(text) if len(text) <= len(str(SEQUENCE_MAX)) else text


def _malformed(field: str, expected: str) -> UnreadableFileError:
    return UnreadableFileError("piece_malformed", field, expected)
