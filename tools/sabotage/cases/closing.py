"""Sabotage of closed months: nothing takes effect in them, and two people close them."""

from typing import Final

from tools.sabotage.case import Case, Patch

_USE_CASES: Final = "services/ledger/app/close_period.py"
_DOMAIN: Final = "services/ledger/domain/periods.py"
_SCHEMA: Final = "services/ledger/migrations/versions/0011_close_periods.py"
_VERIFY: Final = "services/ledger/app/verify_periods.py"
_TESTS: Final = "services/ledger/tests/db/test_periods.py::"
_SEALS_TESTS: Final = "services/ledger/tests/db/test_closing_seals.py::"
_VERIFY_TESTS: Final = "services/ledger/tests/db/test_closed_periods_verify.py::"
_TURN: Final = "    PERFORM pg_advisory_xact_lock_shared(hashtextextended('ledger:periods', 0));\n"
_READ: Final = "    SELECT max(ends_at) INTO found FROM closed_periods;\n"

CLOSING: Final = (
    Case(
        name="late-in-open-month",
        protection="a fact of a closed month takes effect in the first open one and keeps the time that was told",
        change="it is booked as of when it was told",
        patches=(
            Patch(
                _DOMAIN, "    if opens_at is None or journal.effective_at >= opens_at:\n", "    if True:\n"
            ),
        ),
        tests=(_TESTS + "test_a_late_fact_takes_effect_in_the_first_open_month_and_keeps_both_dates",),
    ),
    Case(
        name="closed-month-in-sql",
        protection="the database adds no journal to a closed month, whoever asks",
        change="the trigger lets every time pass",
        patches=(Patch(_SCHEMA, "WHERE n.effective_at < opens_at LIMIT 1", "WHERE false LIMIT 1"),),
        tests=(_TESTS + "test_plain_sql_is_refused_what_python_refuses",),
    ),
    Case(
        name="close-waits-for-posting",
        protection="a close waits for what is being posted under the boundary before it, and sees it",
        change="whoever posts takes no turn",
        patches=(Patch(_SCHEMA, _TURN, ""),),
        tests=(_TESTS + "test_a_close_waits_for_what_is_being_posted_and_sees_it",),
    ),
    Case(
        name="posting-reads-after-its-turn",
        protection="the boundary is read when the turn has come, not before",
        change="it is read first, then the turn is taken",
        patches=(Patch(_SCHEMA, _TURN + _READ, _READ + _TURN),),
        tests=(_TESTS + "test_what_is_posted_while_a_month_is_closed_waits_and_is_late",),
    ),
    Case(
        name="close-four-eyes",
        protection="whoever proposed a close is told that somebody else has to approve it",
        change="the use case does not compare them",
        patches=(Patch(_USE_CASES, "    check_four_eyes(close.proposed_by, actor.name)\n", ""),),
        tests=(_TESTS + "test_a_month_is_closed_by_two_people_in_order_and_for_good",),
    ),
    Case(
        name="close-four-eyes-in-sql",
        protection="the database keeps whoever proposed a close from approving it",
        change="the CHECK is gone",
        patches=(Patch(_SCHEMA, "CHECK (state <> 'APPROVED' OR decided_by <> proposed_by)", "CHECK (true)"),),
        tests=(_TESTS + "test_plain_sql_is_refused_what_python_refuses",),
    ),
    Case(
        name="close-in-order-in-sql",
        protection="the database closes months without a gap",
        change="the trigger takes any month",
        patches=(Patch(_SCHEMA, "    ELSIF opens_at <> NEW.starts_at THEN\n", "    ELSIF false THEN\n"),),
        tests=(_TESTS + "test_plain_sql_is_refused_what_python_refuses",),
    ),
    Case(
        name="close-when-over-in-sql",
        protection="the database closes no month that is not over by its own clock",
        change="the trigger does not ask its clock",
        patches=(Patch(_SCHEMA, "    IF clock_timestamp() < NEW.ends_at THEN\n", "    IF false THEN\n"),),
        tests=(_TESTS + "test_plain_sql_is_refused_what_python_refuses",),
    ),
    Case(
        name="close-when-sealed",
        protection="a month is closed only when everything in it is sealed",
        change="the use case does not ask",
        patches=(Patch(_USE_CASES, "    if end.unsealed:\n        raise", "    if False:\n        raise"),),
        tests=(_SEALS_TESTS + "test_a_close_leaves_more_than_one_transaction_takes_on_to_the_sealer",),
    ),
    Case(
        name="close-seals-the-rest",
        protection="a stream of late facts puts no close off: what is left of the month is sealed by its close",
        change="the close is refused while something of its month is not sealed",
        patches=(Patch(_USE_CASES, "        if not seal_the_rest(work):\n", "        if not work.seals:\n"),),
        tests=(_SEALS_TESTS + "test_late_facts_without_an_end_put_no_close_off",),
    ),
    Case(
        name="close-waits-for-sealer",
        protection="a close that seals takes the sealer's lease, behind whoever has it",
        change="it reads how far the sealer is and does not wait",
        patches=(
            Patch(
                "services/ledger/adapters/seals.py",
                "exec_driver_sql(_WAIT, {",
                'exec_driver_sql(_WAIT.replace(" FOR UPDATE", ""), {',
            ),
        ),
        tests=(_SEALS_TESTS + "test_a_close_waits_for_a_sealer_at_work_and_not_for_long",),
    ),
    Case(
        name="close-when-sealed-in-sql",
        protection="the database closes no month of which something is not sealed up to the close",
        change="the trigger does not look",
        patches=(
            Patch(
                _SCHEMA,
                "        why := 'not everything in it is sealed up to there';\n",
                "        why := NULL;\n",
            ),
        ),
        tests=(_TESTS + "test_the_database_keeps_a_month_with_unsealed_journals_open_by_itself",),
    ),
    Case(
        name="late-noted-at-booking",
        protection="nothing is called late after it was booked",
        change="the trigger takes any journal",
        patches=(
            Patch(
                _SCHEMA,
                "     WHERE j.position IS NULL OR j.booked_at <> now() OR j.effective_at IS DISTINCT FROM opens_at\n"
                "        OR n.told_effective_at >= j.effective_at\n",
                "     WHERE false\n",
            ),
        ),
        tests=(_TESTS + "test_plain_sql_is_refused_what_python_refuses",),
    ),
    Case(
        name="adjustment-in-open-month",
        protection="an adjustment into a closed month is refused, not moved",
        change="the use case does not ask",
        patches=(
            Patch(
                "services/ledger/app/adjust_books.py",
                "    check_open(journal.effective_at, work.periods.opens_at())\n",
                "",
            ),
        ),
        tests=(_TESTS + "test_an_adjustment_by_a_clock_in_a_closed_month_is_refused",),
    ),
    Case(
        name="verify-closed-months",
        protection="what is sealed behind the close of its month and takes effect in it is found",
        change="verification holds only hashes against closes",
        patches=(Patch(_VERIFY, "effective_at_us < self._opens_at_us:\n", "False:\n"),),
        tests=(_VERIFY_TESTS + "test_a_journal_sealed_behind_the_close_of_its_month_is_found",),
    ),
    Case(
        name="verify-close-hash",
        protection="a close that names another hash than the chain is found",
        change="verification does not compare them",
        patches=(
            Patch(_VERIFY, "            if close.hash != seal.hash.hex():\n", "            if False:\n"),
        ),
        tests=(_VERIFY_TESTS + "test_every_change_is_found_by_name",),
    ),
    Case(
        name="verify-kept-closes",
        protection="a close that was removed is found by whoever kept it",
        change="verification does not look for it",
        patches=(
            Patch(_VERIFY, "            if ours.get(close.close_id) != close:\n", "            if False:\n"),
        ),
        tests=(_VERIFY_TESTS + "test_a_close_that_was_removed_is_found_by_whoever_kept_it",),
    ),
)
