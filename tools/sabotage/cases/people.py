"""Sabotage of what is before people: cases that late evidence answers, and decisions that it contradicts."""

from typing import Final

from tools.sabotage.case import Case, Patch

_PAYMENT: Final = "services/payment/domain/payment.py"
_CASES: Final = "services/payment/domain/cases.py"
_SCHEMA: Final = "services/payment/migrations/versions/0015_decide_cases.py"
_UNIT_TESTS: Final = "services/payment/tests/unit/test_cases.py::"
_DB_TESTS: Final = "services/payment/tests/db/test_cases_follow.py::"

PEOPLE: Final = (
    Case(
        name="review-answered",
        protection="late evidence that decides an operation in review closes its case, and is named",
        change="the case stays open for a person who has nothing left to decide",
        patches=(
            Patch(
                _PAYMENT, "if before is OperationState.IN_REVIEW and", "if before is OperationState.SENT and"
            ),
        ),
        tests=(
            _UNIT_TESTS + "test_late_evidence_closes_the_case_of_a_review_and_is_named",
            _DB_TESTS + "test_late_evidence_closes_the_case_of_a_review_and_names_itself",
        ),
    ),
    Case(
        name="decision-contradicted",
        protection="what contradicts a closed case opens another one that names it",
        change="what a person closed stays closed, whatever turns up",
        patches=(
            Patch(
                _CASES,
                "if before is not None and not before.news(cause):",
                "if before is not None and (not before.open or not before.news(cause)):",
            ),
            Patch(_PAYMENT, "elif (before, now) in _TURNED_AROUND:", "elif (now, before) in _TURNED_AROUND:"),
        ),
        tests=(
            _UNIT_TESTS + "test_did_not_happen_and_then_the_same_object_succeeded",
            _UNIT_TESTS + "test_what_a_closed_case_knew_opens_nothing_and_what_it_did_not_know_opens_another",
            _DB_TESTS + "test_a_closed_case_is_opened_anew_by_more_and_not_by_the_same",
        ),
    ),
    Case(
        name="closed-case-stays",
        protection="a closed case is never edited, by plain SQL neither",
        change="the trigger looks at what the case is about, and no more at whether it is closed",
        patches=(Patch(_SCHEMA, "WHEN ((OLD.closed_at IS NOT NULL\n", "WHEN ((false\n"),),
        tests=(_DB_TESTS + "test_the_database_keeps_the_past_of_cases",),
    ),
)
