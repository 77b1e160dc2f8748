"""Sabotage of what is before people: cases that late evidence answers, and decisions that it contradicts."""

from typing import Final

from tools.sabotage.case import Case, Patch

_PAYMENT: Final = "services/payment/domain/payment.py"
_CASES: Final = "services/payment/domain/cases.py"
_DISPUTES: Final = "services/payment/domain/absorbing_disputes.py"
_SCHEMA: Final = "services/payment/migrations/versions/0015_decide_cases.py"
_OPERATORS: Final = "services/payment/domain/operator_facts.py"
_DECIDE_TESTS: Final = "services/payment/tests/db/test_operators_decide.py::"
_UNIT_TESTS: Final = "services/payment/tests/unit/test_cases.py::"
_CONTRADICTED: Final = "services/payment/tests/unit/test_contradicted_decisions.py::"
_ERROR_TESTS: Final = "services/payment/tests/unit/test_last_errors.py::"
_ASTRAY_TESTS: Final = "services/payment/tests/unit/test_last_captures_astray.py::"
_STRAY_TESTS: Final = "services/payment/tests/unit/test_strays.py::"
_REINSTATED_TESTS: Final = "services/payment/tests/unit/test_reinstated.py::"
_REPORT_TESTS: Final = "services/payment/tests/unit/test_processor_reports.py::"
_DISPUTED_STRAYS: Final = "services/payment/tests/unit/test_disputed_strays.py::"
_PERSON_TESTS: Final = "services/payment/tests/db/test_before_a_person.py::"
_DB_TESTS: Final = "services/payment/tests/db/test_cases_follow.py::"

PEOPLE: Final = (
    Case(
        name="word-before-the-decision",
        protection="what people decided ranks after what was known of the object, and before all that is heard later",
        change="it ranks by the time of the decision, so that older words are not compared with it",
        patches=(
            Patch(_OPERATORS, "return IMPLIED_VERSION, now", "return None, now"),
            Patch(
                _OPERATORS,
                "return None, known.occurred_at if later else known.occurred_at + timedelta.resolution",
                "return None, now if later else now + timedelta.resolution",
            ),
        ),
        tests=(
            _CONTRADICTED
            + "test_without_versions_the_processors_own_word_from_before_the_decision_contradicts_it",
            _DECIDE_TESTS
            + "test_without_versions_what_the_processor_said_before_the_decision_is_compared_when_it_comes",
        ),
    ),
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
        name="shown-is-no-failure",
        protection="what the processor showed is not called failed because it is not found later: a person looks",
        change="that nothing is found outweighs what was shown",
        patches=(
            Patch(
                "services/payment/domain/answering.py",
                "if _shown(payment, operation) or (ever_sent and reason != PROVED_ABSENT):",
                "if ever_sent and reason != PROVED_ABSENT:",
            ),
        ),
        tests=(
            _REPORT_TESTS
            + "test_at_a_processor_without_keys_a_refund_that_it_showed_keeps_its_room_though_its_list_shows_none",
            _DISPUTED_STRAYS
            + "test_a_return_that_the_processor_showed_is_in_doubt_and_keeps_its_money_though_it_is_not_found_later",
            _PERSON_TESTS
            + "test_a_refund_that_the_processor_showed_keeps_its_room_though_it_is_not_found_later",
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
            _CONTRADICTED + "test_did_not_happen_and_then_the_same_object_succeeded",
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
    Case(
        name="hold-taken-astray",
        protection="what a capture took astray of our own hold can not be captured again",
        change="only captures that count make the hold smaller",
        patches=(Patch("services/payment/domain/holding.py", " - _taken_astray_minor(payment), 0)", ", 0)"),),
        tests=(
            _ASTRAY_TESTS
            + "test_an_answer_that_names_another_reference_ends_the_hold_only_where_it_was_the_last",
        ),
    ),
    Case(
        name="hold-given-back",
        protection="what is told as given back of a hold is what was given back, and nothing that went astray of it",
        change="whatever did not count is told as given back",
        patches=(
            Patch(
                "services/payment/domain/holding.py",
                "    rest_minor = _untaken_minor(payment)\n",
                "    rest_minor = payment.amounts.authorized_minor - payment.amounts.captured_minor\n",
            ),
        ),
        tests=(_ASTRAY_TESTS + "test_what_went_astray_of_a_hold_is_not_told_as_given_back",),
    ),
    Case(
        name="refused-cancel-forgotten",
        protection="a payment whose hold ended after all shows no refused cancel as its error",
        change="what was refused once is shown for ever",
        patches=(
            Patch(
                "services/payment/domain/holding.py",
                "    if payment.last_error_code in _REFUSED_CANCELS:\n",
                "    if False and payment.last_error_code in _REFUSED_CANCELS:\n",
            ),
        ),
        tests=(
            _ERROR_TESTS
            + "test_a_payment_shows_what_went_wrong_last_and_nothing_where_it_ended_as_was_wanted",
        ),
    ),
    Case(
        name="hold-became-money",
        protection="a stray hold that was captured whole is before a person as the money that it became, and not twice",
        change="its own case stays open, and its exposure with it",
        patches=(
            Patch(
                "services/payment/domain/absorbing_strays.py",
                "    if stray.released:\n        _close",
                "    if False:\n        _close",
            ),
        ),
        tests=(_STRAY_TESTS + "test_a_stray_hold_that_became_money_is_before_a_person_as_that_money_only",),
    ),
    Case(
        name="arises-anew",
        protection="what had gone since a case was closed and arises anew opens another one that names it",
        change="a closed case does not learn that its risk has gone",
        patches=(
            Patch(_CASES, "            self.lowest_minor = cause.exposure_minor\n", "            pass\n"),
        ),
        tests=(
            _UNIT_TESTS + "test_an_exposure_that_arises_anew_opens_a_case_that_names_the_one_that_was_closed",
            _DB_TESTS + "test_what_had_gone_since_a_case_was_closed_and_arises_anew_opens_one_that_names_it",
        ),
    ),
    Case(
        name="only-decisions-decide",
        protection="a case that was only closed counts as nobody's decision",
        change="whoever closes a case has decided its operation",
        patches=(
            Patch(_CASES, "if operation_id not in self.decided:", "if False:"),
            Patch(
                _PAYMENT,
                "if operation.operation_id in self.cases.decided and",
                "if self.cases.decided_by_person(operation.operation_id) and",
            ),
        ),
        tests=(
            _CONTRADICTED + "test_a_case_that_was_only_closed_decided_nothing_that_could_be_contradicted",
            _CONTRADICTED
            + "test_a_decision_about_what_was_found_under_an_operation_is_none_about_the_operation",
        ),
    ),
    Case(
        name="review-keeps-its-case",
        protection="an operation that stays in review keeps its open case, whatever is decided about what was found",
        change="sending back the money that was found closes the case of the operation too",
        patches=(
            Patch(
                "services/payment/app/decide.py",
                "if case.reason in OF_REVIEW and operation is not None and operation.undecided:",
                "if False:",
            ),
        ),
        tests=(
            _DB_TESTS
            + "test_a_decision_about_a_stray_leaves_open_the_case_of_an_operation_that_stays_in_review",
        ),
    ),
    Case(
        name="decided-though-closed",
        protection="a decision counts although the case of its operation had been closed by hand before",
        change="only a case that the decision itself closed says that somebody decided",
        patches=(
            Patch(_CASES, "if not case.open and case.closed_by != EVIDENCE", "if case.closed_decision_id"),
            Patch(
                _PAYMENT,
                "if operation.operation_id in self.cases.decided and",
                "if self.cases.decided_by_person(operation.operation_id) and",
            ),
        ),
        tests=(
            _CONTRADICTED + "test_a_decision_counts_although_its_case_had_been_closed_by_hand_before",
            _DB_TESTS + "test_a_decision_is_contradicted_although_its_case_had_been_closed_by_hand",
        ),
    ),
    Case(
        name="reinstated-any-order",
        protection="more back of a dispute than was taken is a case in whatever order rows and words came",
        change="only money rows ask, and a dispute that is opened again has nothing at risk",
        patches=(
            Patch(
                _DISPUTES,
                "    settle_dispute(payment, dispute, fact, moment)\n    _check_reinstated(payment, dispute, moment)\n",
                "    settle_dispute(payment, dispute, fact, moment)\n",
            ),
            Patch(_DISPUTES, "    elif over_minor <= 0:\n", "    else:\n"),
        ),
        tests=(
            _REINSTATED_TESTS + "test_too_much_back_is_one_case_in_every_order",
            _REINSTATED_TESTS
            + "test_of_a_case_that_somebody_closed_only_more_is_news_and_not_the_same_once_more",
        ),
    ),
    Case(
        name="doubt-dated-once",
        protection="the age of a doubt is that of the first doubt, whoever looks and whatever state follows",
        change="exposure counts from the last state, and SQL lets the first doubt's time be written again",
        patches=(
            Patch("services/payment/adapters/exposure.py", "min(o.doubtful_since)", "min(o.since)"),
            Patch(
                "services/payment/migrations/versions/0011_date_doubt.py",
                "WHEN (OLD.doubtful_since IS NOT NULL AND",
                "WHEN (false AND",
            ),
        ),
        tests=(
            _PERSON_TESTS + "test_going_before_a_person_does_not_make_a_doubt_young_again",
            _PERSON_TESTS + "test_when_a_doubt_began_is_written_once",
        ),
    ),
)
