"""Sabotage of what bounds the books' movements: nothing is taken that does not stand there, by facts or by people."""

from typing import Final

from tools.sabotage.case import Case, Patch

_SCHEMA: Final = "services/ledger/migrations/versions/0025_bound_adjustments.py"
_TESTS: Final = "services/ledger/tests/db/test_ceilings.py::"
_BOUNDS: Final = "services/ledger/domain/bounds.py"
_RULES: Final = "services/ledger/domain/posting_rules.py"
_REFUSED: Final = "services/ledger/tests/db/test_refused_events.py::"
_LINES: Final = "services/ledger/tests/db/test_refused_lines.py::"
_GROUND: Final = "services/ledger/tests/property/test_nothing_without_its_ground.py::"
_ANY: Final = _GROUND + "test_it_is_refused_by_its_code_and_books_nothing"
_LIVES: Final = "services/ledger/tests/unit/test_lives.py::"
_LOAD: Final = "services/ledger/tests/db/test_under_load.py::test_nothing_is_lost_and_floors_hold_under_load"

_OPENING: Final = (
    "services/ledger/tests/db/test_under_load.py::"
    "test_sessions_that_come_by_the_same_accounts_in_opposite_orders_queue_up"
)

BOUNDING: Final = (
    Case(
        name="ceiling-in-sql",
        protection="the database keeps an adjustment from taking more than stands there, whoever writes it",
        change="the trigger takes every sum",
        patches=(
            Patch(
                _SCHEMA,
                "IF taken.side = 'debit' AND net_minor > 0 OR taken.side = 'credit' AND net_minor < 0 THEN",
                "IF false THEN",
            ),
        ),
        tests=(
            _TESTS + "test_plain_sql_takes_no_more_than_stands_there",
            _TESTS + "test_python_that_looks_at_nothing_is_stopped_by_the_database",
            _TESTS + "test_what_is_folded_and_what_is_not_counts_once",
        ),
    ),
    Case(
        name="ceiling-in-turn",
        protection="of two that take all of a debt or of a clearing key at once by plain SQL, one does",
        change="the trigger takes no turn",
        patches=(
            Patch(_SCHEMA, "        PERFORM pg_advisory_xact_lock(hashtextextended(taken.turn, 0));\n", ""),
        ),
        tests=(_TESTS + "test_of_two_that_take_all_of_it_at_once_one_does",),
    ),
    Case(
        name="ceiling-behind-the-fold",
        protection="the ceiling counts what is folded of a clearing key once",
        change="every entry counts beside what is folded",
        patches=(
            Patch(
                _SCHEMA,
                "e.journal_position > (SELECT coalesce(max(folded_position), 0) FROM clearing_progress)",
                "true",
            ),
        ),
        tests=(_TESTS + "test_what_is_folded_and_what_is_not_counts_once",),
    ),
    Case(
        name="adjustment-as-template",
        protection="an approved adjustment is booked on the legs of its template and no others",
        change="the trigger does not compare the families",
        patches=(Patch(_SCHEMA, "AND e.side = l.side AND a.family = l.family", "AND e.side = l.side"),),
        tests=(_TESTS + "test_a_journal_with_other_legs_than_its_templates_is_refused",),
    ),
    Case(
        name="success-was-asked-for",
        protection="no refund or return succeeds in the books that was not asked for, or that failed before",
        change="what has no request is booked",
        patches=(
            Patch(
                _BOUNDS,
                "    if asked is None or books.find_fact(rule + REVERSED_SUFFIX, fields[named_by]) is not None:\n",
                "    if asked is None:\n        return\n    if False:\n",
            ),
        ),
        tests=(
            _REFUSED + "test_what_was_not_asked_for_or_failed_does_not_succeed",
            _ANY,
        ),
    ),
    Case(
        name="loss-within-what-is-held",
        protection="no loss is written off beyond what its dispute holds, nor taken back beyond what was written off",
        change="nobody looks what stands",
        patches=(Patch(_BOUNDS, "    if taken.amount_minor > stands_minor:\n", "    if False:\n"),),
        tests=(
            _REFUSED + "test_a_loss_of_more_than_the_dispute_holds_is_parked",
            _ANY,
        ),
    ),
    Case(
        name="settled-was-captured",
        protection="nothing becomes available that was not captured, nor more or less of it than was pending",
        change="a settled capture is booked whatever stands of it",
        patches=(Patch(_RULES, '        ground=Ground("capture", OBJECT, MP),\n', ""),),
        tests=(
            _REFUSED + "test_what_settles_is_a_capture_that_is_booked_with_the_same_money_or_parked",
            _ANY,
        ),
    ),
    Case(
        name="settled-once",
        protection="a capture becomes available once, and again only after it was taken back",
        change="nobody counts what took it already",
        patches=(
            Patch(
                _BOUNDS,
                "    if sum(_on(ground.family, each) == taken for each in took) >= there:\n",
                "    if False:\n",
            ),
        ),
        tests=(_REFUSED + "test_what_settled_settles_again_only_after_it_was_taken_back", _ANY),
    ),
    Case(
        name="settled-at-its-processor",
        protection="what settles rests on the capture of its own processor, not on one that has the same id elsewhere",
        change="the object's id alone names the capture",
        patches=(
            Patch(
                _BOUNDS,
                "entry.clearing_key == key for entry",
                'str(entry.clearing_key).endswith(key.split(":")[-1]) for entry',
            ),
        ),
        tests=(_REFUSED + "test_what_settles_rests_on_the_capture_of_its_own_processor",),
    ),
    Case(
        name="stray-is-named",
        protection="money of a stray that no event names parks its payment, and the consumer goes on",
        change="a key is made of whatever there is",
        patches=(
            Patch(
                _BOUNDS,
                "    if None in values:\n",
                "    if not (values := [str(value) for value in values]):\n",
            ),
        ),
        tests=(_REFUSED + "test_money_of_a_stray_that_is_not_named_parks_its_payment_and_no_other",),
    ),
    Case(
        name="rate-is-a-number",
        protection="a rate that is no decimal number parks its line, and the consumer goes on",
        change="whatever is short is read as a number",
        patches=(
            Patch(
                "services/ledger/domain/settlement_lines.py",
                "    if _DECIMAL.fullmatch(given) is None:\n",
                "    if _DECIMAL.fullmatch(given) is None and len(given) > len('1e9'):\n",
            ),
        ),
        tests=(_LINES + "test_what_reconciliation_may_not_say_is_parked_and_books_nothing",),
    ),
    Case(
        name="loss-taken-back-of-losses",
        protection="a loss is taken back as far as it was written off, whatever else the dispute moved",
        change="everything that stands is looked at, as for the loss itself",
        patches=(
            Patch(_RULES, 'Within(MH, ("dispute_written_off", "dispute_write_off_reversed"))', "Within(MH)"),
        ),
        tests=(_REFUSED + "test_a_loss_of_more_than_the_dispute_holds_is_parked",),
    ),
    Case(
        name="whole-lives",
        protection="whole lives leave on every account what their tables say, step by step",
        change="the fee that a refund returns comes to the merchant's pending money",
        patches=(Patch(_RULES, "credit(MA, FEE_RETURNED)", "credit(MP, FEE_RETURNED)"),),
        tests=(_LIVES + "test_every_account_is_as_the_table_says_after_every_step_and_nothing_is_left_open",),
    ),
    Case(
        name="floor-under-load",
        protection="floors hold where several sessions pay out all that there is at once, beside facts and bulk",
        change="the floor is read and written without a turn, and the database does not look",
        patches=(
            Patch(
                "services/ledger/app/adjust_books.py",
                '    work.adjustments.take_turns([":".join(account)])\n',
                "",
            ),
            Patch(
                "services/ledger/migrations/versions/0010_adjust_books.py",
                "    IF left_minor < 0 THEN\n",
                "    IF false THEN\n",
            ),
        ),
        tests=(_LOAD,),
    ),
    Case(
        name="accounts-in-one-order",
        protection="sessions open the same accounts in one order, so that they queue up instead of deadlocking",
        change="each opens them as it happens to come by them",
        patches=(
            Patch(
                "services/ledger/adapters/accounts.py",
                "missing = sorted(ref for ref in wanted if ref not in known)",
                "missing = [ref for ref in wanted if ref not in known]",
            ),
        ),
        tests=(_OPENING,),
    ),
    Case(
        name="nothing-lost-under-load",
        protection="whatever sessions book at the same time stands on every account, to the minor unit",
        change="of a batch of sixty journals the last is not written",
        patches=(
            Patch(
                "services/ledger/adapters/journals.py",
                "        added, self._added = list(self._added.values()), {}\n",
                "        added, self._added = list(self._added.values()), {}\n"
                "        added = added[:59] if len(added) == 60 else added\n",
            ),
        ),
        tests=(_LOAD,),
    ),
)
