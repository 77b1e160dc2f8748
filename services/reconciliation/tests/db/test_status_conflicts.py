"""Where the processor's word contradicts ours: money for what we gave up, and the failure of what we hold to stand."""

from datetime import timedelta

import psycopg
import pytest

from services.reconciliation.app.run_matching import RunKind
from services.reconciliation.tests.three_legs import T0, World, op, pay

LOST = T0 + timedelta(days=20)


@pytest.fixture
def world(desk):
    return World(desk)


def line(name):
    return f"line:alpha_report:{name}"


def failed(world, number, event_type="PaymentFailed", **changes):
    """We gave up: an event without any amount."""
    nothing = {"object_id": None, "fact_key": None, "reason": "attempts_exhausted"}
    world.told(event_type, number, 0, **nothing, **changes)


@pytest.mark.parametrize("event_type", ["PaymentFailed", "PaymentCanceled", "PaymentMethodDeclined"])
@pytest.mark.parametrize("line_first", [True, False])
def test_money_for_what_we_gave_up_is_a_conflict_whichever_came_first(world, event_type, line_first):
    def settled():
        world.line("l1", 700, object_id="cap_x", our_reference=op(1))

    if line_first:
        settled()
        world.match()
        assert world.breaks() == {line("l1"): ("processor_success_internal_missing", 700)}
    failed(world, 1, event_type)
    if not line_first:
        settled()
    world.match(as_of=LOST)
    assert world.breaks() == {line("l1"): ("status_conflict", 700)}
    world.match(RunKind.FULL, as_of=LOST)
    assert world.breaks() == {line("l1"): ("status_conflict", 700)}


def test_a_payment_that_went_on_after_a_declined_attempt_is_matched(world):
    failed(world, 1, "PaymentMethodDeclined", operation_id=op(8))
    world.captured(1, 700)
    world.line("l1", 700, object_id="cap_1", our_reference=op(1))
    world.match(as_of=LOST)
    assert world.breaks() == {}


def test_a_refund_that_we_gave_up_and_the_processor_made_is_a_conflict(world):
    world.told("RefundFailed", 1, 300, refund_id="re_" + "1" * 26, was_succeeded=False, outcome="declined")
    world.line("l1", -300, object_id="ref_1", our_reference=op(1), category="refund")
    world.line("l2", 300, object_id="cap_9", our_reference=op(1))
    world.match(as_of=LOST)
    # Of the charge we gave up nothing: it is not known at all.
    assert world.breaks() == {
        line("l1"): ("status_conflict", 300),
        line("l2"): ("processor_success_internal_missing", 300),
    }


def test_a_failure_of_a_refund_that_stands_is_a_conflict_until_we_hear_of_it(world):
    refund = "re_" + "1" * 26
    world.told("RefundSucceeded", 1, 300, refund_id=refund, object_id="ref_1")
    world.line("l1", -300, object_id="ref_1", category="refund")
    world.line("l2", 300, object_id="ref_1", category="refund_failure")
    world.line("l3", 400, object_id="ref_unknown", category="refund_failure")
    world.match(as_of=LOST)
    assert world.breaks() == {
        line("l2"): ("status_conflict", 300),
        line("l3"): ("processor_success_internal_missing", 400),
    }
    world.told("RefundFailed", 1, 300, refund_id=refund, was_succeeded=True, outcome="failed_later")
    world.line("l4", 300, object_id="ref_1", category="refund_failure", occurred_at=T0 + timedelta(days=1))
    world.match(as_of=LOST)
    # It failed once: the second failure is nothing that we know of.
    assert world.breaks() == {
        line("l3"): ("processor_success_internal_missing", 400),
        line("l4"): ("processor_success_internal_missing", 300),
    }


def test_a_stray_whose_line_does_not_come_is_a_stray_all_the_same(world):
    world.told("StrayFound", 1, 700, stray_id="str_" + "1" * 26, kind="money")
    world.match(as_of=T0 + timedelta(days=1))
    assert world.breaks() == {}
    for as_of in (T0 + timedelta(days=3), LOST):
        world.match(as_of=as_of)
        assert world.breaks() == {"item:charge:alpha:acct_alpha:cap_1": ("stray_capture", 700)}
    world.line("l1", 700, object_id="cap_1")
    world.match(as_of=LOST)
    assert world.breaks() == {line("l1"): ("stray_capture", 700)}


def test_what_was_given_up_stays_written(world, app_sql):
    failed(world, 1)
    failed(world, 1)
    assert world.rows("SELECT name, category, payment_id FROM given_up ORDER BY name") == [
        (op(1), "charge", pay(1)), (pay(1), "charge", pay(1)),
    ]  # fmt: skip
    for statement in ("DELETE FROM given_up", "UPDATE given_up SET payment_id = 'x'"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app_sql.execute(statement)
        app_sql.rollback()
