"""Staging: what a file says goes into the tables line by line, and what stands of each line follows from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from services.reconciliation.app.declare_source import declared_source
from services.reconciliation.app.ports import ReconciliationUnit
from services.reconciliation.domain.bank_accounts import same_account
from services.reconciliation.domain.feeds import format_of
from services.reconciliation.domain.files import FileRefused, Refusal, ReportFile
from services.reconciliation.domain.lines import ReportRecord, StatementHead, UnreadableFileError
from services.reconciliation.domain.readers import Reader, ReadingContext
from services.reconciliation.domain.sources import ACCOUNT_OPTION, Source, SourceKind
from shared.kernel.crash_points import crash_point

READER_FAILED: Final = "reader_failed"
"""The refusal of a file that a reader broke on: ours to mend."""
ACCOUNT_DIFFERS: Final = "account_differs"
"""The refusal of a file with a statement of another account than its source's."""
BATCH_RECORDS: Final = 5_000
"""Read, then written with one COPY per kind: a few MiB in memory, and a round trip that does not count."""


def stage_next(readers: Mapping[str, Reader], work: ReconciliationUnit) -> ReportFile | None:
    """Stage the first file that waits, whole and in this transaction; None where nothing waits.

    Raises ``FileRefused`` where it cannot be read: this transaction must then be rolled back, and the file refused in
    another. Files of one source are staged in the order in which they came, by one worker at a time.
    """
    file = work.files.next_waiting()
    if file is None:
        return None
    source = declared_source(file.source, work)
    reader = readers.get(format_of(file, source))
    if reader is None:
        raise FileRefused(
            file.file_id, Refusal(code="format_unknown", field="format", expected="a format that is read")
        )
    work.staging.be_patient()
    try:
        _read(reader, source, file, work)
        crash_point("report.after_copy")
        staged = work.staging.settle(source, file.file_id)
    except UnreadableFileError as unreadable:
        refusal = Refusal(code=unreadable.code, field=unreadable.field, expected=unreadable.expected)
        raise FileRefused(file.file_id, refusal) from unreadable
    work.files.staged(file.file_id, staged)
    crash_point("report.after_settling")
    return file


def _read(reader: Reader, source: Source, file: ReportFile, work: ReconciliationUnit) -> None:
    records = _without_faults(reader, reader.read(work.files.content(file.file_id), context_of(source)))
    if source.kind is SourceKind.BANK:
        records = _of_its_account(
            records, _declared_account(source) or work.staging.stated_account(source.source)
        )
    for batch in _batches(records):
        work.staging.add(file.file_id, batch)


def _without_faults(reader: Reader, records: Iterator[ReportRecord]) -> Iterator[ReportRecord]:
    """A reader's own fault refuses its file: no file may hold up those behind it, in this source or another."""
    try:
        yield from records
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as fault:
        raise UnreadableFileError(READER_FAILED, reader.name, "a file that the reader can read") from fault


def _declared_account(source: Source) -> str | None:
    return source.options.get(ACCOUNT_OPTION) or None


def _of_its_account(records: Iterator[ReportRecord], account: str | None) -> Iterator[ReportRecord]:
    """Another account's statement refuses its file: its money would be taken for this one's."""
    for record in records:
        if isinstance(record, StatementHead):
            account = account or record.account_number
            if not same_account(account, record.account_number, record.currency):
                raise UnreadableFileError(ACCOUNT_DIFFERS, record.account_field, f"the account {account}")
        yield record


def context_of(source: Source) -> ReadingContext:
    """What the source's declaration tells its reader."""
    return ReadingContext(
        source=source.source,
        time_zone=source.options.get("time_zone"),
        decimal_separator=source.options.get("decimal_separator"),
        options=source.options,
    )


def _batches(records: Iterator[ReportRecord]) -> Iterator[list[ReportRecord]]:
    while batch := list(islice(records, BATCH_RECORDS)):
        yield batch
