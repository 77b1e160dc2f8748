"""Sabotage of reconciled months: two people, figures as proposed, nothing changed once closed; and of the report."""

from typing import Final

from tools.sabotage.case import Case, Patch

_USE_CASES: Final = "services/reconciliation/app/close_month.py"
_DOMAIN: Final = "services/reconciliation/domain/periods.py"
_FIGURES: Final = "services/reconciliation/adapters/period_figures_sql.py"
_SCHEMA: Final = "services/reconciliation/migrations/versions/0004_close_months.py"
_BESIDE: Final = "services/reconciliation/migrations/versions/0015_close_beside_nobody.py"
_AGAIN: Final = "services/reconciliation/adapters/recomputing.py"
_AGAIN_TESTS: Final = "services/reconciliation/tests/db/test_recompute.py::"
_TESTS: Final = "services/reconciliation/tests/db/test_periods.py::"
_KEPT: Final = "services/reconciliation/adapters/kept_days.py"
_DAYS_TESTS: Final = "services/reconciliation/tests/db/test_closed_days.py::"

CLOSED_MONTHS: Final = (
    Case(
        name="month-four-eyes",
        protection="whoever proposed a month's close is told that somebody else has to approve it",
        change="the use case does not compare them",
        patches=(Patch(_USE_CASES, "    check_four_eyes(close.proposed_by, actor.name)\n", ""),),
        tests=(_TESTS + "test_whoever_proposed_a_close_cannot_approve_it",),
    ),
    Case(
        name="month-four-eyes-in-sql",
        protection="the database keeps whoever proposed a month's close from approving it",
        change="the CHECK is gone",
        patches=(Patch(_SCHEMA, "CHECK (state <> 'APPROVED' OR decided_by <> proposed_by)", "CHECK (true)"),),
        tests=(_TESTS + "test_plain_sql_closes_no_month_that_two_people_did_not",),
    ),
    Case(
        name="month-as-proposed",
        protection="a month is closed with the figures that were proposed, or not at all",
        change="what became of the figures since is not compared",
        patches=(Patch(_USE_CASES, "    if worked_out.digest != close.digest:\n", "    if False:\n"),),
        tests=(_TESTS + "test_a_month_is_closed_with_the_figures_that_were_proposed_or_not_at_all",),
    ),
    Case(
        name="month-as-proposed-in-sql",
        protection="the database closes a month under the digest that was proposed alone",
        change="only the close has to be there",
        patches=(
            Patch(
                _SCHEMA,
                "FOREIGN KEY (close_id, period, digest)\n        REFERENCES period_closes (close_id, period, digest),",
                "FOREIGN KEY (close_id)\n        REFERENCES period_closes (close_id),",
            ),
        ),
        tests=(_TESTS + "test_plain_sql_closes_no_month_with_other_figures_than_were_proposed",),
    ),
    Case(
        name="month-stays-closed",
        protection="nothing is added to a closed month, whoever asks",
        change="the trigger lets every row pass",
        patches=(Patch(_BESIDE, "    IF closed IS NOT NULL THEN\n", "    IF false THEN\n"),),
        tests=(_TESTS + "test_plain_sql_adds_nothing_to_a_closed_month",),
    ),
    Case(
        name="month-added-beside",
        protection="nothing is added to a month while it is being closed, whoever asks",
        change="whoever adds takes no turn",
        patches=(
            Patch(
                _BESIDE,
                "    PERFORM pg_advisory_xact_lock_shared(hashtextextended('reconciliation closing', 0));\n",
                "",
            ),
        ),
        tests=(_TESTS + "test_plain_sql_adds_nothing_to_a_month_while_it_is_being_closed",),
    ),
    Case(
        name="month-opens-as-closed",
        protection="a month opens with what the one before it closed with",
        change="the trigger does not compare them",
        patches=(
            Patch(
                _SCHEMA,
                "WHERE coalesce(n.opening_minor, 0) <> coalesce(o.closing_minor, 0)) THEN",
                "WHERE false) THEN",
            ),
        ),
        tests=(_TESTS + "test_a_month_opens_with_what_the_one_before_closed_with",),
    ),
    Case(
        name="month-explained",
        protection="a month with a difference that nothing names is not closed, and says which",
        change="nameless differences are passed over",
        patches=(Patch(_DOMAIN, "    if unfinished.unnamed:\n", "    if False:\n"),),
        tests=(_TESTS + "test_a_month_with_a_difference_that_nothing_names_is_not_closed_and_says_which",),
    ),
    Case(
        name="month-late-named",
        protection="what happened in a closed month and comes later is named in the next one",
        change="nothing counts as late",
        patches=(
            Patch(
                _FIGURES,
                '_CLOSED_BEFORE: Final = "EXISTS (SELECT FROM closed_periods WHERE period < %(period)s)"',
                '_CLOSED_BEFORE: Final = "false"',
            ),
        ),
        tests=(_TESTS + "test_what_comes_late_goes_to_the_next_month_and_is_named_there",),
    ),
    Case(
        name="recompute-compares",
        protection="a closed month that comes to something else when it is computed again is told row by row",
        change="each side is compared with itself",
        patches=(Patch(_AGAIN, 'f"({one}) EXCEPT ({other})', 'f"({one}) EXCEPT ({one})'),),
        tests=(_AGAIN_TESTS + "test_other_bytes_or_other_words_are_told_and_end_with_one",),
    ),
    Case(
        name="recompute-days",
        protection="the days of a closed month are computed again and held to what was kept of them",
        change="they are not compared",
        patches=(
            Patch(_AGAIN, 'if close["keeps_days"] or table not in OF_DAYS:', "if table not in OF_DAYS:"),
        ),
        tests=(_AGAIN_TESTS + "test_days_and_breaks_that_were_kept_otherwise_are_told_row_by_row",),
    ),
    Case(
        name="recompute-decisions",
        protection="a month is computed again with what people had decided of a break that no leg shows",
        change="only what still stood is known",
        patches=(Patch(_AGAIN, "h.break_id = n.break_id AND h.at <= %(closed_at)s", "false"),),
        tests=(_AGAIN_TESTS + "test_what_was_resolved_where_no_leg_differs_is_accepted_money_of_its_day",),
    ),
    Case(
        name="recompute-hashes",
        protection="a closed month rests on the bytes that it had, by their hashes",
        change="the bytes are not hashed again",
        patches=(
            Patch(
                _AGAIN,
                "            if _hash_of(unit.files, file_id) != bytes(sha256):\n",
                "            if False:\n",
            ),
        ),
        tests=(_AGAIN_TESTS + "test_other_bytes_or_other_words_are_told_and_end_with_one",),
    ),
    Case(
        name="recompute-leaves-nothing",
        protection="computing a month again writes nothing that lasts",
        change="its tables stay",
        patches=(
            Patch(
                "services/reconciliation/adapters/shadow_tables.py",
                "        savepoint.rollback()\n",
                "        pass\n",
            ),
        ),
        tests=(_AGAIN_TESTS + "test_it_leaves_nothing_and_tells_nothing",),
    ),
    Case(
        name="month-keeps-days",
        protection="the days of a closed month are shown as they were at its close",
        change="they are read as they are",
        patches=(
            Patch(_KEPT, " WHERE keeps_days ORDER BY ends_at\n", " WHERE false ORDER BY ends_at\n"),
            Patch(
                _KEPT,
                "{_BANDS} FROM period_days WHERE day BETWEEN",
                "{_BANDS} FROM period_days WHERE false AND day BETWEEN",
            ),
            Patch(
                _KEPT,
                "  FROM period_explained WHERE day BETWEEN",
                "  FROM period_explained WHERE false AND day BETWEEN",
            ),
        ),
        tests=(_DAYS_TESTS + "test_nothing_that_comes_after_the_close_changes_a_byte_of_it",),
    ),
    Case(
        name="month-keeps-days-in-sql",
        protection="the database takes no more days of a month once it is closed",
        change="nobody looks whether the month is closed",
        patches=(
            Patch(
                "services/reconciliation/migrations/versions/0027_keep_days_of_months.py",
                "        op.execute(_STILL_OPEN.format(table=table))\n",
                "",
            ),
            Patch(
                "services/reconciliation/migrations/checks/0027.sql",
                "'period_days_still_open', 'period_explained_still_open', ",
                "",
            ),
        ),
        tests=(_DAYS_TESTS + "test_what_days_came_to_cannot_be_changed_in_sql",),
    ),
    Case(
        name="report-escapes",
        protection="what a file says never becomes markup of the report page",
        change="the templates do not escape",
        patches=(
            Patch(
                "services/reconciliation/adapters/report_page.py",
                "    autoescape=True,\n",
                "    autoescape=False,\n",
            ),
        ),
        tests=(
            "services/reconciliation/tests/db/test_report_page.py::test_what_a_file_says_never_becomes_markup",
        ),
    ),
)
