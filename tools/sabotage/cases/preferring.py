"""Sabotage of how one person has a file hold: only one that is in doubt, in its turn, and beside nobody's decision."""

from typing import Final

from tools.sabotage.case import Case, Patch

_ADAPTERS: Final = "services/reconciliation/adapters/"
_DB: Final = "services/reconciliation/tests/db/"
_AT_ONCE: Final = _DB + "test_files_at_once.py::"
_ORDER: Final = _DB + "test_file_order.py::"
_PREFERRING: Final = _DB + "test_preferring.py::"
_ENDS: Final = _DB + "test_preferring_ends.py::"

PREFERRING: Final = (
    Case(
        name="recon-preferred-in-doubt",
        protection="only a file that contradicts another one can be preferred",
        change="any that was read may",
        patches=(
            Patch(
                "services/reconciliation/app/prefer_file.py",
                "    if not found.is_contradicted:\n",
                "    if False:\n",
            ),
        ),
        tests=(_ORDER + "test_what_contradicts_nothing_is_preferred_to_nothing",),
    ),
    Case(
        name="recon-preferred-undecided",
        protection="one person does not overturn which file two people let hold",
        change="nobody asks what they decided",
        patches=(
            Patch(
                "services/reconciliation/app/prefer_file.py", "    if found.is_decided:\n", "    if False:\n"
            ),
        ),
        tests=(
            _ORDER + "test_two_people_may_accept_that_the_one_that_came_later_holds",
            _ORDER + "test_what_two_people_let_hold_is_not_overturned_by_a_file_before_both",
        ),
    ),
    Case(
        name="recon-preferred-was-read",
        protection="only a file that was read can be preferred",
        change="any may",
        patches=(
            Patch(
                "services/reconciliation/app/prefer_file.py",
                "    if file.state is not FileState.STAGED:\n",
                "    if False:\n",
            ),
        ),
        tests=(_ORDER + "test_only_what_was_read_can_be_preferred_by_an_operator_in_a_terminal",),
    ),
    Case(
        name="recon-preferred-overtaken",
        protection="a statement that has a newer one, by the bank's own times, is preferred to nothing",
        change="it may be",
        patches=(
            Patch(
                "services/reconciliation/app/prefer_file.py",
                "    if found.is_overtaken:\n",
                "    if False:\n",
            ),
        ),
        tests=(_ORDER + "test_a_statement_that_is_older_by_the_banks_own_times_is_preferred_to_nothing",),
    ),
    Case(
        name="recon-preferred-alone",
        protection="while one person's file is to hold two people do not decide which one of its source does",
        change="they may",
        patches=(
            Patch(
                "services/reconciliation/app/resolve_break.py",
                "    if stored.waits_for_file is not None:\n",
                "    if False:\n",
            ),
        ),
        tests=(
            _PREFERRING
            + "test_while_it_waits_two_people_decide_nothing_of_the_source_nor_does_another_person",
        ),
    ),
    Case(
        name="recon-preferred-alone-in-sql",
        protection="nor does plain SQL, whoever writes it",
        change="breaks are not held against files that wait to hold",
        patches=(
            Patch(
                "services/reconciliation/migrations/versions/0031_prefer_files_in_turn.py",
                "    IF EXISTS (SELECT FROM asked_preferences WHERE source = of_source AND state = 'WAITING') THEN",
                "    IF false THEN",
            ),
        ),
        tests=(_PREFERRING + "test_plain_sql_lets_nobody_decide_it_both_ways",),
    ),
    Case(
        name="recon-preferred-in-turn",
        protection="whoever asks for a file waits for those who decide at the same time which one holds",
        change="nobody takes turns",
        patches=(
            Patch(
                _ADAPTERS + "breaks.py",
                "        share_turns(self._connection, [break_id])\n",
                "",
            ),
            Patch(
                "services/reconciliation/migrations/versions/0031_prefer_files_in_turn.py",
                "    PERFORM pg_advisory_xact_lock_shared(file_order_turn(of_source));\n",
                "",
            ),
        ),
        tests=(_PREFERRING + "test_whoever_asks_waits_for_those_who_decide_at_the_same_time",),
    ),
    Case(
        name="recon-preferred-unseen",
        protection="a file is not preferred to one that whoever asked for it had not seen",
        change="it is",
        patches=(
            Patch(
                "services/reconciliation/app/prefer_file.py", "    if found.is_outdated:\n", "    if False:\n"
            ),
        ),
        tests=(_PREFERRING + "test_what_a_file_said_that_came_in_between_nobody_decided",),
    ),
    Case(
        name="recon-preferred-storable",
        protection="a file that cannot hold is refused and holds up nothing",
        change="the worker fails on it, again and again",
        patches=(
            Patch(
                _ADAPTERS + "staging.py",
                "        self._take(_STANDS[source.kind], values)\n",
                "        for step in _STANDS[source.kind]:\n"
                "            self._connection.exec_driver_sql(step, values)\n",
            ),
        ),
        tests=(_PREFERRING + "test_what_cannot_be_held_is_refused_and_holds_up_nothing",),
    ),
    Case(
        name="recon-preferred-ends",
        protection="a file that is to hold and keeps failing is given up, and files behind it go on",
        change="it is tried for ever",
        patches=(
            Patch(
                "services/reconciliation/app/prefer_file.py",
                "    if asked.tries < len(TRY_AGAIN_AFTER):\n",
                "    if True:\n        return work.preferences.tried(asked, work.now)\n    if asked.tries < 0:\n",
            ),
        ),
        tests=(_ENDS + "test_what_fails_each_time_ends_and_files_behind_it_go_on",),
    ),
    Case(
        name="recon-preferred-ends-whole",
        protection="a file that was given up while somebody is at it does not hold",
        change="whoever is at it does it",
        patches=(
            Patch(
                "services/reconciliation/app/prefer_file.py",
                "    done = work.preferences.done(asked)\n    if done is None:\n",
                "    done = work.preferences.done(asked) or asked\n    if done is None:\n",
            ),
        ),
        tests=(_ENDS + "test_given_up_while_somebody_is_at_it_nothing_of_it_is_done",),
    ),
    Case(
        name="recon-order-of-staging",
        protection="a month is computed again in the order in which its files were staged, not begun",
        change="in the order in which they were begun",
        patches=(
            Patch(
                _ADAPTERS + "recomputing.py",
                "SELECT f.file_id, f.staged_nth, f.staged_nth,",
                "SELECT f.file_id, f.nth, f.nth,",
            ),
        ),
        tests=(
            _AT_ONCE + "test_a_month_is_computed_again_in_the_order_in_which_files_were_whole_not_begun",
            _AT_ONCE + "test_a_file_that_is_read_again_after_a_refusal_came_when_it_was_read",
        ),
    ),
    Case(
        name="recon-decided-by-staging",
        protection="two people's word holds against the file that was staged earlier, whichever was begun first",
        change="the one that was begun later is the later one",
        patches=(
            Patch(
                _ADAPTERS + "staging.py",
                "WHERE later.staged_nth > this.staged_nth AND b.state",
                "WHERE later.nth > this.nth AND b.state",
            ),
            Patch(
                "services/reconciliation/migrations/versions/0032_number_files_as_they_are_staged.py",
                "later.staged_nth > this.staged_nth",
                "later.nth > this.nth",
            ),
        ),
        tests=(_AT_ONCE + "test_what_two_people_decided_counts_in_the_order_in_which_files_were_staged",),
    ),
)
