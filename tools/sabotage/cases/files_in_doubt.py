"""Sabotage of what is said of files themselves, of days of business, and of what is left of a day or a closed month."""

from typing import Final

from tools.sabotage.case import Case, Patch

_ADAPTERS: Final = "services/reconciliation/adapters/"
_DB: Final = "services/reconciliation/tests/db/"
_ADYEN: Final = "services/reconciliation/tests/unit/test_adyen_settlement_csv.py::"
_FILES: Final = _DB + "test_file_breaks.py::"
_ORDER: Final = _DB + "test_file_order.py::"

FILES_IN_DOUBT: Final = (
    Case(
        name="recon-files-hold-up-month",
        protection="a month is not closed over files that do not add up or were not read, unless two people accept it",
        change="the close does not look",
        patches=(
            Patch(
                "services/reconciliation/domain/periods.py",
                "    if unfinished.files_in_doubt:\n",
                "    if unfinished.files_in_doubt and False:\n",
            ),
        ),
        tests=(_FILES + "test_a_month_is_not_closed_over_what_its_files_lack_unless_two_people_accept_it",),
    ),
    Case(
        name="recon-order-unknown",
        protection="of two reports that contradict each other people are asked which one holds",
        change="nobody is asked",
        patches=(
            Patch(
                _ADAPTERS + "staging_sql.py",
                'SETTLEMENT_SAYS: Final = (REPEATED.format(table="report_lines"), _STATED, _CONTRADICTED)',
                'SETTLEMENT_SAYS: Final = (REPEATED.format(table="report_lines"), _STATED)',
            ),
        ),
        tests=(_ORDER + "test_in_either_order_people_are_asked_which_of_two_reports_holds",),
    ),
    Case(
        name="recon-order-of-statements",
        protection="of two readings of a statement people are asked which one holds, unless the bank's times say it",
        change="nobody is asked",
        patches=(
            Patch(
                _ADAPTERS + "staging_bank_sql.py",
                'BANK_SAYS: Final = (REPEATED.format(table="statement_lines"), _STATED, _CONTRADICTED)',
                'BANK_SAYS: Final = (REPEATED.format(table="statement_lines"), _STATED)',
            ),
        ),
        tests=(
            _ORDER + "test_of_two_readings_of_a_statement_people_are_asked_only_where_the_bank_does_not_say",
        ),
    ),
    Case(
        name="recon-order-of-more",
        protection="a report that only adds lines to a payout is asked about as one that only leaves them out",
        change="only what an earlier report said is looked for in the later one",
        patches=(
            Patch(
                _ADAPTERS + "staging_sql.py",
                " WHERE EXISTS (SELECT FROM told) AND s.category <> 'payout'\n",
                " WHERE false\n",
            ),
        ),
        tests=(
            _ORDER
            + "test_people_are_asked_about_a_report_that_only_says_more_as_about_one_that_only_says_less",
        ),
    ),
    Case(
        name="recon-order-of-more-entries",
        protection="a statement that only adds entries is asked about as one that only leaves them out",
        change="only what an earlier reading said is looked for in the later one",
        patches=(
            Patch(
                _ADAPTERS + "staging_bank_sql.py",
                "        UNION\n        {_MORE}) AS o\n",
                "        ) AS o\n",
            ),
        ),
        tests=(
            _ORDER
            + "test_people_are_asked_about_a_statement_that_only_says_more_unless_the_bank_says_which_was_made_later",
        ),
    ),
    Case(
        name="recon-preferred-recomputed",
        protection="a closed month is computed again with the files that people preferred",
        change="nobody preferred any",
        patches=(Patch(_ADAPTERS + "recomputing.py", "    for row in preferred:\n", "    for row in ():\n"),),
        tests=(
            _ORDER + "test_a_month_with_a_preferred_file_comes_to_the_same_when_it_is_computed_once_more",
        ),
    ),
    Case(
        name="recon-not-asked-then",
        protection="a month is computed again without asking about files that came before anybody was asked",
        change="it asks about them",
        patches=(
            Patch(
                _ADAPTERS + "recomputing.py",
                '        self._shadows.exec_driver_sql(_NOT_ASKED, {"file_id": file_id})\n',
                "",
            ),
        ),
        tests=(
            _ORDER
            + "test_a_month_is_computed_once_more_without_asking_about_files_that_came_before_anybody_was_asked",
        ),
    ),
    Case(
        name="recon-preferred-reading",
        protection="the statement behind one of two readings is held to the one that was preferred",
        change="it is held to the one that came last",
        patches=(
            Patch(
                _ADAPTERS + "file_breaks_sql.py",
                "coalesce(last.place, f.staged_nth) DESC, last.nth DESC NULLS LAST, ",
                "",
            ),
        ),
        tests=(_ORDER + "test_the_next_statement_is_held_to_the_reading_that_was_preferred",),
    ),
    Case(
        name="recon-preferred-settles",
        protection="a preferred file decides also between two others where it says all that they say",
        change="only what names the file is decided",
        patches=(
            Patch(
                _ADAPTERS + "file_breaks_sql.py",
                " EXISTS (SELECT FROM report_files AS a JOIN",
                " false AND EXISTS (SELECT FROM report_files AS a JOIN",
            ),
        ),
        tests=(
            _ORDER + "test_of_three_files_the_preferred_one_decides_also_between_the_two_others"
            "_where_it_says_all_that_they_say",
            _ORDER
            + "test_of_three_readings_of_a_statement_the_preferred_one_decides_also_between_the_two_others",
        ),
    ),
    Case(
        name="recon-preferred-settles-no-more",
        protection="a preferred file decides nothing of what it does not say",
        change="it decides between any two of its source",
        patches=(
            Patch(
                _ADAPTERS + "file_breaks_sql.py",
                "FROM report_lines AS r WHERE r.file_id IN (c.file_id, c.former_file_id)\n",
                "FROM report_lines AS r WHERE false\n",
            ),
        ),
        tests=(_ORDER + "test_of_three_files_the_preferred_one_decides_nothing_of_what_it_does_not_say",),
    ),
    Case(
        name="recon-unread-lines",
        protection="a payout of which money is left names the lines in quarantine that bear its id as a whole word",
        change="any part of a line's text that reads alike will do",
        patches=(
            Patch(
                _ADAPTERS + "explaining.py",
                """                || '($|[^[:alnum:]_-])')
""",
                """                || '')
""",
            ),
        ),
        tests=(
            _DB + "test_explained_parts.py::"
            "test_a_payout_without_a_row_of_its_own_names_the_lines_of_it_that_nobody_could_read",
        ),
    ),
    Case(
        name="recon-payout-total",
        protection="a payout whose own row says another sum than its lines is a break with the difference at risk",
        change="nobody compares",
        patches=(
            Patch(_ADAPTERS + "finding_breaks_sql.py", '"p.lines_net_minor <> p.stated_minor"', '"false"'),
        ),
        tests=(
            _FILES
            + "test_a_payout_whose_own_row_says_another_sum_is_a_break_with_the_difference_until_the_line_comes",
        ),
    ),
    Case(
        name="recon-statement-missing",
        protection="a statement that never came is a break, by the balances of those beside it",
        change="no opening balance is held against the closing one before it",
        patches=(Patch(_ADAPTERS + "file_breaks_sql.py", "r.opening_minor <> ALL (d.former)", "false"),),
        tests=(
            _FILES + "test_a_statement_that_never_came_is_a_break_that_names_account_and_days_until_it_comes",
        ),
    ),
    Case(
        name="recon-bank-business-days",
        protection="the bank has two days of business for a payout, by its processor's calendar",
        change="every day is a day of business",
        patches=(
            Patch(_ADAPTERS + "bank_days_sql.py", 'f"extract(isodow FROM day) <= {SATURDAY}"', '"true"'),
        ),
        tests=(_DB + "test_bank_days.py::test_the_bank_has_two_business_days_of_the_processor",),
    ),
    Case(
        name="recon-nameless-rows",
        protection="two of Adyen's rows without references are two lines, also in two pieces of a report",
        change="their amounts are no part of their ids",
        patches=(
            Patch(
                _ADAPTERS + "readers/adyen_settlement_csv.py",
                "        if not original and not modification and not paid_out:\n",
                "        if False:\n",
            ),
        ),
        tests=(_ADYEN + "test_rows_without_references_are_told_apart_by_what_they_say_also_in_two_files",),
    ),
    Case(
        name="recon-closed-month-report",
        protection="the report of a closed month shows the breaks that stood at its close",
        change="it shows today's",
        patches=(
            Patch(
                _ADAPTERS + "report_figures.py",
                "    closed = closed_month_of(connection, last_day)\n",
                "    closed = None\n",
            ),
        ),
        tests=(
            _DB
            + "test_report_page.py::test_the_report_of_a_closed_month_shows_the_breaks_that_stood_at_its_close",
        ),
    ),
    Case(
        name="recon-days-without-netting",
        protection="a payout that is short and one that is over do not make each other good within a day",
        change="what they leave is added up with its sign",
        patches=(
            Patch(
                _ADAPTERS + "explained_days.py",
                "sum(abs(left_minor))::bigint AS residue_minor",
                "sum(left_minor)::bigint AS residue_minor",
            ),
        ),
        tests=(
            _DB + "test_explained_days.py::test_what_is_left_of_a_day_adds_up_without_signs_and_is_named",
        ),
    ),
    Case(
        name="break-queue-major-units",
        protection="over currencies the queue of breaks is ordered by major units",
        change="every currency has two decimals",
        patches=(
            Patch(
                _ADAPTERS + "break_queue.py",
                "{FINEST_SCALE} - {scale_of('b.currency')}",
                "{FINEST_SCALE} - 2",
            ),
        ),
        tests=(
            _DB
            + "test_break_queue.py::test_money_at_risk_counts_in_major_units_whatever_decimals_its_currency_has",
        ),
    ),
)
