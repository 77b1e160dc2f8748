"""Sabotage of what only a whole month of payments shows: prices, calendars, and words that contradict each other."""

from typing import Final

from tools.sabotage.case import Case, Patch

_FINDING: Final = "services/reconciliation/adapters/finding_breaks_sql.py"
_FEES: Final = "services/reconciliation/adapters/fee_breaks_sql.py"
_CALENDARS: Final = "services/reconciliation/domain/calendars.py"
_ITEMS: Final = "services/reconciliation/adapters/our_items.py"
_MONTH: Final = "tests/integration/months/test_months.py::test_a_small_month_with_a_run_every_week"
_DUE: Final = "test_calendars.py::test_of_a_batch_each_moment_is_due_as_it_is_by_itself"
_CONFLICTS: Final = "services/reconciliation/tests/db/test_status_conflicts.py::"

MONTHS: Final = (
    Case(
        name="recon-given-up",
        protection="money for what we gave up is a conflict of status, not something unknown",
        change="what was given up is not looked at",
        patches=(Patch(_FINDING, 'Sign.WE_GAVE_UP: "g.name IS NOT NULL"', 'Sign.WE_GAVE_UP: "false"'),),
        tests=(_CONFLICTS + "test_money_for_what_we_gave_up_is_a_conflict_whichever_came_first",),
    ),
    Case(
        name="recon-refund-stands",
        protection="the failure of a refund that we hold to stand is a conflict of status",
        change="it is taken for something unknown",
        patches=(Patch(_FINDING, "Sign.WE_SAY_SUCCEEDED: _REFUND_STANDS", 'Sign.WE_SAY_SUCCEEDED: "false"'),),
        tests=(_CONFLICTS + "test_a_failure_of_a_refund_that_stands_is_a_conflict_until_we_hear_of_it",),
    ),
    Case(
        name="recon-stray-alone",
        protection="a stray whose line is late is a stray, not a delay",
        change="a stray without its line is taken for a capture of ours",
        patches=(
            Patch(_FINDING, """Sign.KNOWN_AS_STRAY: "i.kind = 'stray'",""", 'Sign.KNOWN_AS_STRAY: "false",'),
        ),
        tests=(_CONFLICTS + "test_a_stray_whose_line_does_not_come_is_a_stray_all_the_same",),
    ),
    Case(
        name="recon-fee-rounded",
        protection="an agreed share is rounded half up, as processors do",
        change="what is below a minor unit is dropped",
        patches=(
            Patch(_FEES, "{price}.per_million + 500000) / 1000000)", "{price}.per_million) / 1000000)"),
        ),
        tests=(_MONTH,),
    ),
    Case(
        name="recon-own-holidays",
        protection="a line is late and lost by its processor's own business days",
        change="its holidays are not counted",
        patches=(Patch(_ITEMS, 'holidays=frozenset(row["holidays"])', "holidays=frozenset()"),),
        tests=(_MONTH,),
    ),
    Case(
        name="recon-due-by-its-day",
        protection="what a batch has in common is due by the day that it happened on, as its processor's clock has it",
        change="the day is the one that the event was written in",
        patches=(Patch(_CALENDARS, "occurred_at.astimezone(self._zone).date()", "occurred_at.date()"),),
        tests=("services/reconciliation/tests/unit/" + _DUE,),
    ),
)
