"""Sabotage of what lines in another currency than their charge's rest on: their rate, and a name for what it leaves."""

from typing import Final

from tools.sabotage.case import Case, Patch

_FINDING: Final = "services/reconciliation/adapters/finding_breaks_sql.py"
_EXPLAINING: Final = "services/reconciliation/adapters/explaining.py"
_PARTS: Final = "services/reconciliation/tests/db/test_explained_parts.py::"
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
    Case(
        name="recon-fee-across-exchange",
        protection="a fee is held to its price across an exchange as well, in the currency that both can be told in",
        change="only fees in the gross currency are",
        patches=(
            Patch(
                "services/reconciliation/adapters/fee_breaks_sql.py",
                "l.gross_minor <> 0 AND l.fee_currency <> l.currency",
                "false",
            ),
        ),
        tests=(_PARTS + "test_a_fee_across_an_exchange_is_held_to_the_price",),
    ),
    Case(
        name="recon-exchange-explained",
        protection="what a rate does not make of a gross is left unexplained until a break names it",
        change="whatever an exchange brought is explained",
        patches=(
            Patch(
                _EXPLAINING,
                "coalesce(sum(unexplained_minor), 0)::bigint AS unexplained_minor",
                "0::bigint AS unexplained_minor",
            ),
        ),
        tests=(_PARTS + "test_a_net_that_its_rate_does_not_make_is_left_until_a_break_names_it",),
    ),
    Case(
        name="recon-unread-explained",
        protection="what a payout has beyond the lines that could be read is left unexplained until it is named",
        change="a payout is what could be read of it",
        patches=(Patch(_EXPLAINING, "coalesce(stated_net_minor, 0) - lines_net_minor ELSE", "0 ELSE"),),
        tests=(
            _PARTS + "test_a_line_that_nobody_could_read_leaves_its_payout_unexplained_until_it_is_named",
        ),
    ),
    Case(
        name="recon-parts-of-a-month",
        protection="every part of every payout of a month is what the processor's book says, to the minor unit",
        change="refunds that failed are in no part",
        patches=(Patch(_EXPLAINING, '_of("refund", "refund_failure")', '_of("refund")'),),
        tests=("tests/integration/months/test_months.py::test_a_small_month_with_a_run_every_week",),
    ),
)
