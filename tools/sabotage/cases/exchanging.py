"""Sabotage of what lines in another currency than their charge's rest on: their rate, and a name for what it leaves."""

from typing import Final

from tools.sabotage.case import Case, Patch

_FINDING: Final = "services/reconciliation/adapters/finding_breaks_sql.py"
_SUSPENSE: Final = "tests/integration/test_suspense_is_named.py::"

EXCHANGING: Final = (
    Case(
        name="recon-rate-of-both-amounts",
        protection="where a report states both amounts of an exchange and no rate, the rate is their quotient",
        change="the line goes without one",
        patches=(
            Patch(
                "services/reconciliation/adapters/readers/stripe_payout_csv.py",
                "exchange_rate = stated_rate(paid_minor, facing, gross_minor, settled)",
                "exchange_rate = None",
            ),
        ),
        tests=(
            _SUSPENSE + "test_an_exchange_of_which_stripe_states_both_amounts_leaves_nothing_in_suspense",
        ),
    ),
    Case(
        name="recon-suspense-is-named",
        protection="what a line leaves in the ledger's suspense is a break, line by line and to the minor unit",
        change="nobody works out what the rate does not explain",
        patches=(Patch(_FINDING, "_LINES_ALONE, _RESIDUES, _PAYOUTS", "_LINES_ALONE, _PAYOUTS"),),
        tests=(
            _SUSPENSE + "test_a_rate_that_does_not_make_the_net_of_the_gross_is_named",
            _SUSPENSE + "test_lines_of_any_kind_and_rate_are_named_as_the_ledger_books_them",
        ),
    ),
    Case(
        name="recon-rate-corrected",
        protection="a correction of a rate, a fee or a net alone is looked at by the next run",
        change="only what a match rests on is",
        patches=(
            Patch(
                "services/reconciliation/adapters/staging_sql.py",
                "SELECT source, line_id, false FROM replaced ON CONFLICT",
                "SELECT source, line_id, false FROM replaced WHERE false ON CONFLICT",
            ),
        ),
        tests=(
            _SUSPENSE + "test_a_rate_that_is_corrected_closes_its_break_before_and_after_the_line_was_told",
        ),
    ),
)
