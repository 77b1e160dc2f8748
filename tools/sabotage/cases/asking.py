"""Sabotage of what operators ask and are told: parameters, moments and cursors that are none, rules of any length."""

from typing import Final

from tools.sabotage.case import Case, Patch

ASKING: Final = (
    Case(
        name="no-parameter-ignored",
        protection="a list for operators refuses a parameter that it does not know, and one that comes twice",
        change="what is misspelt is ignored, and everything is shown",
        patches=(Patch("shared/runtime/operator_tokens.py", "        refuse_strange_query(request)\n", ""),),
        tests=(
            "tests/architecture/test_no_parameter_is_ignored.py::test_what_a_route_does_not_know_is_refused_by_its_name",
        ),
    ),
    Case(
        name="decided-without-rules",
        protection="a rule set of any length can be approved and rejected over HTTP",
        change="the reply to keep holds the rules",
        patches=(
            Patch(
                "services/risk/entrypoints/http.py",
                "json_answer(200, RuleSetLife.of(stored))",
                "json_answer(200, _view(stored))",
            ),
        ),
        tests=(
            "services/risk/tests/db/test_operator_api.py::test_rules_longer_than_a_reply_that_is_kept_are_decided_over_http",
        ),
    ),
    Case(
        name="moments-in-utc",
        protection="a time that somebody writes is one in UTC, or is refused by its name",
        change="its offset and its year are left as they were written",
        patches=(
            Patch(
                "shared/kernel/moments.py",
                "        return moment.astimezone(UTC)\n",
                "        return moment\n",
            ),
        ),
        tests=(
            "shared/tests/unit/test_moments.py::test_an_offset_counts_and_is_left_behind",
            "services/reconciliation/tests/db/test_break_desk.py::test_a_run_judges_what_is_late_as_of_the_time_that_it_is_asked_for",
        ),
    ),
    Case(
        name="cursor-is-text",
        protection="a cursor that holds what no text does is refused by its name, and asked of no database",
        change="its texts are taken as they are",
        patches=(
            Patch(
                "shared/messaging/parked.py",
                "            (place.topic + place.key).encode()  # a lone surrogate is no text of any record\n",
                "",
            ),
        ),
        tests=("shared/tests/db/test_operations.py::test_a_cursor_that_no_page_told_is_refused_by_its_name",),
    ),
)
