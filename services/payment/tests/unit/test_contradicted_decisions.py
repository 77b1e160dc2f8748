"""What contradicts a person's decision is a case again, and names the one that was closed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.payment.app.apply_fact import apply_fact
from services.payment.app.cancel_payment import CancelPayment, cancel_payment
from services.payment.app.capture_payment import CapturePayment, capture_payment
from services.payment.app.refund_payment import RefundPayment, refund_payment
from services.payment.domain.deciding import give_up
from services.payment.domain.operations import OperationState
from services.payment.domain.operator_facts import proof_of_success
from services.payment.domain.status import CaptureMethod, Source
from services.payment.tests.cases_world import World
from services.payment.tests.world import (
    authorized,
    captured,
    disputed,
    first_operation,
    money_row,
    refunded,
    told,
)

# -- what contradicts a person's decision is a case again


def test_a_decision_counts_although_its_case_had_been_closed_by_hand_before() -> None:
    world = World()
    operation = world.capture()
    world.tell(captured(world.payment, operation.operation_id, status="pending"))
    old = world.exhausted(operation)
    world.payment.answer_cases([old], world.moment(), why="I am on it", by="olga")
    world.decide(operation, OperationState.DECLINED)
    world.tell(captured(world.payment, operation.operation_id, object_version=2))
    assert operation.state is OperationState.SUCCEEDED
    assert world.open() == {"decision_contradicted"}
    assert world.of("decision_contradicted").follows_case_id == old.case_id


def test_a_decision_about_what_was_found_under_an_operation_is_none_about_the_operation() -> None:
    world = World(CaptureMethod.AUTOMATIC)
    payment = world.payment
    world.tell(authorized(payment), captured(payment))
    operation = world.ask(refund_payment, RefundPayment, amount_minor=4_000)
    case = world.exhausted(operation)
    payment.answer_cases([case], world.moment(), why="sent back", by="ann", decision_id="dec_1")
    for status, version in (("succeeded", 1), ("failed", 2)):
        world.tell(refunded(payment, status, version, reference=operation.operation_id))
    assert operation.state is OperationState.FAILED_LATER
    assert world.open() == set()


def test_a_case_that_was_only_closed_decided_nothing_that_could_be_contradicted() -> None:
    world = World(CaptureMethod.AUTOMATIC)
    payment = world.payment
    world.tell(authorized(payment), captured(payment))
    operation = world.ask(refund_payment, RefundPayment, amount_minor=4_000)
    case = world.exhausted(operation)
    payment.answer_cases([case], world.moment(), why="I am on it", by="ann")
    for status, version in (("succeeded", 1), ("failed", 2)):
        world.tell(refunded(payment, status, version, reference=operation.operation_id))
    assert operation.state is OperationState.FAILED_LATER
    assert world.open() == set()


def test_did_not_happen_and_then_the_capture_turns_up() -> None:
    world = World()
    operation = world.capture()
    old = world.exhausted(operation)
    world.decide(operation, OperationState.DECLINED)
    assert world.open() == set()
    world.tell(captured(world.payment, operation.operation_id))
    assert world.payment.amounts.captured_minor == 10_000
    assert world.open() == {"capture_adopted"}
    assert world.of("capture_adopted").follows_case_id == old.case_id
    assert (old.open, old.closed_by, old.closed_reason) == (False, "ann", "ticket 12")


def test_did_not_happen_and_then_it_is_astray_in_a_payment_that_ended() -> None:
    world = World(CaptureMethod.AUTOMATIC)
    operation = world.payment.operations[first_operation(world.payment)]
    old = world.exhausted(operation)
    world.payment.max_attempts = 1
    world.decide(operation, OperationState.DECLINED)
    world.tell(captured(world.payment))
    assert world.of("stray_found").follows_case_id == old.case_id


def test_did_not_happen_and_then_the_same_object_succeeded() -> None:
    world = World()
    operation = world.capture()
    world.tell(captured(world.payment, operation.operation_id, status="pending"))
    old = world.exhausted(operation)
    world.decide(operation, OperationState.DECLINED)
    world.tell(captured(world.payment, operation.operation_id, object_version=2))
    assert operation.state is OperationState.SUCCEEDED
    assert world.open() == {"decision_contradicted"}
    assert world.of("decision_contradicted").follows_case_id == old.case_id


def test_happened_and_then_it_had_failed() -> None:
    world = World(CaptureMethod.AUTOMATIC)
    payment = world.payment
    world.tell(authorized(payment), captured(payment))
    operation = world.ask(refund_payment, RefundPayment, amount_minor=4_000)
    old = world.exhausted(operation)
    proof = refunded(payment, "succeeded", 1, reference=operation.operation_id)
    apply_fact(told(proof, Source.OPERATOR), world.unit)
    world.decide(operation, OperationState.SUCCEEDED)
    assert world.open() == set()
    world.tell(refunded(payment, "failed", 2, reference=operation.operation_id))
    assert operation.state is OperationState.FAILED_LATER
    assert world.open() == {"decision_contradicted"}
    assert world.of("decision_contradicted").follows_case_id == old.case_id


@pytest.mark.parametrize("known", [(), ("pending",)], ids=["unknown", "seen pending"])
def test_without_versions_the_processors_own_word_from_before_the_decision_contradicts_it(
    known: tuple[str, ...],
) -> None:
    world = World(CaptureMethod.AUTOMATIC, processor="beta", account="acct_beta")
    payment, unversioned = world.payment, {"object_version": None}
    world.tell(authorized(payment, **unversioned), captured(payment, **unversioned))
    operation = world.ask(refund_payment, RefundPayment, amount_minor=4_000)
    told_at = world.unit.now
    word = {"reference": operation.operation_id, "object_version": None}
    world.tell(*(refunded(payment, status, 1, occurred_at=told_at, **word) for status in known))
    old = world.exhausted(operation)
    world.unit.now += timedelta(hours=4)
    proof = proof_of_success(payment, operation, "ref_1", "report 7", world.unit.now)
    apply_fact(told(proof, Source.OPERATOR), world.unit)
    assert operation.state is OperationState.SUCCEEDED
    world.decide(operation, OperationState.SUCCEEDED)
    world.tell(*(refunded(payment, status, 1, occurred_at=told_at, **word) for status in known))
    assert world.open() == set(), "what was known when they decided is no news"
    world.tell(refunded(payment, "declined", 1, occurred_at=told_at + timedelta(minutes=5), **word))
    assert operation.state is OperationState.FAILED_LATER
    assert world.open() == {"decision_contradicted"}
    assert world.of("decision_contradicted").follows_case_id == old.case_id


def test_without_versions_the_processors_own_word_that_agrees_changes_nothing() -> None:
    world = World(CaptureMethod.AUTOMATIC, processor="beta", account="acct_beta")
    payment = world.payment
    world.tell(authorized(payment, object_version=None), captured(payment, object_version=None))
    operation = world.ask(refund_payment, RefundPayment, amount_minor=4_000)
    told_at = world.unit.now
    world.exhausted(operation)
    world.unit.now += timedelta(hours=4)
    proof = proof_of_success(payment, operation, "ref_1", "report 7", world.unit.now)
    apply_fact(told(proof, Source.OPERATOR), world.unit)
    world.decide(operation, OperationState.SUCCEEDED)
    word = {"reference": operation.operation_id, "object_version": None, "occurred_at": told_at}
    world.tell(refunded(payment, "pending", 1, **word), refunded(payment, "succeeded", 1, **word))
    assert (operation.state, payment.amounts.refunded_minor) == (OperationState.SUCCEEDED, 4_000)
    assert world.open() == set()


def test_did_not_happen_and_then_the_refund_turns_up() -> None:
    world = World(CaptureMethod.AUTOMATIC)
    payment = world.payment
    world.tell(authorized(payment), captured(payment))
    operation = world.ask(refund_payment, RefundPayment, amount_minor=4_000)
    old = world.exhausted(operation)
    world.decide(operation, OperationState.DECLINED)
    world.tell(refunded(payment, "succeeded", 1, reference=operation.operation_id))
    assert world.of("refund_adopted").follows_case_id == old.case_id


def test_did_not_happen_and_then_the_hold_was_voided() -> None:
    world = World()
    operation = world.ask(cancel_payment, CancelPayment)
    old = world.exhausted(operation)
    world.decide(operation, OperationState.DECLINED)
    world.tell(authorized(world.payment, status="voided", object_version=2))
    assert world.open() == {"decision_contradicted"}
    assert world.of("decision_contradicted").follows_case_id == old.case_id


def test_a_refund_that_nobody_decided_fails_later_without_a_case() -> None:
    world = World(CaptureMethod.AUTOMATIC)
    payment = world.payment
    world.tell(authorized(payment), captured(payment))
    operation = world.ask(refund_payment, RefundPayment, amount_minor=4_000)
    world.exhausted(operation)
    for status, version in (("succeeded", 1), ("failed", 2)):
        world.tell(refunded(payment, status, version, reference=operation.operation_id))
    assert operation.state is OperationState.FAILED_LATER
    assert world.open() == set()


def test_a_dispute_that_returns_refunded_money_is_followed_while_it_grows() -> None:
    world = World(CaptureMethod.AUTOMATIC)
    payment = world.payment
    world.tell(authorized(payment), captured(payment), refunded(payment, "succeeded", 1, amount_minor=9_000))
    world.tell(disputed(payment, "opened", 1, amount_minor=3_000))
    assert world.of("refunds_exceed_captured").exposure_minor == 2_000
    world.tell(disputed(payment, "opened", 2, amount_minor=5_000))
    world.tell(money_row(payment, "dispute", "opened", 5_000, "row_1"))
    assert world.of("refunds_exceed_captured").exposure_minor == 4_000


@pytest.mark.parametrize(("final", "capturable_minor"), [(True, 0), (False, 4_000)])
def test_an_adopted_capture_that_was_asked_for_as_the_last_one_leaves_no_hold(
    final: bool, capturable_minor: int
) -> None:
    world = World()
    operation = world.ask(capture_payment, CapturePayment, amount_minor=6_000, final=final)
    give_up(world.payment, operation, OperationState.ABANDONED, world.moment(Source.POLL))
    world.unit.commit()
    world.tell(captured(world.payment, operation.operation_id, amount_minor=6_000))
    assert world.open() == {"capture_adopted"}
    assert world.payment.amounts.capturable_minor == capturable_minor
