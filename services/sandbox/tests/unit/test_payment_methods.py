"""The table of payment methods: the promised names are there, and faults strike where the name says."""

from datetime import timedelta

import pytest

from services.sandbox.domain.faults import (
    COPIES_MAX,
    NO_FAULT,
    EffectPlan,
    Fault,
    FeedPlan,
    Operation,
    ReplyFault,
    WebhookPlan,
)
from services.sandbox.domain.payment_methods import PAYMENT_METHODS, ClaimCourse, payment_method
from services.sandbox.domain.random_faults import KEY_FORGOTTEN, LOTS, NO_EVIDENCE
from shared.kernel.errors import Rejected


@pytest.mark.parametrize(
    ("name", "fault", "plan"),
    [
        ("pm_card_visa", ReplyFault.NONE, WebhookPlan.NORMAL),
        ("pm_fault_timeout_before", ReplyFault.TIMEOUT_BEFORE, WebhookPlan.NORMAL),
        ("pm_fault_timeout_after", ReplyFault.TIMEOUT_AFTER, WebhookPlan.NORMAL),
        ("pm_fault_500_after", ReplyFault.ERROR_AFTER, WebhookPlan.NORMAL),
        ("pm_fault_hang", ReplyFault.HANG, WebhookPlan.NORMAL),
        ("pm_fault_webhook_first", ReplyFault.NONE, WebhookPlan.FIRST),
        ("pm_fault_webhook_twice", ReplyFault.NONE, WebhookPlan.TWICE),
        ("pm_fault_webhook_late", ReplyFault.NONE, WebhookPlan.LATE),
        ("pm_fault_webhook_lost", ReplyFault.NONE, WebhookPlan.LOST),
        ("pm_fault_timeout_after_webhook_lost", ReplyFault.TIMEOUT_AFTER, WebhookPlan.LOST),
        ("pm_fault_rate_limited_after", ReplyFault.RATE_LIMITED_AFTER, WebhookPlan.NORMAL),
        ("pm_fault_refused_after_webhook_lost", ReplyFault.REFUSED_AFTER, WebhookPlan.LOST),
    ],
)
def test_the_documented_names_mean_what_they_say_on_every_operation(name, fault, plan):
    method = payment_method(name)
    for operation in Operation:
        assert (method.on(operation).reply, method.on(operation).webhooks) == (fault, plan)


def test_a_limited_fault_strikes_its_operation_only():
    method = payment_method("pm_fault_timeout_after_webhook_twice_on_refund")
    refund = method.on(Operation.REFUND)
    assert (refund.reply, refund.webhooks) == (ReplyFault.TIMEOUT_AFTER, WebhookPlan.TWICE)
    assert method.on(Operation.CAPTURE) == NO_FAULT


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("pm_fault_malformed", Fault(reply=ReplyFault.MALFORMED)),
        ("pm_fault_refused", Fault(reply=ReplyFault.REFUSED, always=True)),
        ("pm_fault_effect_twice", Fault(effect=EffectPlan.TWICE)),
        ("pm_fault_webhook_many", Fault(copies=COPIES_MAX)),
        ("pm_fault_webhook_reversed", Fault(webhooks=WebhookPlan.REVERSED)),
        ("pm_fault_webhook_forged", Fault(webhooks=WebhookPlan.FORGED)),
        ("pm_fault_webhook_stale", Fault(webhooks=WebhookPlan.STALE)),
        ("pm_fault_webhook_unsigned", Fault(webhooks=WebhookPlan.UNSIGNED)),
        ("pm_fault_webhook_nobodys", Fault(webhooks=WebhookPlan.NOBODYS)),
        ("pm_fault_webhook_garbled", Fault(webhooks=WebhookPlan.GARBLED)),
        ("pm_fault_key_forgotten", KEY_FORGOTTEN),
        (
            "pm_fault_webhook_days_late",
            Fault(webhooks=WebhookPlan.LATE, webhook_delay=timedelta(days=3)),
        ),
        (
            "pm_fault_look_up_lies",
            Fault(
                reply=ReplyFault.TIMEOUT_AFTER, hidden=timedelta(seconds=4), shows_before=True,
                webhooks=WebhookPlan.LATE, webhook_delay=timedelta(seconds=4),
                feed=FeedPlan.LATE, feed_delay=timedelta(seconds=4),
            ),
        ),
    ],
)  # fmt: skip
def test_what_a_script_says_in_a_rule_a_card_says_too(name, fault):
    assert all(payment_method(name).on(operation) == fault for operation in Operation)
    limited = payment_method(f"{name}_on_capture")
    assert (limited.on(Operation.CAPTURE), limited.on(Operation.REFUND)) == (fault, NO_FAULT)


def test_a_decline_whose_reply_is_lost_is_a_decline():
    card = payment_method("pm_fault_timeout_after_declined")
    assert card.decline_code
    assert card.on(Operation.AUTHORIZATION).reply is ReplyFault.TIMEOUT_AFTER
    assert card.on(Operation.CAPTURE) == NO_FAULT


def test_lots_are_drawn_by_the_name_alone_and_as_often_as_it_says():
    names = [f"pm_random_20_7_{number}" for number in range(2_000)]
    drawn = [payment_method(name).on(Operation.AUTHORIZATION) for name in names]
    payment_method.cache_clear()
    assert [payment_method(name).on(Operation.AUTHORIZATION) for name in names] == drawn
    struck = [fault for fault in drawn if fault != NO_FAULT]
    assert 320 < len(struck) < 480
    assert set(LOTS) == set(struck), "each lot is drawn sooner or later"
    assert [payment_method(f"pm_random_20_8_{n}").on(Operation.AUTHORIZATION) for n in range(2_000)] != drawn


@pytest.mark.parametrize("rate", [0, 100])
def test_a_rate_of_nothing_and_one_of_always_mean_it(rate):
    drawn = [payment_method(f"pm_random_{rate}_s_{number}").on(Operation.REFUND) for number in range(200)]
    assert all((fault == NO_FAULT) == (rate == 0) for fault in drawn)


def test_without_evidence_one_operation_or_all_are_lost_for_good():
    assert payment_method("pm_no_evidence").on(Operation.REFUND) == NO_EVIDENCE
    limited = payment_method("pm_no_evidence_on_refund")
    assert (limited.on(Operation.AUTHORIZATION), limited.on(Operation.REFUND)) == (NO_FAULT, NO_EVIDENCE)


def test_names_are_unique_and_nothing_is_called_a_fault_without_one():
    assert all(name == method.name for name, method in PAYMENT_METHODS.items())
    faulty = [method for name, method in PAYMENT_METHODS.items() if name.startswith("pm_fault_")]
    assert all(
        method.reply_fault
        or method.webhook_plan
        or method.amount_drift_minor
        or method.currency_drifts
        or method.drawn
        for method in faulty
    )


def test_a_random_card_may_stand_for_a_dispute_too():
    plain, disputed = payment_method("pm_random_60_7_1"), payment_method("pm_random_60_7_1_createDisputeWon")
    assert (plain.claim, disputed.claim) == (ClaimCourse.NONE, ClaimCourse.WON)
    assert disputed.drawn


@pytest.mark.parametrize(
    "name",
    ["4242424242424242", "pm_random_101_1_1", "pm_random_5__1", "pm_random_5_1", "pm_random_5_1_1_visa"],
)
def test_an_unknown_card_is_the_callers_mistake(name):
    with pytest.raises(Rejected) as refused:
        payment_method(name)
    assert (refused.value.code, refused.value.status) == ("payment_method_unknown", 422)
