"""Sabotage of reading reports: figures that contradict each other, times that are two, files that are cut off."""

from typing import Final

from tools.sabotage.case import Case, Patch

_READERS = "services/reconciliation/adapters/readers/"
_DOMAIN = "services/reconciliation/domain/"
_TESTS = "services/reconciliation/tests/unit/"

READING: Final = (
    Case(
        name="reading-net",
        protection="a line whose net is not its gross less its fee is quarantined, and its payout shows it",
        change="the figures of a line are not held to each other",
        patches=(
            Patch(
                _DOMAIN + "line_checks.py",
                "    if line.net_minor != line.gross_minor - fee_minor:\n",
                "    if False:\n",
            ),
        ),
        tests=(_TESTS + "test_tieout_csv.py::test_a_row_in_quarantine_shows_in_its_payouts_total",),
    ),
    Case(
        name="reading-payout-total",
        protection="the lines of a payout are held to the payout's own row",
        change="the total is counted as it was stated",
        patches=(
            Patch(
                _READERS + "payout_totals.py",
                "counted_minor=self._lines.get((payout_id, currency), 0),",
                "counted_minor=-self._paid.get((payout_id, currency), 0),",
            ),
        ),
        tests=(
            _TESTS + "test_stripe_payout_csv.py::test_a_row_that_is_missing_from_a_payout_shows_in_its_total",
        ),
    ),
    Case(
        name="reading-cut-off",
        protection="a file whose last line has no end may be cut off within a figure, and is refused",
        change="the last line is read as it stands",
        patches=(
            Patch(
                _READERS + "text_lines.py",
                '        if last_end_required and not line.endswith(b"\\n"):\n',
                "        if False:\n",
            ),
        ),
        tests=(_TESTS + "test_tieout_csv.py::test_a_file_that_ends_within_a_figure_is_refused",),
    ),
    Case(
        name="reading-direction",
        protection="the direction of an Adyen row is that of the column that its amount stands in",
        change="an amount counts for us in whichever column it stands",
        patches=(
            Patch(
                _READERS + "adyen_settlement_csv.py",
                "        return credit_minor - debit_minor\n",
                "        return credit_minor + debit_minor\n",
            ),
        ),
        tests=(
            _TESTS
            + "test_adyen_settlement_csv.py::test_the_direction_comes_from_the_column_and_never_from_the_type",
        ),
    ),
    Case(
        name="reading-repeated-hour",
        protection="a local time that the change of the clocks repeats is not guessed",
        change="the first of the two is taken",
        patches=(Patch(_DOMAIN + "report_values.py", "    if len(candidates) > 1:\n", "    if False:\n"),),
        tests=(
            _TESTS + "test_stripe_payout_csv.py::test_a_time_that_the_clocks_showed_twice_is_quarantined",
        ),
    ),
    Case(
        name="reading-equal-lines",
        protection="two lines that are equal in everything are two lines",
        change="equal lines have one id",
        patches=(
            Patch(
                _READERS + "line_ids.py",
                '        return identity if occurrence == 1 else f"{identity}#{occurrence}"\n',
                "        return identity\n",
            ),
        ),
        tests=(
            _TESTS + "test_adyen_settlement_csv.py::test_two_rows_that_are_equal_in_everything_are_two_lines",
        ),
    ),
    Case(
        name="reading-statement-of-entry",
        protection="entries of two statements are two entries, also under one reference of the bank",
        change="an entry's id leaves the statement out",
        patches=(
            Patch(
                _READERS + "bank_lines.py",
                "    return ids.line_id(account, statement_id, booked_on.isoformat(), what)\n",
                "    return ids.line_id(account, booked_on.isoformat(), what)\n",
            ),
        ),
        tests=(
            _TESTS + "test_camt053.py::test_two_statements_never_share_an_entry",
            _TESTS + "test_mt940.py::test_two_statements_never_share_an_entry",
        ),
    ),
    Case(
        name="reading-doctype",
        protection="XML with a document type definition is refused, whatever it would expand to",
        change="a definition is passed over",
        patches=(Patch(_READERS + "camt053.py", "    if tree.docinfo.doctype:\n", "    if False:\n"),),
        tests=(_TESTS + "test_camt053.py::test_a_document_type_definition_is_refused",),
    ),
)
