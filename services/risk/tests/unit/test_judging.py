"""Every rule is asked, the gravest answer decides, and every rule that was hit is named."""

from __future__ import annotations

import itertools

import pytest

from services.risk.domain.attempts import OperationType, Subject
from services.risk.domain.judging import judge
from services.risk.domain.rule_set_states import NEXT, RuleSetState, check_four_eyes, check_step
from services.risk.domain.rules import Counted, RuleSet, Verdict
from services.risk.tests.attempts import MERCHANT, OTHER_MERCHANT, attempt
from shared.kernel.errors import Rejected

pytestmark = pytest.mark.unit


def rules(**document):
    return RuleSet.of(7, document)


def test_without_rules_everything_is_allowed_and_pinned_to_the_version():
    said = judge(rules(), attempt(), {})
    assert (said.verdict, said.reasons, said.rule_set_version) == (Verdict.ALLOW, (), 7)


@pytest.mark.parametrize(("amount", "verdict"), [(1_000, Verdict.ALLOW), (1_001, Verdict.REVIEW)])
def test_a_limit_is_hit_only_above_it(amount, verdict):
    limit = {"name": "large", "max_minor": 1_000, "currency": "EUR", "decision": "review"}
    assert judge(rules(limits=[limit]), attempt(amount_minor=amount), {}).verdict is verdict


@pytest.mark.parametrize(
    "changes",
    [
        {"merchant_id": OTHER_MERCHANT},
        {"currency": "JPY"},
        {"operation_type": OperationType.CAPTURE},
    ],
)
def test_a_rule_says_nothing_outside_of_its_scope(changes):
    limit = {
        "name": "large", "max_minor": 1, "currency": "EUR", "decision": "block", "merchants": [MERCHANT],
        "operations": ["sale"],
    }  # fmt: skip
    said = judge(rules(limits=[limit]), attempt(**changes), {})
    assert said.verdict is Verdict.ALLOW


def test_the_gravest_hit_decides_and_stands_first():
    said = judge(
        rules(
            limits=[{"name": "large", "max_minor": 1, "currency": "EUR", "decision": "review"}],
            blocked={"payment_methods": ["pm_1"]},
        ),
        attempt(),
        {},
    )
    assert (said.verdict, said.reasons) == (Verdict.BLOCK, ("blocked:payment_method", "limit:large"))


def test_a_blocked_method_stops_the_late_capture_of_its_hold():
    capture = attempt(operation_type=OperationType.CAPTURE)
    assert judge(rules(blocked={"payment_methods": ["pm_1"]}), capture, {}).verdict is Verdict.BLOCK


def test_a_blocked_customer_is_one_merchants_customer():
    document = {"blocked": {"customers": [{"merchant": MERCHANT, "customer": "cus_1"}]}}
    assert judge(rules(**document), attempt(), {}).reasons == ("blocked:customer",)
    assert judge(rules(**document), attempt(merchant_id=OTHER_MERCHANT), {}).verdict is Verdict.ALLOW


def test_nobody_is_blocked_for_having_no_customer():
    document = {"blocked": {"customers": [{"merchant": MERCHANT, "customer": "None"}]}}
    assert judge(rules(**document), attempt(customer=None), {}).verdict is Verdict.ALLOW


@pytest.mark.parametrize(("attempts", "verdict"), [(3, Verdict.ALLOW), (4, Verdict.BLOCK)])
def test_velocity_is_hit_only_above_its_count(attempts, verdict):
    rule = {"name": "often", "subject": "customer", "window_s": 60, "max_count": 3, "decision": "block"}
    said = judge(rules(velocity=[rule]), attempt(), {"often": Counted(attempts, 0)})
    assert said.verdict is verdict


def test_velocity_of_money_is_a_sum():
    rule = {
        "name": "much", "subject": "merchant", "window_s": 60, "max_minor": 100, "currency": "EUR",
        "decision": "review",
    }  # fmt: skip
    assert judge(rules(velocity=[rule]), attempt(), {"much": Counted(2, 101)}).reasons == ("velocity:much",)
    assert judge(rules(velocity=[rule]), attempt(), {"much": Counted(2, 100)}).verdict is Verdict.ALLOW


def test_a_capture_is_no_attempt_and_neither_is_one_without_the_subject():
    rule = {"name": "often", "subject": "customer", "window_s": 60, "max_count": 0, "decision": "block"}
    made = rules(velocity=[rule])
    assert judge(made, attempt(operation_type=OperationType.CAPTURE), {}).verdict is Verdict.ALLOW
    assert judge(made, attempt(customer=None), {}).verdict is Verdict.ALLOW
    assert made.velocity[0].subject is Subject.CUSTOMER


@pytest.mark.parametrize(("source", "target"), list(itertools.product(RuleSetState, RuleSetState)))
def test_every_step_of_a_rule_set_is_either_listed_or_refused(source, target):
    if target in NEXT[source]:
        check_step(2, source, target)
    else:
        with pytest.raises(Rejected, match="rule_set_wrong_state"):
            check_step(2, source, target)


def test_nobody_approves_their_own_rules():
    with pytest.raises(Rejected, match="four_eyes"):
        check_four_eyes("ada", "ada")
    check_four_eyes("ada", "bob")
