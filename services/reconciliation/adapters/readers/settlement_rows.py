"""From rows of a settlement report to records: bad rows into quarantine, payouts' totals after the last one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from services.reconciliation.adapters.readers.csv_rows import CsvFile, Row
from services.reconciliation.adapters.readers.line_ids import LineIds
from services.reconciliation.adapters.readers.payout_totals import PayoutTotals
from services.reconciliation.adapters.readers.text_lines import raw_text
from services.reconciliation.domain.line_checks import check_line
from services.reconciliation.domain.lines import (
    QuarantinedLine,
    ReportRecord,
    SettlementLine,
    UnreadableFileError,
)
from services.reconciliation.domain.readers import ReadingContext
from services.reconciliation.domain.report_values import FieldError, Figures

CSV_OPTIONS: Final[Mapping[str, str]] = {
    "encoding": "encoding of the text; utf-8 where nothing is declared",
    "delimiter": "what stands between columns: a comma, else ; or tab",
    "decimal_separator": "what stands before decimals: a point, else a comma",
    "thousands_separator": "what stands between groups of three digits; nothing unless declared",
    "time_zone": "IANA name of the zone of times that carry none",
    "extra_columns": "names of columns that the format does not know and that are passed over, between commas",
    "last_line_end": "`optional` where the last line has no line end; without it such a file counts as cut off",
}
"""What every settlement report in CSV may be told by its source."""


def figures_of(context: ReadingContext) -> Figures:
    """How the source writes amounts; a point before the decimals unless it says otherwise."""
    decimal = context.decimal_separator or context.options.get("decimal_separator") or "."
    thousands = context.options.get("thousands_separator", "")
    if decimal not in {".", ","}:
        raise UnreadableFileError("option_unknown", "decimal_separator", "a point or a comma")
    if len(thousands) > 1 or thousands == decimal or thousands.isdigit():
        raise UnreadableFileError(
            "option_unknown", "thousands_separator", "one character that separates nothing else"
        )
    return Figures(decimal, thousands)


def settlement_records(
    file: CsvFile, line_of: Callable[[Row], SettlementLine], *, kind: str = "payout", ids_unique: bool
) -> Iterator[ReportRecord]:
    """Every row as a line or in quarantine, then what the payouts come to.

    Where the format's ids are unique, a second row of one id is refused: it is a repetition and no second movement.
    """
    ids, totals = LineIds(), PayoutTotals(kind)
    for row in file.rows:
        if isinstance(row, QuarantinedLine):
            yield row
            continue
        try:
            line = line_of(row)
            check_line(line)
            if ids_unique and not ids.is_new(line.line_id):
                raise FieldError("line_repeated", "line_id", "each id once in a file")  # noqa: TRY301
        except FieldError as refused:
            yield QuarantinedLine(
                row.number, refused.code, refused.field, refused.expected, raw_text(row.raw)
            )
            continue
        totals.add(line)
        yield line
    yield from totals.control_totals()
