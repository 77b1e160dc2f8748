"""Sabotage of terminals: who a command is done by, in which role, what it prints, and what an environment may do."""

from typing import Final

from tools.sabotage.case import Case, Patch

_PIECE: Final = "shared/runtime/cli_token.py"
_TOKENS: Final = "shared/runtime/operator_tokens.py"
_TESTS: Final = "shared/tests/unit/test_cli_token.py::"
_TOKEN_TESTS: Final = "shared/tests/unit/test_operator_tokens.py::"  # noqa: S105 - a path
_COMMANDS: Final = "services/payment/tests/db/test_command_line.py::"
_SETTINGS_TESTS: Final = "shared/tests/unit/test_settings.py::"
_EVERY: Final = "tests/architecture/test_every_command_asks_for_a_token.py::"

TERMINAL: Final = (
    Case(
        name="terminal-role",
        protection="a command is done only by a token of the role that its route asks for",
        change="any operator's token will do",
        patches=(Patch(_PIECE, "    if who.role < OperatorRole.named(role):", "    if False:"),),
        tests=(
            _TESTS + "test_a_missing_an_expired_a_foreign_and_a_weak_token_are_refused_in_one_line",
            _EVERY + "test_each_command_that_changes_something_asks_for_the_role_of_its_route",
        ),
    ),
    Case(
        name="terminal-same-role",
        protection="what takes an approver over HTTP takes one in a terminal",
        change="a rule set is approved by an operator",
        patches=(
            Patch(
                "services/risk/entrypoints/cli.py",
                'acting(command_line(cli), token_file, "approver")',
                'acting(command_line(cli), token_file, "operator")',
            ),
        ),
        tests=(_EVERY + "test_each_command_that_changes_something_asks_for_the_role_of_its_route",),
    ),
    Case(
        name="merchants-keys-told",
        protection="who issued a merchant's key is told in the transaction that issues it",
        change="the key is issued and nobody is told",
        patches=(
            Patch(
                "services/payment/app/manage_merchants.py",
                '    uow.acted(by.actor, f"issue_{mode.value}_key", key_id, by.reason)\n',
                "",
            ),
        ),
        tests=(_COMMANDS + "test_a_merchant_is_set_up_by_three_commands_of_an_admin",),
    ),
    Case(
        name="terminal-named-token",
        protection="a token file that is named is the one that counts",
        change="the environment's token comes first",
        patches=(
            Patch(
                _PIECE,
                "    if token_file is None:",
                "    if token_file is None or TOKEN_VARIABLE in os.environ:",
            ),
        ),
        tests=(
            _TESTS + "test_the_token_says_who_acts_and_in_which_role",
            _TESTS + "test_a_file_without_a_token_is_refused_and_the_environment_does_not_stand_in_for_it",
        ),
    ),
    Case(
        name="subject-without-blanks",
        protection="one person is one subject: a blank more does not make a second pair of eyes",
        change="blanks around a name make another name",
        patches=(Patch(_TOKENS, " and subject == subject.strip()", ""),),
        tests=(_TOKEN_TESTS + "test_a_subject_is_a_name_without_blanks_around_it_whoever_signed_it",),
    ),
    Case(
        name="crash-points-off",
        protection="a crash point kills only a process that is said to be under test",
        change="the variable of a test is enough",
        patches=(
            Patch(
                "shared/kernel/crash_points.py",
                "    if armed_unasked(environment):\n        return None\n",
                "",
            ),
        ),
        tests=(
            "shared/tests/unit/test_crash_points.py::test_a_process_that_is_not_said_to_be_under_test_is_never_killed",
        ),
    ),
    Case(
        name="crash-points-refused",
        protection="a process with a test's variable in its environment does not start",
        change="it starts, and the variable waits for the day on which it is allowed",
        patches=(Patch("shared/runtime/settings.py", "    _refuse_crash_points(source)\n", ""),),
        tests=(
            _SETTINGS_TESTS
            + "test_a_process_that_a_test_could_kill_starts_only_where_it_is_said_to_be_under_test",
        ),
    ),
    Case(
        name="printed-visibly",
        protection="what somebody else wrote makes no line of its own for its reader, and does nothing to a terminal",
        change="it is printed as it came",
        patches=(Patch("shared/kernel/visible.py", "    if text.isprintable():", "    if True:"),),
        tests=(
            "shared/tests/unit/test_visible.py::test_a_table_has_a_line_for_each_row_whatever_is_in_it",
            "tools/tests/unit/test_timeline.py::test_what_a_merchant_wrote_is_no_line_of_its_own",
        ),
    ),
    Case(
        name="said-in-print",
        protection="an operator says nothing that the next one would not see: no end of a line, no escape sequence",
        change="whatever is not blank is taken",
        patches=(Patch("shared/runtime/models.py", "    if not text.isprintable():", "    if False:"),),
        tests=("tests/architecture/test_what_operators_say.py::test_no_operator_can_say_what_is_not_seen",),
    ),
)
