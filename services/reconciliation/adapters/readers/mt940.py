"""Bank statements in MT940: one entry at a time; a field's form is read by the library mt-940, its figures exactly.

``:20:`` opens a statement and ``:62F:`` or ``:62M:`` closes its entries; a file that ends before that is cut off. The
library would read a whole statement and mend dates that do not exist: here only its grammar of fields is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final, Literal

from services.reconciliation.adapters.readers.bank_lines import BANK_OPTIONS
from services.reconciliation.adapters.readers.line_ids import LineIds
from services.reconciliation.adapters.readers.mt940_entries import bank_line
from services.reconciliation.adapters.readers.mt940_fields import TextField, fields_of
from services.reconciliation.adapters.readers.mt940_statements import Statement, continued
from services.reconciliation.adapters.readers.text_lines import raw_text
from services.reconciliation.domain.lines import (
    QuarantinedLine,
    ReportRecord,
    StatementHead,
    UnreadableFileError,
)
from services.reconciliation.domain.readers import ReadingContext
from services.reconciliation.domain.report_values import FieldError

MT940_OPTIONS: Final[Mapping[str, str]] = {
    **BANK_OPTIONS,
    "encoding": "encoding of the text; utf-8 where nothing is declared",
    "last_line_end": "`optional` where the last line has no line end; without it such a file counts as cut off",
}
_ENTRY: Final = "61"
_DETAILS: Final = "86"
_PASSED_OVER: Final = frozenset({"13", "13D", "21", "34F", "64", "65", "90C", "90D", "NS"})
"""What says nothing that a line or a total is made of: times, limits, and balances of other days."""


class Mt940:
    """The reader."""

    name: str = "mt940"
    kind: Literal["bank"] = "bank"
    options: Mapping[str, str] = MT940_OPTIONS

    def read(self, content: BinaryIO, context: ReadingContext) -> Iterator[ReportRecord]:
        """Entries in the order of the file, and after each statement whether its balances hold."""
        options = context.options
        ended = options.get("last_line_end", "required") != "optional"
        fields = fields_of(content, options.get("encoding", "utf-8"), last_end_required=ended)
        yield from _Document().records(fields)


class _Document:
    """One file on its way through: an entry waits for the details that may follow it."""

    def __init__(self) -> None:
        self._ids = LineIds()
        self._statement: Statement | None = None
        self._former: StatementHead | None = None
        self._entry: TextField | None = None
        self._details: TextField | None = None
        self._found_any = False

    def records(self, fields: Iterator[TextField]) -> Iterator[ReportRecord]:
        for field in fields:
            self._found_any = True
            if field.tag == _DETAILS and self._entry is not None and self._details is None:
                self._details = field
                continue
            yield from self._finished_entry()
            if field.tag == _ENTRY:
                self._open(field).begin_entries(field.number)
                self._entry = field
            else:
                yield from self._head(field)
        if self._statement is not None or self._entry is not None:
            raise UnreadableFileError("truncated", ":62F:", "a closing balance after the last entry")
        if not self._found_any:
            raise UnreadableFileError("wrong_format", ":20:", "a statement in MT940")

    def _head(self, field: TextField) -> Iterator[ReportRecord]:
        if field.refused is not None:
            raise UnreadableFileError(field.refused.code, f"line {field.number}", field.refused.expected)
        if field.tag == "20":
            if self._statement is not None:
                raise UnreadableFileError(
                    "truncated", f"line {field.number}", "a closing balance before :20:"
                )
            self._statement = Statement(field.number)
        elif field.tag in {"62F", "62M"}:
            statement = self._open(field)
            statement.take(field)
            self._statement = None
            head = statement.head(field.number)
            yield from statement.control_totals()
            yield from continued(self._former, head)
            yield head
            self._former = head
        elif field.tag in Statement.TAGS and (field.tag not in _PASSED_OVER or self._statement is not None):
            self._open(field).take(field)
        elif field.tag not in _PASSED_OVER and field.tag != _DETAILS:
            raise UnreadableFileError("tag_unknown", f":{field.tag}:", "a field of MT940")

    def _open(self, field: TextField) -> Statement:
        if self._statement is None:
            raise UnreadableFileError("tag_misplaced", f"line {field.number}", f":20: before :{field.tag}:")
        return self._statement

    def _finished_entry(self) -> Iterator[ReportRecord]:
        entry, details, self._entry, self._details = self._entry, self._details, None, None
        if entry is None or self._statement is None:
            return
        try:
            for part in (entry, details):
                if part is not None and part.refused is not None:
                    raise FieldError(part.refused.code, f":{part.tag}:", part.refused.expected)  # noqa: TRY301
            line = bank_line(entry, details, self._statement, self._ids)
        except FieldError as refused:
            # It is in no sum, so the balances show it as well.
            raw = raw_text(f":61:{entry.text}" + (f"\n:86:{details.text}" if details else ""))
            yield QuarantinedLine(entry.number, refused.code, refused.field, refused.expected, raw)
            return
        self._statement.add(line)
        yield line
