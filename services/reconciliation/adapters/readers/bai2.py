"""Bank statements in BAI2: one record at a time, each group, account and the file held to its own trailer.

The library bai2 splits records and knows the type codes. Its parser wants a whole file in memory and stops at the first
thing it does not know; so it reads single records here, and its checks of integrity are made as the records go by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final, Literal

from services.reconciliation.adapters.readers.bai2_entries import bank_line
from services.reconciliation.adapters.readers.bai2_records import CODES, Record, records_of
from services.reconciliation.adapters.readers.bai2_sections import (
    Account,
    Section,
    open_account,
    open_file,
    open_group,
)
from services.reconciliation.adapters.readers.bank_lines import BANK_OPTIONS
from services.reconciliation.adapters.readers.line_ids import LineIds
from services.reconciliation.adapters.readers.text_lines import raw_text
from services.reconciliation.domain.lines import QuarantinedLine, ReportRecord, UnreadableFileError
from services.reconciliation.domain.readers import ReadingContext
from services.reconciliation.domain.report_values import FieldError

BAI2_OPTIONS: Final[Mapping[str, str]] = {
    **BANK_OPTIONS,
    "encoding": "encoding of the text; utf-8 where nothing is declared",
    "currency": "the currency where the file names none; without it such a file is refused",
}
_NEXT: Final[Mapping[str, frozenset[str]]] = {
    "": frozenset({"01"}),
    "01": frozenset({"02"}),
    "02": frozenset({"03"}),
    "03": frozenset({"16", "49"}),
    "16": frozenset({"16", "49"}),
    "49": frozenset({"03", "98"}),
    "98": frozenset({"02", "99"}),
    "99": frozenset(),
}
_WITHIN_ACCOUNT: Final = frozenset({"03", "16"})


class Bai2:
    """The reader."""

    name: str = "bai2"
    kind: Literal["bank"] = "bank"
    options: Mapping[str, str] = BAI2_OPTIONS

    def read(self, content: BinaryIO, context: ReadingContext) -> Iterator[ReportRecord]:
        """Entries in the order of the file, and after each account, group and the file what its trailer says."""
        records = records_of(content, context.options.get("encoding", "utf-8"))
        yield from _Document(context.options.get("currency")).records(records)


class _Document:
    """One file on its way through."""

    def __init__(self, declared_currency: str | None) -> None:
        self._declared_currency = declared_currency
        self._ids = LineIds()
        self._after = ""
        self._open: list[Section] = []

    def records(self, records: Iterator[Record]) -> Iterator[ReportRecord]:
        for record in records:
            if record.code not in CODES and self._after in _WITHIN_ACCOUNT:
                self._open[-1].record_count += len(record.lines)
                unknown = FieldError("record_unknown", record.code, "a record of BAI2, such as 16")
                yield record.refused or self._quarantined(record, unknown)
                continue
            if record.refused is not None:
                raise UnreadableFileError(
                    record.refused.code, f"line {record.number}", record.refused.expected
                )
            if record.code not in _NEXT[self._after]:
                expected = f"a record {' or '.join(sorted(_NEXT[self._after])) or 'of nothing more'}"
                code = "record_misplaced" if self._after else "wrong_format"
                raise UnreadableFileError(code, f"line {record.number}", expected)
            self._after = record.code
            try:
                yield from self._record(record)
            except FieldError as refused:
                name = f"line {record.number}: {refused.field}"
                raise UnreadableFileError(refused.code, name, refused.expected) from None
        if self._after != "99":
            code = "truncated" if self._after else "wrong_format"
            raise UnreadableFileError(
                code, "99", "a file trailer at the end" if self._after else "a file header (01)"
            )

    def _record(self, record: Record) -> Iterator[ReportRecord]:
        if record.code == "16":
            yield from self._entry(record)
            return
        fields = record.fields()
        if record.code == "01":
            self._open.append(open_file(fields))
        elif record.code == "02":
            self._open.append(open_group(fields, self._declared_currency))
        elif record.code == "03":
            self._open.append(open_account(fields, self._open[-1], record.number))
        if record.code in {"01", "02", "03"}:
            self._open[-1].record_count += len(record.lines)
            return
        section = self._open.pop()
        section.record_count += len(record.lines)
        yield from section.control_totals(fields)
        if isinstance(section, Account):
            yield section.head(record.number, self._open[0].created_at)
        if self._open:
            self._open[-1].close_inner(section)

    def _entry(self, record: Record) -> Iterator[ReportRecord]:
        account = self._open[-1]
        if not isinstance(account, Account):
            raise FieldError("record_misplaced", "16", "an account before it")
        account.record_count += len(record.lines)
        try:
            line = bank_line(record, account, self._ids)
        except FieldError as refused:
            # Of an entry in quarantine nothing is booked, so the balances show it as well.
            yield self._quarantined(record, refused)
            return
        if line is not None:
            account.book(line)
            yield line

    @staticmethod
    def _quarantined(record: Record, refused: FieldError) -> QuarantinedLine:
        return QuarantinedLine(
            record.number, refused.code, refused.field, refused.expected, raw_text(record.raw)
        )
