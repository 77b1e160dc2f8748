"""Sabotage of the adapters of processors: what an absence, a refusal and a page prove, and what they do not."""

from typing import Final

from tools.sabotage.case import Case, Patch

_LIST: Final = "services/processor/adapters/processors/beta_list.py"
_DECLARED_TESTS: Final = "services/processor/tests/unit/test_declarations.py::"
_ALPHA_TESTS: Final = "services/processor/tests/unit/test_alpha_http.py::"
_STORED_TESTS: Final = "services/processor/tests/db/test_attempts_stored.py::"
_BETA_TESTS: Final = "services/processor/tests/unit/test_beta_http.py::"

ADAPTERS: Final = (
    Case(
        name="list-begins-before-our-clock",
        protection="a list that goes by the processor's clock is read from long enough before the send that ours noted",
        change="it is read from that moment on",
        patches=(
            Patch(
                "services/processor/domain/policy.py",
                "return first_sent_at - timedelta(seconds=CLOCKS_DIFFER_S + self.visibility_window_s)",
                "return first_sent_at",
            ),
        ),
        tests=(
            _DECLARED_TESTS + "test_only_a_list_is_searched_and_that_from_long_enough_before_the_first_send",
        ),
    ),
    Case(
        name="absent-by-one-clock",
        protection="what a list does not show is not absent while its clock and ours differ by minutes",
        change="nobody compares the clocks",
        patches=(Patch(_LIST, "if not facts and reading.clocks_differ:", "if False:"),),
        tests=(
            _BETA_TESTS
            + "test_where_the_clocks_differ_by_more_than_is_allowed_for_an_absence_proves_nothing",
        ),
    ),
    Case(
        name="refused-in-its-own-words",
        protection="a request is refused for good only in words that the processor documents",
        change="any code will do, a proxy's as well",
        patches=(
            Patch(
                "services/processor/adapters/processors/alpha_http.py",
                "return code in REFUSED.get(status, frozenset())",
                "return code is not None and status in REFUSED",
            ),
        ),
        tests=(_ALPHA_TESTS + "test_each_status_is_taken_for_what_it_is_documented_to_prove",),
    ),
    Case(
        name="refused-in-doubt",
        protection="a refusal that shows no object says nothing of what an earlier send in doubt has done",
        change="the operation counts as declined",
        patches=(Patch("services/processor/app/record_outcomes.py", "if attempt.doubtful:", "if False:"),),
        tests=(
            _STORED_TESTS
            + "test_a_send_in_doubt_that_is_refused_without_an_object_stays_in_doubt_and_is_told_so",
        ),
    ),
    Case(
        name="refused-is-not-done",
        protection="the sandbox takes no rule by which a refusal would be no refusal",
        change="a call that is refused is done once all the same",
        patches=(
            Patch(
                "services/sandbox/app/script_requests.py",
                "if effect is EffectPlan.TWICE and reply in NO_EFFECT:",
                "if False:",
            ),
        ),
        tests=("services/sandbox/tests/unit/test_script_requests.py::test_what_does_not_fit_is_named",),
    ),
)
