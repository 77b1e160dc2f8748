"""Adyen's settlement details report: one row per movement of a batch, which ends with the batch's payout.

Amounts stand unsigned in a debit or a credit column, and that column alone says the direction. Net amounts and costs
are in the net currency. A row has no id of its own: batch, type, both references and the booking date stand for it.
Where it has no reference either, what it says stands in their place: two fees of one moment are two rows, also where a
report is cut into two files, and one whose amount is corrected is another row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import BinaryIO, Final, Literal

from services.reconciliation.adapters.readers.adyen_columns import (
    CATEGORIES,
    COSTS,
    COSTS_IN_ALL,
    OPTIONAL,
    REQUIRED,
)
from services.reconciliation.adapters.readers.csv_rows import Columns, CsvFile, Row, open_csv
from services.reconciliation.adapters.readers.line_ids import LineIds, content_digest
from services.reconciliation.adapters.readers.settlement_rows import (
    CSV_OPTIONS,
    figures_of,
    settlement_records,
)
from services.reconciliation.domain.lines import LineCategory, ReportRecord, SettlementLine
from services.reconciliation.domain.readers import ReadingContext
from services.reconciliation.domain.report_values import (
    FieldError,
    currency,
    rate,
    visible_or_none,
    wall_time,
    words,
    words_or_none,
)
from services.reconciliation.domain.zone_names import named_time

ADYEN_OPTIONS: Final[Mapping[str, str]] = {
    **CSV_OPTIONS,
    "merchant_account": "whose rows are read; without it, that of the first row",
}
_ONE: Final = re.compile(r"1(\.0+)?", re.ASCII)
_ID_CHARS_MAX: Final = 128


class AdyenSettlementCsv:
    """The reader."""

    name: str = "adyen_settlement_csv"
    kind: Literal["settlement"] = "settlement"
    options: Mapping[str, str] = ADYEN_OPTIONS

    def read(self, content: BinaryIO, context: ReadingContext) -> Iterator[ReportRecord]:
        """Rows in the order of the file, then a total for each batch that was paid out in it."""
        file = open_csv(content, context, Columns(REQUIRED, OPTIONAL))
        yield from settlement_records(file, _Rows(file, context).line, kind="batch", ids_unique=False)


class _Rows:
    """What one file says of its rows."""

    def __init__(self, file: CsvFile, context: ReadingContext) -> None:
        self._positions = file.positions
        self._figures = figures_of(context)
        self._declared_zone = context.time_zone
        self._merchant_account = context.options.get("merchant_account")
        self._ids = LineIds()

    def line(self, row: Row) -> SettlementLine:
        """The row as a line, or ``FieldError``."""
        cells = {name: row.fields[at] for name, at in self._positions.items()}
        self._check_account(cells["Merchant Account"])
        stated = words(cells["Type"], "Type")
        category = CATEGORIES.get(stated, LineCategory.OTHER)
        net_currency = currency(cells["Net Currency"], "Net Currency")
        net_minor = self._directed(cells, "Net", "(NC)", net_currency)
        if net_minor is None:
            raise FieldError("amount_missing", "Net Credit (NC)", "an amount in one of the net columns")
        fee_minor = self._costs(cells, net_currency)
        gross_currency, gross_minor, exchange_rate = self._gross(cells, net_currency, net_minor + fee_minor)
        occurred_at = self._time(cells, "Creation Date", "TimeZone")
        booked_at = occurred_at
        if cells.get("Booking Date"):
            booked_at = self._time(cells, "Booking Date", "Booking Date TimeZone")
        original, modification = cells["Psp Reference"], cells["Modification Reference"]
        paid_out = category is LineCategory.PAYOUT
        reference = modification
        if not original and not modification and not paid_out:
            said = (occurred_at.isoformat(), gross_currency, gross_minor, net_currency, net_minor, fee_minor)
            reference = content_digest(*map(str, said), cells.get("Merchant Reference", ""))
        batch = visible_or_none(cells["Batch Number"], "Batch Number", _ID_CHARS_MAX)
        return SettlementLine(
            line_number=row.number,
            payout_id=batch,
            category=category,
            type_text=stated,
            object_id=None
            if paid_out
            else visible_or_none(modification or original, "Modification Reference"),
            parent_object_id=visible_or_none(original, "Psp Reference"),
            our_reference=words_or_none(
                cells.get("Modification Merchant Reference") or cells.get("Merchant Reference", ""),
                "Merchant Reference",
            ),
            currency=gross_currency,
            gross_minor=gross_minor,
            fee_currency=net_currency,
            fee_minor=fee_minor,
            net_currency=net_currency,
            net_minor=net_minor,
            exchange_rate=exchange_rate,
            fee_in_net_currency_minor=None,
            occurred_at=occurred_at,
            available_on=booked_at,
            bank_reference=words_or_none(modification, "Modification Reference") if paid_out else None,
            line_id=self._ids.line_id(batch or "", stated, original, reference, booked_at.isoformat()),
        )

    def _check_account(self, account: str) -> None:
        if self._merchant_account is None:
            self._merchant_account = account
        if account != self._merchant_account:
            expected = f"{self._merchant_account[:100]}, as batches of two accounts have the same numbers"
            raise FieldError("other_account", "Merchant Account", expected)

    def _directed(self, cells: Mapping[str, str], side: str, unit: str, code: str) -> int | None:
        """Credit less debit, of which only one may be filled; None where neither is."""
        debit, credit = cells[f"{side} Debit {unit}"], cells[f"{side} Credit {unit}"]
        if not debit and not credit:
            return None
        debit_minor = self._figures.unsigned(debit, code, f"{side} Debit {unit}") if debit else 0
        credit_minor = self._figures.unsigned(credit, code, f"{side} Credit {unit}") if credit else 0
        if debit_minor and credit_minor:
            raise FieldError(
                "direction_contradicted", f"{side} Debit {unit}", "a debit or a credit, not both"
            )
        return credit_minor - debit_minor

    def _costs(self, cells: Mapping[str, str], code: str) -> int:
        filled = [name for name in COSTS if cells.get(name)] or [
            name for name in (COSTS_IN_ALL,) if cells.get(name)
        ]
        return sum(self._figures.signed(cells[name], code, name) for name in filled)

    def _gross(
        self, cells: Mapping[str, str], net_currency: str, unreduced_minor: int
    ) -> tuple[str, int, str | None]:
        """Gross with its currency and rate; a row that moves nothing but its net has it as gross."""
        stated = cells["Gross Currency"]
        code = currency(stated, "Gross Currency") if stated else net_currency
        gross_minor = self._directed(cells, "Gross", "(GC)", code)
        if gross_minor is None:
            return net_currency, unreduced_minor, None
        exchanged = cells["Exchange Rate"]
        if code != net_currency:
            return code, gross_minor, rate(exchanged, "Exchange Rate") if exchanged else None
        if exchanged and not _ONE.fullmatch(exchanged):
            raise FieldError("rate_unneeded", "Exchange Rate", "1, as gross and net have one currency")
        return code, gross_minor, None

    def _time(self, cells: Mapping[str, str], name: str, zone_column: str) -> datetime:
        zone_name = cells.get(zone_column) or cells["TimeZone"]
        return named_time(wall_time(cells[name], name), zone_name, self._declared_zone, name)
