"""Stripe's payout reconciliation report, itemized, as CSV: whichever columns the user chose, found by their names.

Amounts are in major units and signed. ``gross``, ``fee`` and ``net`` are in the settlement currency; where the customer
paid in another one, the customer-facing columns say what our charge was, if the report has them, and the rate is what
``gross`` comes to per unit of that: the report states none. The columns are those of
``payout_reconciliation.itemized.5`` and ``payout_reconciliation.by_id.itemized.4`` and of the versions before them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final, Literal
from zoneinfo import ZoneInfo

from services.reconciliation.adapters.readers.csv_rows import Columns, CsvFile, Row, open_csv
from services.reconciliation.adapters.readers.settlement_rows import (
    CSV_OPTIONS,
    figures_of,
    settlement_records,
)
from services.reconciliation.adapters.readers.stripe_columns import known_column
from services.reconciliation.domain.exchange import stated_rate
from services.reconciliation.domain.lines import (
    LineCategory,
    ReportRecord,
    SettlementLine,
    UnreadableFileError,
)
from services.reconciliation.domain.readers import ReadingContext
from services.reconciliation.domain.report_values import (
    FieldError,
    Figures,
    currency,
    moment,
    visible,
    visible_or_none,
    words,
    words_or_none,
    zone,
)

REQUIRED: Final = frozenset(
    {"balance_transaction_id", "currency", "gross", "fee", "net", "reporting_category"}
)
CATEGORIES: Final[Mapping[str, LineCategory]] = {
    "charge": LineCategory.CHARGE,
    "refund": LineCategory.REFUND,
    "refund_failure": LineCategory.REFUND_FAILURE,
    "dispute": LineCategory.DISPUTE,
    "dispute_reversal": LineCategory.DISPUTE,
    # A payment by bank debit that came back after it had succeeded.
    "charge_failure": LineCategory.REVERSAL,
    "risk_reserved_funds": LineCategory.RESERVE,
    "payout": LineCategory.PAYOUT,
}
"""Every other word is ``other``: also ``partial_capture_reversal``, which gives nothing back to anybody."""
STRIPE_OPTIONS: Final[Mapping[str, str]] = {
    **CSV_OPTIONS,
    "our_reference_column": "the column that carries our id, such as payment_metadata[operation_id]",
}
_OUR_REFERENCES: Final = ("payment_metadata[operation_id]", "payment_metadata[payment_id]")
_ID_CHARS_MAX: Final = 128
_CUSTOMER_FACING: Final = ("customer_facing_amount", "customer_facing_currency")


class StripePayoutCsv:
    """The reader."""

    name: str = "stripe_payout_csv"
    kind: Literal["settlement"] = "settlement"
    options: Mapping[str, str] = STRIPE_OPTIONS

    def read(self, content: BinaryIO, context: ReadingContext) -> Iterator[ReportRecord]:
        """Lines in the order of the file, then a total for each payout with a row of its own."""
        file = open_csv(content, context, Columns(REQUIRED, allows=known_column))
        yield from settlement_records(file, _Rows(file, context).line, ids_unique=True)


@dataclass(frozen=True, slots=True)
class _Time:
    """Where a time stands: the column in UTC where the report has it, else the one in the report's zone."""

    at: int
    name: str
    where: ZoneInfo | None

    def of(self, fields: list[str]) -> datetime:
        return moment(fields[self.at], self.where, self.name)


class _Rows:
    """What the header of one file says of its rows."""

    def __init__(self, file: CsvFile, context: ReadingContext) -> None:
        self._positions = file.positions
        self._figures = figures_of(context)
        self._created = self._time("created", context)
        self._available = self._time("available_on", context)
        self._our_reference = self._reference_column(context)

    def line(self, row: Row) -> SettlementLine:
        """The row as a line, or ``FieldError``."""
        fields = row.fields

        def cell(name: str) -> str:
            at = self._positions.get(name)
            return "" if at is None else fields[at]

        stated = words(cell("reporting_category"), "reporting_category")
        settled = currency(cell("currency"), "currency")
        gross_minor = self._figures.signed(cell("gross"), settled, "gross")
        fee_minor = self._figures.signed(cell("fee"), settled, "fee")
        net_minor = self._figures.signed(cell("net"), settled, "net")
        if net_minor != gross_minor - fee_minor:
            raise FieldError(
                "sum_mismatch", "net", f"gross less fee: {gross_minor - fee_minor} minor units of {settled}"
            )
        paid_currency, paid_minor, exchange_rate = settled, gross_minor, None
        facing = currency(cell(_CUSTOMER_FACING[1]) or settled, _CUSTOMER_FACING[1])
        if facing != settled:
            paid_currency = facing
            paid_minor = _as_gross(cell(_CUSTOMER_FACING[0]), facing, gross_minor, self._figures)
            exchange_rate = stated_rate(paid_minor, facing, gross_minor, settled)
        return SettlementLine(
            line_number=row.number,
            line_id=visible(cell("balance_transaction_id"), "balance_transaction_id", _ID_CHARS_MAX),
            payout_id=visible_or_none(
                cell("automatic_payout_id") or cell("payout_id"), "automatic_payout_id", _ID_CHARS_MAX
            ),
            category=CATEGORIES.get(stated, LineCategory.OTHER),
            type_text=stated,
            object_id=visible_or_none(cell("source_id"), "source_id"),
            parent_object_id=visible_or_none(cell("charge_id") or cell("payment_intent_id"), "charge_id"),
            our_reference=words_or_none(cell(self._our_reference), self._our_reference),
            currency=paid_currency,
            gross_minor=paid_minor,
            fee_currency=settled,
            fee_minor=fee_minor,
            net_currency=settled,
            net_minor=net_minor,
            exchange_rate=exchange_rate,
            fee_in_net_currency_minor=None,
            occurred_at=self._created.of(fields),
            available_on=self._available.of(fields),
            bank_reference=words_or_none(cell("trace_id"), "trace_id"),
        )

    def _time(self, name: str, context: ReadingContext) -> _Time:
        for column, where in ((f"{name}_utc", "UTC"), (name, context.time_zone)):
            if column in self._positions:
                if where is None or zone(where) is None:
                    raise UnreadableFileError(
                        "time_zone_missing", column, f"{name}_utc, or the report's zone declared"
                    )
                return _Time(self._positions[column], column, zone(where))
        raise UnreadableFileError("column_missing", f"{name}_utc", f"a column named {name}_utc or {name}")

    def _reference_column(self, context: ReadingContext) -> str:
        declared = context.options.get("our_reference_column")
        if declared is None:
            return next((name for name in _OUR_REFERENCES if name in self._positions), _OUR_REFERENCES[0])
        if declared not in self._positions:
            raise UnreadableFileError("column_missing", declared[:128], "the column declared to carry our id")
        return declared


def _as_gross(text: str, code: str, gross_minor: int, figures: Figures) -> int:
    """What the customer paid or got, in the direction of gross: Stripe states it with or without a sign."""
    facing_minor = figures.signed(text, code, _CUSTOMER_FACING[0])
    if facing_minor < 0 < gross_minor:
        raise FieldError("direction_contradicted", _CUSTOMER_FACING[0], "the direction of gross")
    return -abs(facing_minor) if gross_minor < 0 else facing_minor
