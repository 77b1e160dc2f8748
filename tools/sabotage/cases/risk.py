"""Sabotage of risk: what waits is not sent, decisions count for what they are about, people come in twos."""

from typing import Final

from tools.sabotage.case import Case, Patch

_RISKING = "services/payment/domain/risking.py"
_ASKING = "services/payment/domain/asking.py"
_HOLDING = "services/payment/domain/holding.py"
_SCHEMA = "services/payment/migrations/versions/0007_wait_for_risk.py"
_TESTS = "services/payment/tests/unit/test_risking.py::"
_DB_TESTS = "services/payment/tests/db/test_waiting_for_risk.py::"
_REFUSED = "services/payment/tests/unit/test_what_risk_refused.py::"
_DB_REFUSED = "services/payment/tests/db/test_what_risk_refused.py::"
_RISK_SCHEMA = "services/risk/migrations/versions/0001_create_risk.py"
_RISK_TESTS = "services/risk/tests/db/test_rules_in_sql.py::"
_WINDOW_TESTS = "services/risk/tests/db/test_windows.py::"

RISK: Final = (
    Case(
        name="risk-before-sending",
        protection="nothing is asked of a processor while risk is asked",
        change="the command goes out at once",
        patches=(Patch(_ASKING, "    if operation.unsent:\n", "    if False:\n"),),
        tests=(_TESTS + "test_nothing_is_asked_of_the_processor_while_risk_is_asked",),
    ),
    Case(
        name="risk-gate",
        protection="the database keeps what waits for risk, is reviewed or was refused from ever being sent",
        change="the CHECK on the operation's state is gone",
        patches=(
            Patch(
                _SCHEMA,
                "risk NOT IN ('WAITING', 'REVIEW', 'BLOCKED', 'WITHDRAWN') OR state IN ('REQUESTED', 'ABANDONED')),",
                "true),",
            ),
        ),
        tests=(_DB_TESTS + "test_plain_sql_is_refused_what_python_refuses",),
    ),
    Case(
        name="risk-pinned-version",
        protection="a decision counts for the version of the payment that it was asked about",
        change="a decision about any version is applied",
        patches=(
            Patch(
                _RISKING,
                "if operation.risk is None or operation.risk_version != payment_version:",
                "if operation.risk is None:",
            ),
        ),
        tests=(_TESTS + "test_a_decision_about_another_version_changes_nothing",),
    ),
    Case(
        name="risk-fail-mode",
        protection="without a decision in time only small amounts go through",
        change="every amount goes through",
        patches=(
            Patch(
                _RISKING,
                "if moment.risk.is_small(operation.published_type, operation.amount_minor, payment.currency):",
                "if True:",
            ),
        ),
        tests=(_TESTS + "test_without_a_decision_the_amount_decides",),
    ),
    Case(
        name="risk-two-people",
        protection="a reviewed operation that moves money goes out when two people said so",
        change="the same person may say it twice",
        patches=(Patch(_RISKING, "if operation.risk_proposed_by == actor:", "if False:"),),
        tests=(_TESTS + "test_reviewed_money_goes_out_when_two_people_say_so",),
    ),
    Case(
        name="risk-late-capture",
        protection="a capture later than a day after the last judgement is judged again",
        change="only authorizations are judged",
        patches=(
            Patch(
                _ASKING,
                "if kind is not OperationType.CAPTURE:\n",
                "if kind is not OperationType.CANCEL:\n",
            ),
        ),
        tests=(_TESTS + "test_a_capture_soon_after_is_not_judged_again_and_a_late_one_is",),
    ),
    Case(
        name="risk-late-denial",
        protection="a denial that comes after the authorization went out gives the hold back",
        change="the late denial is noted and nothing follows",
        patches=(
            Patch(
                _RISKING,
                "step_with_risk(operation, RiskState.DENIED, RiskBy.RISK, moment)\n"
                "    settle_denials(payment, moment)\n",
                "step_with_risk(operation, RiskState.DENIED, RiskBy.RISK, moment)\n",
            ),
        ),
        tests=(_TESTS + "test_a_late_denial_voids_a_hold_once",),
    ),
    Case(
        name="risk-refused-asks-again",
        protection="a late capture that risk refused is judged again when it is asked for again",
        change="the refusal counts as the last judgement",
        patches=(
            Patch(
                _ASKING,
                "    return operation.risk is RiskState.ALLOWED\n",
                "    return operation.risk is not None\n",
            ),
        ),
        tests=(
            _REFUSED + "test_a_late_capture_that_is_blocked_is_judged_again_when_it_is_asked_for_again",
            _DB_REFUSED + "test_a_late_capture_that_was_blocked_is_judged_again_under_another_key",
        ),
    ),
    Case(
        name="risk-denied-hold-asks-again",
        protection="no capture rests on an authorization that risk denied in the end",
        change="whatever became of it counts as the last judgement",
        patches=(Patch(_ASKING, "        return operation.risk not in REFUSED\n", "        return True\n"),),
        tests=(_REFUSED + "test_a_hold_that_could_not_be_given_back_is_not_captured_without_being_judged",),
    ),
    Case(
        name="risk-denial-of-its-own",
        protection="a late denial of one payment method leaves what another one holds alone",
        change="whatever risk ever denied of the payment is what it holds",
        patches=(
            Patch(
                _HOLDING,
                "and (operation.number >= holder or operation.operation_id in counted)",
                "and (operation.number >= 0 or operation.operation_id in counted)",
            ),
        ),
        tests=(
            _REFUSED + "test_a_late_denial_of_one_method_leaves_the_hold_of_another_alone",
            _REFUSED + "test_a_late_denial_of_one_method_puts_no_money_of_another_before_a_person",
            _REFUSED + "test_a_denial_that_comes_when_another_method_holds_leaves_that_alone",
            _DB_REFUSED + "test_a_late_denial_of_one_method_leaves_the_hold_of_another_alone",
        ),
    ),
    Case(
        name="risk-denial-waits-for-people",
        protection="what people decide is held to what risk denied meanwhile",
        change="only evidence is",
        patches=(
            Patch("services/payment/app/decide.py", "    settle_denials(payment, moment)\n", "    pass\n"),
        ),
        tests=(
            _DB_REFUSED + "test_denied_money_that_two_people_let_count_goes_before_a_person",
            _DB_REFUSED + "test_a_denied_capture_that_people_decide_did_not_happen_gives_the_hold_back",
        ),
    ),
    Case(
        name="risk-decided-once",
        protection="an operation is decided once per version of its payment",
        change="the unique constraint on decisions is gone",
        patches=(
            Patch(
                _RISK_SCHEMA,
                "CONSTRAINT decisions_once UNIQUE (operation_id, payment_version),",
                "CONSTRAINT decisions_once CHECK (payment_version > 0),",
            ),
        ),
        tests=(_RISK_TESTS + "test_an_operation_is_decided_once_per_version_by_rules_that_were_in_force",),
    ),
    Case(
        name="risk-late-arrival",
        protection="no window holds more attempts than its rule lets through, in whatever order they come",
        change="an attempt that comes late is held against its own window alone",
        patches=(
            Patch(
                "services/risk/adapters/attempts.py",
                "greatest(c.attempts, late.attempts)",
                "c.attempts",
            ),
        ),
        tests=(_WINDOW_TESTS + "test_no_window_holds_more_than_allowed_whatever_the_order_of_arrival",),
    ),
    Case(
        name="risk-sum-fits",
        protection="a window that holds more money than a number of the database is judged as what it is",
        change="the sum is cast as it is, and its subject's attempts are never judged",
        patches=(
            Patch(
                "services/risk/adapters/attempts.py",
                "least(greatest(c.amount_minor, late.amount_minor), {SUM_MAX})::bigint",
                "greatest(c.amount_minor, late.amount_minor)::bigint",
            ),
        ),
        tests=(_WINDOW_TESTS + "test_more_money_than_a_number_holds_is_judged_as_what_it_is",),
    ),
    Case(
        name="risk-capture-method",
        protection="a late capture is judged with the payment method of its hold",
        change="a capture is judged without one",
        patches=(
            Patch(
                _ASKING,
                "return payment.payment_method if kind is OperationType.CAPTURE else asked",
                "return asked",
            ),
        ),
        tests=(_TESTS + "test_a_late_capture_is_judged_with_the_payment_method_of_its_hold",),
    ),
)
