"""Rows of a CSV report by column name (RFC 4180): a header that must fit, then one row at a time."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Final

from services.reconciliation.adapters.readers.text_lines import TextLine, raw_text, text_lines
from services.reconciliation.domain.lines import QuarantinedLine, UnreadableFileError
from services.reconciliation.domain.readers import ReadingContext

DELIMITERS: Final[Mapping[str, str]] = {",": ",", ";": ";", "tab": "\t", "\t": "\t"}
ROW_LINES_MAX: Final = 64
"""A quoted field may go over lines, but not over more: beyond that somebody lost a quote."""
_CELL_LINE_BREAK: Final = "\n"


@dataclass(frozen=True, slots=True)
class Columns:
    """What a header must and may name. ``allows`` is asked of every other name."""

    required: frozenset[str]
    optional: frozenset[str] = frozenset()
    allows: Callable[[str], bool] = lambda _: False


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its first line's number, its fields by the header's positions, and the text it was made of."""

    number: int
    fields: list[str]
    raw: str


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A header that fits, and the rows after it."""

    positions: Mapping[str, int]
    rows: Iterator[Row | QuarantinedLine]


def open_csv(content: BinaryIO, context: ReadingContext, columns: Columns) -> CsvFile:
    """Read the header and refuse the file where it does not fit; the rows come as they are asked for."""
    options = context.options
    delimiter = DELIMITERS.get(options.get("delimiter", ","))
    if delimiter is None:
        raise UnreadableFileError("option_unknown", "delimiter", f"one of {', '.join(sorted(DELIMITERS))}")
    lines = text_lines(
        content,
        options.get("encoding", "utf-8"),
        last_end_required=options.get("last_line_end", "required") != "optional",
    )
    header = next(lines, None)
    if header is None:
        raise UnreadableFileError("empty", "file", "a header line")
    if header.refused is not None:
        raise UnreadableFileError(header.refused.code, "header", header.refused.expected)
    names = _fields(header.text, delimiter)
    if names is None:
        raise UnreadableFileError("header_malformed", "header", "column names with quotes in pairs")
    extra = frozenset(filter(None, (name.strip() for name in options.get("extra_columns", "").split(","))))
    _check_header(names, header.text, delimiter, columns, extra)
    return CsvFile({name: at for at, name in enumerate(names)}, _rows(lines, delimiter, len(names)))


def _check_header(
    names: list[str], text: str, delimiter: str, columns: Columns, extra: frozenset[str]
) -> None:
    missing = columns.required.difference(names)
    if missing:
        for other in (",", ";", "\t", "|"):
            if other != delimiter and columns.required <= set(_fields(text, other) or ()):
                raise UnreadableFileError("wrong_separator", "header", f"columns separated by {delimiter!r}")
        raise UnreadableFileError("column_missing", min(missing), f"a column named {min(missing)}")
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise UnreadableFileError("column_repeated", name, "every column once")
        seen.add(name)
        if not (
            name in columns.required or name in columns.optional or name in extra or columns.allows(name)
        ):
            raise UnreadableFileError(
                "column_unknown", name[:128], "a column of the format, or one declared as extra"
            )


def _rows(lines: Iterator[TextLine], delimiter: str, width: int) -> Iterator[Row | QuarantinedLine]:
    waiting: deque[TextLine] = deque()
    while (line := waiting.popleft() if waiting else next(lines, None)) is not None:
        if line.refused is not None:
            yield line.refused
        elif '"' not in line.text:
            yield _row(line.number, line.text.split(delimiter), line.text, width)
        elif line.text.count('"') % 2 == 0:
            yield _quoted(line.number, line.text, delimiter, width)
        else:
            text = _joined(line, lines, waiting)
            row = None if text is None else _quoted(line.number, text, delimiter, width)
            if isinstance(row, Row):
                for _ in range(row.raw.count("\n")):
                    waiting.popleft()
                yield row
            else:
                # The quote is lost on this line: it alone goes, and the lines that it would swallow are read anew.
                expected = "quotes in pairs"
                yield QuarantinedLine(line.number, "quote_open", "line", expected, raw_text(line.text))


def _joined(first: TextLine, lines: Iterator[TextLine], waiting: deque[TextLine]) -> str | None:
    """The text up to the line that closes the quote, which stays in ``waiting``; None where none does."""
    parts, quotes = [first.text], first.text.count('"')
    for at in range(ROW_LINES_MAX - 1):
        if at == len(waiting):
            following = next(lines, None)
            if following is None:
                return None
            waiting.append(following)
        if waiting[at].refused is not None:
            return None
        parts.append(waiting[at].text)
        quotes += waiting[at].text.count('"')
        if quotes % 2 == 0:
            return _CELL_LINE_BREAK.join(parts)
    return None


def _quoted(number: int, text: str, delimiter: str, width: int) -> Row | QuarantinedLine:
    fields = _fields(text, delimiter)
    if fields is None:
        expected = "quotes around whole fields, and doubled within them"
        return QuarantinedLine(number, "quote_malformed", "line", expected, raw_text(text))
    return _row(number, fields, text, width)


def _row(number: int, fields: list[str], text: str, width: int) -> Row | QuarantinedLine:
    if len(fields) != width:
        expected = f"{width} columns, as the header has"
        return QuarantinedLine(number, "column_count", "line", expected, raw_text(text))
    return Row(number, fields, text)


def _fields(text: str, delimiter: str) -> list[str] | None:
    if '"' not in text:
        return text.split(delimiter)
    try:
        found = list(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return found[0] if len(found) == 1 else None
