"""Sabotage of the adapters of processors: what an absence, a refusal and a page prove, and what they do not."""

from typing import Final

from tools.sabotage.case import Case, Patch

_LIST: Final = "services/processor/adapters/processors/beta_list.py"
_DECLARED_TESTS: Final = "services/processor/tests/unit/test_declarations.py::"
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
)
