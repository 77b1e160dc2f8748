"""What a script may say: read strictly, and whatever does not fit is named by its field."""

import pytest

from services.sandbox.app.script_requests import read_advance_s, read_rule, shown_fault
from services.sandbox.domain.faults import (
    REFUSALS,
    EffectPlan,
    ErrorReply,
    FeedPlan,
    Operation,
    Reading,
    ReplyFault,
    WebhookPlan,
)
from services.sandbox.domain.scripts import Asked
from shared.kernel.errors import Rejected

RULE = {"processor": "alpha", "reply": "timeout_after"}
STATED = {"processor": "alpha", "reply": "status_before", "status": 503}


def test_a_rule_says_what_happens_to_which_calls():
    processor, rule = read_rule(
        RULE
        | {
            "operation": "capture", "payment": "pay_1", "calls": 3, "webhooks": "late", "webhook_delay_ms": 250,
            "not_found_s": 30, "feed": "late", "feed_delay_s": 60, "delay_ms": 10,
        }
    )  # fmt: skip
    assert (processor, rule.calls) == ("alpha", 3)
    assert rule.match.fits(Asked(operation=Operation.CAPTURE, payment="pay_1", reference="op_1"))
    assert not rule.match.fits(Asked(operation=Operation.CAPTURE, payment="pay_2"))
    assert not rule.match.fits(Asked(operation=Operation.REFUND, payment="pay_1"))
    fault = rule.fault
    assert (fault.reply, fault.webhooks, fault.feed) == (
        ReplyFault.TIMEOUT_AFTER, WebhookPlan.LATE, FeedPlan.LATE,
    )  # fmt: skip
    assert (fault.hidden.seconds, fault.feed_delay.seconds) == (30, 60)


@pytest.mark.parametrize("operation", ["refund", "look_up", "feed"])
def test_a_status_and_a_code_are_stated_and_shown_as_they_were(operation):
    _, rule = read_rule(STATED | {"operation": operation, "code": "backend_down"})
    assert rule.fault.error == ErrorReply(503, "backend_down")
    assert rule.fault.before_effect
    assert shown_fault(rule.fault) == {"reply": "status_before", "status": 503, "code": "backend_down"}
    assert read_rule(STATED | {"code": None})[1].fault.error == ErrorReply(503)


def test_an_honest_refusal_has_the_usual_words_of_each_operation_or_its_own():
    usual = read_rule({"processor": "alpha", "reply": "refused"})[1].fault
    own = read_rule({"processor": "alpha", "reply": "refused", "code": "risk_stop"})[1].fault
    assert shown_fault(own) == {"reply": "refused", "code": "risk_stop"}
    assert usual.settled_for(Operation.AUTHORIZATION).reply is ReplyFault.NONE
    for operation in set(Operation) - {Operation.AUTHORIZATION}:
        settled = usual.settled_for(operation)
        assert settled.before_effect
        assert settled.error == ErrorReply(409, REFUSALS[operation])
        assert own.settled_for(operation).error == ErrorReply(409, "risk_stop")
    lie = read_rule({"processor": "alpha", "reply": "refused_after"})[1].fault
    assert lie.settled_for(Operation.CAPTURE) is lie


@pytest.mark.parametrize("copies", [2, 10])
def test_copies_alone_are_a_rule(copies):
    fault = read_rule({"processor": "alpha", "copies": copies})[1].fault
    assert (fault.copies, shown_fault(fault)) == (copies, {"copies": copies})
    assert not fault.is_none


@pytest.mark.parametrize("key_life_s", [0, 60])
def test_a_key_may_be_said_to_live_for_so_long(key_life_s):
    fault = read_rule({"processor": "alpha", "key_life_s": key_life_s})[1].fault
    assert shown_fault(fault) == {"key_life_s": key_life_s}
    assert not fault.is_none


def test_a_processor_without_keys_has_none_that_could_die_early():
    with pytest.raises(Rejected) as refused:
        read_rule({"processor": "beta", "key_life_s": 60})
    assert refused.value.param == "key_life_s"


def test_an_effect_may_be_said_to_come_twice():
    fault = read_rule({"processor": "alpha", "effect": "twice"})[1].fault
    assert (fault.effect, shown_fault(fault)) == (EffectPlan.TWICE, {"effect": "twice"})
    assert not fault.is_none


@pytest.mark.parametrize(("given", "calls"), [({}, 1), ({"calls": None}, None), ({"calls": 5}, 5)])
def test_a_rule_strikes_one_call_unless_it_says_otherwise(given, calls):
    assert read_rule(RULE | given)[1].calls == calls


@pytest.mark.parametrize("reading", Reading)
def test_reading_is_disturbed_by_its_name_alone(reading):
    """A feed is read every few seconds: it would spend a rule that is meant for the next call."""
    assert not read_rule({"processor": "alpha", "reply": "500_before"})[1].match.fits(
        Asked(operation=reading)
    )
    named = read_rule({"processor": "alpha", "reply": "500_before", "operation": str(reading)})[1].match
    assert [named.fits(Asked(operation=each)) for each in (reading, Operation.CAPTURE)] == [True, False]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"processor": "alpha", "operation": "look_up", "payment": "pay_1"}, "payment"),
        ({"processor": "alpha", "operation": "look_up", "payment_method": "pm_card_visa"}, "payment_method"),
        ({"processor": "alpha", "operation": "feed", "reference": "op_1"}, "reference"),
        ({"processor": "beta", "operation": "look_up", "reference": "op_1"}, "reference"),
    ],
)
def test_a_rule_by_what_no_reading_says_is_refused_by_name(body, param):
    with pytest.raises(Rejected) as refused:
        read_rule(body | {"reply": "500_before"})
    assert (refused.value.code, refused.value.param) == ("field_invalid", param)


def test_a_lookup_at_alpha_is_known_by_its_reference():
    _, rule = read_rule(
        {"processor": "alpha", "operation": "look_up", "reference": "op_1", "reply": "500_before"}
    )
    assert rule.match.fits(Asked(operation=Reading.LOOK_UP, reference="op_1"))


def test_no_lot_is_drawn_for_reading():
    with pytest.raises(Rejected) as refused:
        read_rule({"processor": "alpha", "operation": "feed", "random": {"seed": 7, "rate": 50}})
    assert refused.value.param == "operation"


def test_a_lot_is_drawn_by_the_callers_reference():
    _, rule = read_rule({"processor": "beta", "random": {"seed": 7, "rate": 50}})
    asked = [Asked(operation=Operation.REFUND, reference=f"r{number}") for number in range(100)]
    drawn = [rule.fault_for(each) for each in asked]
    assert drawn == [rule.fault_for(each) for each in asked]
    assert 20 < sum(not fault.is_none for fault in drawn) < 80
    assert rule.fault_for(Asked(operation=Reading.FEED)).is_none


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"reply": "timeout_after"}, "processor"),
        ({"processor": "gamma", "reply": "timeout_after"}, "processor"),
        ({"processor": "alpha"}, "reply"),
        (RULE | {"reply": "explodes"}, "reply"),
        (RULE | {"reply": 500}, "reply"),
        (RULE | {"operation": "payout"}, "operation"),
        (RULE | {"operation": "look_up"}, "reply"),
        (RULE | {"operation": "feed", "reply": "500_before", "not_found_s": 3}, "not_found_s"),
        (RULE | {"effect": "thrice"}, "effect"),
        ({"processor": "alpha", "reply": "refused", "effect": "twice"}, "effect"),
        ({"processor": "beta", "reply": "refused", "effect": "twice"}, "effect"),
        (RULE | {"reply": "500_before", "effect": "twice"}, "effect"),
        ({"processor": "alpha", "operation": "look_up", "effect": "twice"}, "effect"),
        (RULE | {"calls": 0}, "calls"),
        (RULE | {"calls": True}, "calls"),
        (RULE | {"payment": ""}, "payment"),
        (RULE | {"webhooks": "normal"}, "webhooks"),
        (RULE | {"webhooks": "lost", "webhook_delay_ms": 5}, "webhook_delay_ms"),
        (RULE | {"feed": "late"}, "feed_delay_s"),
        (RULE | {"feed_delay_s": 5}, "feed_delay_s"),
        (RULE | {"not_found_s": -1}, "not_found_s"),
        (RULE | {"not_found_s": 1.5}, "not_found_s"),
        (RULE | {"delay_ms": 300_001}, "delay_ms"),
        (RULE | {"copies": 0}, "copies"),
        (RULE | {"copies": 11}, "copies"),
        (RULE | {"copies": True}, "copies"),
        (RULE | {"copies": 3, "webhooks": "twice"}, "copies"),
        (RULE | {"copies": 3, "webhooks": "lost"}, "copies"),
        ({"processor": "alpha", "copies": 1}, "reply"),
        ({"processor": "alpha", "operation": "feed", "copies": 3}, "copies"),
        (STATED | {"status": 399}, "status"),
        (STATED | {"status": 600}, "status"),
        (STATED | {"status": "500"}, "status"),
        ({"processor": "alpha", "reply": "status_after", "code": "x"}, "status"),
        (RULE | {"status": 503}, "status"),
        (RULE | {"code": "x"}, "code"),
        (STATED | {"code": ""}, "code"),
        ({"processor": "beta", "reply": "refused", "status": 409}, "status"),
        ({"processor": "beta", "reply": "refused", "code": "no spaces"}, "code"),
        ({"processor": "beta", "reply": "refused", "operation": "look_up"}, "reply"),
        ({"processor": "beta", "reply": "refused_after", "code": "x"}, "code"),
        (STATED | {"code": "two words"}, "code"),
        (STATED | {"code": 7}, "code"),
        ({"processor": "alpha", "status": 503}, "status"),
        (STATED | {"operation": "feed", "reply": "status_after"}, "reply"),
        (RULE | {"random": {"seed": 1, "rate": 5}}, "reply"),
        ({"processor": "alpha", "random": {"seed": 1}}, "random"),
        ({"processor": "alpha", "random": {"seed": 1, "rate": 101}}, "random.rate"),
        ({"processor": "alpha", "random": {"seed": True, "rate": 1}}, "random.seed"),
        ({"processor": "alpha", "random": {"seed": "x" * 33, "rate": 1}}, "random.seed"),
    ],
)
def test_what_does_not_fit_is_named(body, param):
    with pytest.raises(Rejected) as refused:
        read_rule(body)
    assert (refused.value.status, refused.value.param) == (400, param)


@pytest.mark.parametrize("raw", [b"{}", b'{"advance_s": 0}', b'{"advance_s": -5}', b'{"advance_s": "5"}'])
def test_the_clock_goes_ahead_by_whole_seconds_only(raw):
    with pytest.raises(Rejected) as refused:
        read_advance_s(raw)
    assert refused.value.param == "advance_s"
    assert read_advance_s(b'{"advance_s": 604800}') == 604_800
