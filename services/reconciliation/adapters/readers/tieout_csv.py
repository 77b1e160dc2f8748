"""Tieout's own settlement CSV: the format that others can write for us where nobody reads theirs.

The columns are said in docs/settlement-csv.md; they carry the names that Stripe's reports have made common.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import BinaryIO, Final, Literal

from services.reconciliation.adapters.readers.csv_rows import Columns, Row, open_csv
from services.reconciliation.adapters.readers.settlement_rows import (
    CSV_OPTIONS,
    figures_of,
    settlement_records,
)
from services.reconciliation.domain.lines import LineCategory, ReportRecord, SettlementLine
from services.reconciliation.domain.readers import ReadingContext
from services.reconciliation.domain.report_values import (
    Figures,
    currency,
    moment,
    rate,
    visible,
    visible_or_none,
    words,
    words_or_none,
    zone,
)

REQUIRED: Final = (
    "balance_transaction_id",
    "created_utc",
    "available_on_utc",
    "currency",
    "gross",
    "fee",
    "net",
    "reporting_category",
)
OPTIONAL: Final = (
    "made_at_utc",
    "automatic_payout_id",
    "source_id",
    "charge_id",
    "payment_intent_id",
    "our_reference",
    "fee_currency",
    "net_currency",
    "exchange_rate",
    "fee_in_net_currency",
    "trace_id",
    "ledger_transaction_id",
    "description",
)
_COLUMNS: Final = Columns(frozenset(REQUIRED), frozenset(OPTIONAL))
_CATEGORIES: Final[Mapping[str, LineCategory]] = {category.value: category for category in LineCategory}
_UTC: Final = zone("UTC")
_ID_CHARS_MAX: Final = 128


class TieoutCsv:
    """The reader."""

    name: str = "tieout_csv"
    kind: Literal["settlement"] = "settlement"
    options: Mapping[str, str] = CSV_OPTIONS

    def read(self, content: BinaryIO, context: ReadingContext) -> Iterator[ReportRecord]:
        """Lines in the order of the file, then a total for each payout with a row of its own."""
        file = open_csv(content, context, _COLUMNS)
        said = partial(line_of, file.positions, figures_of(context))
        yield from settlement_records(file, said, ids_unique=True)


def line_of(positions: Mapping[str, int], figures: Figures, row: Row) -> SettlementLine:
    """What a row says, whichever way it came."""
    fields = row.fields

    def cell(name: str) -> str:
        at = positions.get(name)
        return "" if at is None else fields[at]

    gross_currency = currency(cell("currency"), "currency")
    fee_currency = currency(cell("fee_currency") or gross_currency, "fee_currency")
    net_currency = currency(cell("net_currency") or gross_currency, "net_currency")
    # When the row was written says less of the operation than when that was made: days are counted from this.
    created_at = moment(cell("created_utc"), _UTC, "created_utc")
    made_at = moment(cell("made_at_utc"), _UTC, "made_at_utc") if cell("made_at_utc") else None
    taken, exchanged = cell("fee_in_net_currency"), cell("exchange_rate")
    stated = words(cell("reporting_category"), "reporting_category")
    return SettlementLine(
        line_number=row.number,
        line_id=visible(cell("balance_transaction_id"), "balance_transaction_id", _ID_CHARS_MAX),
        payout_id=visible_or_none(cell("automatic_payout_id"), "automatic_payout_id", _ID_CHARS_MAX),
        category=_CATEGORIES.get(stated, LineCategory.OTHER),
        type_text=stated,
        object_id=visible_or_none(cell("source_id"), "source_id"),
        parent_object_id=visible_or_none(cell("charge_id") or cell("payment_intent_id"), "charge_id"),
        our_reference=words_or_none(cell("our_reference"), "our_reference"),
        currency=gross_currency,
        gross_minor=figures.signed(cell("gross"), gross_currency, "gross"),
        fee_currency=fee_currency,
        fee_minor=figures.signed(cell("fee"), fee_currency, "fee"),
        net_currency=net_currency,
        net_minor=figures.signed(cell("net"), net_currency, "net"),
        exchange_rate=rate(exchanged, "exchange_rate") if exchanged else None,
        fee_in_net_currency_minor=figures.signed(taken, net_currency, "fee_in_net_currency")
        if taken
        else None,
        occurred_at=made_at or created_at,
        available_on=moment(cell("available_on_utc"), _UTC, "available_on_utc"),
        bank_reference=words_or_none(cell("trace_id"), "trace_id"),
    )
