"""Windows are exact: to the microsecond at both ends, whatever the batches, the order and the copies."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.risk.domain.attempts import Subject
from services.risk.domain.rules import RuleSet
from services.risk.tests.attempts import MERCHANT, OTHER_MERCHANT, START, attempt

pytestmark = pytest.mark.db
MICROSECOND = timedelta(microseconds=1)


def often(subject="customer", **changes):
    rule = {"name": "often", "subject": subject, "window_s": 60, "max_count": 2, "decision": "block"}
    return [rule | changes]


def after(seconds, **changes):
    return attempt(at=START + timedelta(seconds=seconds), **changes)


@pytest.mark.parametrize("subject", [subject.value for subject in Subject])
def test_one_more_than_allowed_is_hit_within_the_window_and_not_behind_it(desk, subject):
    desk.put_in_force(velocity=often(subject))
    assert desk.ask(after(0), after(1)) == ["allow", "allow"]
    assert desk.ask(after(59.999999)) == ["block"]
    # The first has just left the window that ends now; the second and the blocked one are still in it.
    assert desk.ask(after(60)) == ["block"]
    assert desk.ask(after(120.0)) == ["allow"]


def test_an_attempt_exactly_one_window_ago_has_left_it(desk):
    desk.put_in_force(velocity=often(max_count=1))
    assert desk.ask(after(0)) == ["allow"]
    assert desk.ask(attempt(at=START + timedelta(seconds=60) - MICROSECOND)) == ["block"]
    assert desk.ask(attempt(at=START + timedelta(seconds=120))) == ["allow"]


def test_attempts_of_one_batch_see_each_other(desk):
    desk.put_in_force(velocity=often())
    assert desk.ask(after(0), after(1), after(2)) == ["allow", "allow", "block"]


@pytest.mark.parametrize("together", [True, False])
def test_no_window_holds_more_than_allowed_whatever_the_order_of_arrival(desk, together):
    desk.put_in_force(velocity=often())
    late_first = [after(50), after(10), after(30), after(100)]
    decisions = desk.ask(*late_first) if together else [desk.ask(each)[0] for each in late_first]
    # (-10, 50] would have held three with the one at 30; (40, 100] holds two.
    assert decisions == ["allow", "allow", "block", "allow"]


def test_money_that_came_out_of_order_is_summed_in_every_window(desk):
    rule = {"name": "much", "subject": "merchant", "window_s": 60, "max_minor": 2_500, "currency": "EUR"}
    desk.put_in_force(velocity=[rule | {"decision": "review"}])
    assert [desk.ask(after(second))[0] for second in (59, 0, 30)] == ["allow", "allow", "review"]


@pytest.mark.parametrize(
    "limit",
    [
        {"max_minor": 1_000_000, "currency": "EUR"},
        {"max_count": 3},  # counts no further than that where nothing came late
        {"max_count": 5_000},
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_more_money_than_a_number_holds_is_judged_as_what_it_is(desk, limit, late):
    """1,025 attempts of the largest amount come to more than 2^63 - 1."""
    desk.put_in_force(
        velocity=[{"name": "much", "subject": "merchant", "window_s": 60, "decision": "block"} | limit]
    )
    many = [after(number / 1_000, amount_minor=2**53 - 1) for number in range(1, 1_101)]
    desk.run(lambda uow: uow.attempts.take_in(many))
    verdict = "allow" if limit.get("max_count") == 5_000 else "block"
    assert desk.ask(after(0 if late else 2)) == [verdict]


def test_other_subjects_and_operations_outside_of_the_scope_do_not_count(desk):
    desk.put_in_force(velocity=often(max_count=1, merchants=[MERCHANT], subject="payment_method"))
    assert desk.ask(after(0, merchant_id=OTHER_MERCHANT), after(1, payment_method="pm_2")) == [
        "allow",
        "allow",
    ]
    assert desk.ask(after(2)) == ["allow"]
    assert desk.ask(after(3)) == ["block"]


def test_money_is_summed_per_currency(desk):
    rule = {"max_count": None, "max_minor": 2_500, "currency": "EUR"}
    desk.put_in_force(velocity=[{k: v for k, v in (often("merchant")[0] | rule).items() if v is not None}])
    assert desk.ask(after(0), after(1, currency="JPY"), after(2)) == ["allow"] * 3
    assert desk.ask(after(3)) == ["block"]


def test_what_nobody_waits_for_is_counted_and_not_decided(desk):
    desk.put_in_force(velocity=often(max_count=1))
    assert desk.ask(after(0), waits=False) == [None]
    assert desk.ask(after(1)) == ["block"]


def test_an_operation_told_again_is_counted_once_and_decided_once(desk):
    desk.put_in_force(velocity=often())
    first = after(0)
    assert desk.ask(first) == ["allow"]
    for _ in range(5):
        desk.ask(first)
    assert desk.ask(after(1)) == ["allow"]
    assert desk.rows("SELECT count(*) FROM decisions WHERE operation_id = :id", id=first.operation_id) == [
        (1,)
    ]
    announced = "SELECT count(*) FROM outbox WHERE event_type = 'RiskDecided.v1'"
    assert desk.rows(announced) == [(2,)]


def test_two_consumers_at_once_let_no_more_through_than_one_would(desk):
    desk.put_in_force(velocity=often(max_count=3))
    attempts = [after(0) for _ in range(12)]
    threads = [threading.Thread(target=desk.ask, args=(each,)) for each in attempts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(desk.decision(each) for each in attempts) == ["allow"] * 3 + ["block"] * 9


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moments=st.lists(st.integers(0, 200), min_size=1, max_size=20),
    sizes=st.lists(st.integers(1, 6), min_size=20, max_size=20),
)
def test_counts_equal_those_of_a_plain_list_whatever_batches_and_order(desk, moments, sizes):
    rule = RuleSet.of(1, {"velocity": often(max_count=100_000)}).velocity[0]
    customer, known, left = attempt().operation_id, [], [after(moment) for moment in moments]
    while left:
        size = sizes.pop() if sizes else len(left)
        batch, left = [attempt(at=each.at, customer=customer) for each in left[:size]], left[size:]

        def work(uow, batch=batch):
            uow.attempts.take_in(batch)
            return uow.attempts.count([(each, rule) for each in batch])

        known += batch
        counted = desk.run(work)
        for each in batch:
            seen = known[: known.index(each) + 1]
            ends = [each.at, *(other.at for other in seen if each.at < other.at < each.at + rule.window)]
            held = [sum(1 for other in seen if end - rule.window < other.at <= end) for end in ends]
            assert counted[each.operation_id, rule.name].attempts == max(held)
