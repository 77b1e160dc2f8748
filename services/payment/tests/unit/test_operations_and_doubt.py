"""Commands, doubt, and what closes it: told one case at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.payment.app.apply_attempt_answered import ApplyAttemptAnswered, apply_attempt_answered
from services.payment.app.apply_attempt_closed import ApplyAttemptClosed, apply_attempt_closed
from services.payment.app.apply_attempt_sent import ApplyAttemptSent, apply_attempt_sent
from services.payment.app.apply_fact import apply_fact
from services.payment.app.apply_ladder_exhausted import ApplyLadderExhausted, apply_ladder_exhausted
from services.payment.app.cancel_payment import CancelPayment, cancel_payment
from services.payment.app.capture_payment import CapturePayment, capture_payment
from services.payment.app.confirm_payment import ConfirmPayment, confirm_payment
from services.payment.app.create_payment import create_payment
from services.payment.app.refund_payment import RefundPayment, refund_payment
from services.payment.app.request_look_up import RequestLookUp, request_look_up
from services.payment.app.wake_waiting_facts import WakeWaitingFacts, wake_waiting_facts
from services.payment.domain.answering import Answer
from services.payment.domain.facts import Fact
from services.payment.domain.payment import Payment
from services.payment.domain.status import CaptureMethod, Source
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import MERCHANT, authorized, captured, first_operation, refunded, told, wish
from shared.kernel.errors import Poison, Rejected

WHO = {"merchant_id": MERCHANT, "mode": "test", "request_id": "r"}


@pytest.fixture
def unit() -> MemoryUnit:
    return MemoryUnit()


def answered(unit: MemoryUnit, payment: Payment, result: str, *facts: Fact, **changes: Any) -> None:
    answer = Answer(
        result=result, decline_code=None, error_code=None, message=None, next_check_at=None, mismatched=False
    )
    operation = payment.latest_operation
    assert operation is not None
    apply_attempt_answered(
        ApplyAttemptAnswered(
            payment_id=payment.payment_id,
            operation_id=operation.operation_id,
            cause_id="evt_a",
            answer=replace(answer, **changes),
            facts=facts,
            answered_at=unit.now,
        ),
        unit,
    )
    unit.commit()


def told_all(unit: MemoryUnit, *facts: Fact) -> None:
    for what in facts:
        apply_fact(told(what), unit)
        unit.commit()


def kinds(unit: MemoryUnit) -> list[str]:
    return [type(event).__name__ for _, event in unit.events]


def a_sale(unit: MemoryUnit, **changes: Any) -> Payment:
    payment = create_payment(wish(**changes), unit)
    unit.commit()
    return payment


def a_hold(unit: MemoryUnit) -> Payment:
    payment = a_sale(unit, capture_method=CaptureMethod.MANUAL)
    told_all(unit, authorized(payment))
    return payment


def test_a_sale_is_written_as_authorized_then_captured(unit: MemoryUnit) -> None:
    payment = a_sale(unit)
    answered(unit, payment, "done", authorized(payment), captured(payment))
    assert payment.status == "CAPTURED"
    steps = [(step.from_state, step.to_state) for step in unit.history if step.subject == "payment"]
    assert steps == [(None, "CREATED"), ("CREATED", "AUTHORIZED"), ("AUTHORIZED", "CAPTURED")]
    assert "OperationDecided" not in [type(command).__name__ for command in unit.commands]


def test_evidence_from_elsewhere_tells_the_processor_service(unit: MemoryUnit) -> None:
    payment = a_sale(unit)
    told_all(unit, captured(payment))
    assert [type(command).__name__ for command in unit.commands] == ["AuthorizePayment", "OperationDecided"]
    implied = [step.to_state for step in unit.history if step.implied]
    assert implied == ["SENT", "AUTHORIZED"]


def test_declines_use_up_the_attempts_and_then_the_payment_has_failed(unit: MemoryUnit) -> None:
    payment = a_sale(unit, max_attempts=2)
    answered(unit, payment, "declined", decline_code="insufficient_funds")
    assert (payment.status, payment.attempts_left) == ("REQUIRES_PAYMENT_METHOD", 1)
    confirm_payment(ConfirmPayment(**WHO, payment_id=payment.payment_id, payment_method="pm_2"), unit)
    unit.commit()
    answered(unit, payment, "declined", decline_code="do_not_honor")
    assert payment.status == "FAILED"
    assert kinds(unit)[-2:] == ["PaymentMethodDeclined", "PaymentFailed"]
    with pytest.raises(Rejected, match="payment_wrong_status"):
        confirm_payment(ConfirmPayment(**WHO, payment_id=payment.payment_id, payment_method="pm_3"), unit)


def test_doubt_is_announced_once_and_resolved_once(unit: MemoryUnit) -> None:
    payment = a_sale(unit)
    answered(unit, payment, "unknown")
    answered(unit, payment, "unknown")
    assert (payment.certainty, payment.in_doubt_minor) == ("uncertain", 10_000)
    told_all(unit, authorized(payment), captured(payment))
    assert (payment.certainty, payment.in_doubt_minor) == ("certain", 0)
    assert (kinds(unit).count("OperationUncertain"), kinds(unit).count("OperationResolved")) == (1, 1)


def test_an_undecided_operation_refuses_authorize_capture_and_cancel(unit: MemoryUnit) -> None:
    payment = a_sale(unit)
    attempts = (
        lambda: confirm_payment(
            ConfirmPayment(**WHO, payment_id=payment.payment_id, payment_method="pm"), unit
        ),
        lambda: capture_payment(CapturePayment(**WHO, payment_id=payment.payment_id), unit),
        lambda: cancel_payment(CancelPayment(**WHO, payment_id=payment.payment_id), unit),
    )
    for attempt in attempts:
        with pytest.raises(Rejected) as told_:
            attempt()
        assert (told_.value.code, told_.value.stored) == ("operation_in_doubt", False)


def test_a_ladder_at_its_end_goes_to_review_and_still_blocks(unit: MemoryUnit) -> None:
    payment = a_sale(unit)
    answered(unit, payment, "unknown")
    operation_id = first_operation(payment)
    apply_ladder_exhausted(
        ApplyLadderExhausted(payment_id=payment.payment_id, operation_id=operation_id, cause_id="e"), unit
    )
    assert payment.operations[operation_id].state == "IN_REVIEW"
    assert f"ladder_exhausted:{operation_id}" in payment.case_keys
    with pytest.raises(Rejected, match="operation_in_doubt"):
        cancel_payment(CancelPayment(**WHO, payment_id=payment.payment_id), unit)


def test_only_a_closed_attempt_is_abandoned_and_counts_as_declined(unit: MemoryUnit) -> None:
    payment = a_sale(unit)
    answered(unit, payment, "not_sent")
    assert payment.operations[first_operation(payment)].state == "SENT"
    apply_attempt_closed(
        ApplyAttemptClosed(
            payment_id=payment.payment_id,
            operation_id=first_operation(payment),
            reason="not_sent_limit",
            ever_sent=False,
            cause_id="e",
        ),
        unit,
    )
    assert payment.operations[first_operation(payment)].state == "ABANDONED"
    assert payment.status == "REQUIRES_PAYMENT_METHOD"
    told_all(unit, authorized(payment), captured(payment))
    assert (payment.amounts.captured_minor, payment.amounts.stray_minor) == (0, 10_000)


def test_a_cancel_waits_for_the_processors_word(unit: MemoryUnit) -> None:
    payment = a_hold(unit)
    cancel_payment(CancelPayment(**WHO, payment_id=payment.payment_id), unit)
    unit.commit()
    assert payment.status == "AUTHORIZED"
    answered(
        unit,
        payment,
        "done",
        authorized(payment, first_operation(payment), status="voided", object_version=2),
    )
    assert (payment.status, payment.amounts.capturable_minor) == ("CANCELED", 0)
    assert payment.latest_operation is not None
    assert payment.latest_operation.state == "SUCCEEDED"


def test_before_a_hold_a_cancel_is_done_at_once(unit: MemoryUnit) -> None:
    payment = a_sale(unit, payment_method=None)
    cancel_payment(CancelPayment(**WHO, payment_id=payment.payment_id), unit)
    assert payment.status == "CANCELED"


def test_the_second_attempt_is_paid_and_the_first_turns_out_to_have_been_too(unit: MemoryUnit) -> None:
    """The real double charge: the money of the attempt declared dead is a stray, never counted twice."""
    payment = a_sale(unit)
    first = first_operation(payment)
    answered(unit, payment, "declined")
    confirm_payment(ConfirmPayment(**WHO, payment_id=payment.payment_id, payment_method="pm_2"), unit)
    unit.commit()
    second = payment.latest_operation
    assert second is not None
    answered(
        unit,
        payment,
        "done",
        authorized(payment, second.operation_id),
        captured(payment, second.operation_id),
    )
    told_all(
        unit,
        authorized(payment, first, object_id="auth_0"),
        captured(payment, first, object_id="cap_0", parent_id="auth_0"),
        refunded(payment, "succeeded", 1, parent_id="cap_0", object_id="ref_0", amount_minor=10_000),
    )
    assert (payment.status, payment.amounts.captured_minor) == ("CAPTURED", 10_000)
    assert (payment.amounts.refunded_minor, payment.amounts.stray_minor) == (0, 0)
    strays = [kind for kind in kinds(unit) if kind.startswith("Stray")]
    assert strays == ["StrayFound", "StrayFound", "StrayReturnRequested", "StrayReturnSucceeded"]


def test_an_amount_that_was_not_asked_for_is_set_aside(unit: MemoryUnit) -> None:
    payment = a_sale(unit)
    answered(
        unit,
        payment,
        "done",
        authorized(payment),
        captured(payment, amount_minor=9_999),
        mismatched=False,
    )
    assert payment.operations[first_operation(payment)].state == "IN_REVIEW"
    assert (payment.status, payment.amounts.captured_minor) == ("AUTHORIZED", 0)
    assert payment.amounts.stray_minor == 9_999


def test_a_refund_reserves_its_room_until_it_is_decided(unit: MemoryUnit) -> None:
    payment = a_sale(unit)
    told_all(unit, authorized(payment), captured(payment))
    refund = refund_payment(RefundPayment(**WHO, payment_id=payment.payment_id, amount_minor=4_000), unit)
    unit.commit()
    with pytest.raises(Rejected, match="refund_exceeds_room"):
        refund_payment(RefundPayment(**WHO, payment_id=payment.payment_id, amount_minor=6_001), unit)
    answered(unit, payment, "done", refunded(payment, "succeeded", 1, reference=refund.operation_id))
    assert (payment.amounts.refunded_minor, payment.amounts.refund_reserved_minor) == (4_000, 0)
    told_all(unit, refunded(payment, "failed", 2, reference=refund.operation_id))
    assert (refund.state, payment.amounts.refunded_minor, payment.status) == ("FAILED", 0, "CAPTURED")
    assert payment.operations[refund.operation_id or ""].state == "FAILED_LATER"


def test_a_full_refund_ends_refunded(unit: MemoryUnit) -> None:
    payment = a_sale(unit)
    told_all(unit, authorized(payment), captured(payment))
    refund = refund_payment(RefundPayment(**WHO, payment_id=payment.payment_id), unit)
    unit.commit()
    told_all(unit, refunded(payment, "succeeded", 1, reference=refund.operation_id, amount_minor=10_000))
    assert payment.status == "REFUNDED"


def test_a_fact_about_nobody_waits_and_is_applied_when_its_payment_is_there(unit: MemoryUnit) -> None:
    payment = a_sale(unit)
    orphan = refunded(payment, "succeeded", 1, payment_id=None, parent_id="cap_9")
    told_all(unit, orphan, orphan)
    assert len(unit.waiting.rows) == 1
    told_all(unit, authorized(payment), captured(payment, object_id="cap_9"))
    wake_waiting_facts(WakeWaitingFacts(), unit)
    unit.commit()
    assert not unit.waiting.rows
    assert payment.amounts.refunded_minor == 4_000


def test_reading_a_doubtful_payment_looks_up_once_in_five_seconds(unit: MemoryUnit) -> None:
    payment = a_sale(unit)
    answered(unit, payment, "unknown")
    ask = RequestLookUp(**WHO, payment_id=payment.payment_id)
    assert [request_look_up(ask, unit), request_look_up(ask, unit)] == [1, 0]


def test_another_merchants_payment_does_not_exist(unit: MemoryUnit) -> None:
    payment = a_hold(unit)
    with pytest.raises(Rejected) as told_:
        capture_payment(
            CapturePayment(**(WHO | {"merchant_id": "mer_2"}), payment_id=payment.payment_id), unit
        )
    assert told_.value.status == 404


def test_a_reference_in_use_is_refused_naming_its_payment(unit: MemoryUnit) -> None:
    payment = a_sale(unit, reference="order 1")
    with pytest.raises(Rejected) as told_:
        a_sale(unit, reference="order 1")
    assert (told_.value.code, told_.value.extra["payment"]) == ("reference_in_use", payment.payment_id)


def test_a_report_about_a_payment_that_is_not_ours_is_poison(unit: MemoryUnit) -> None:
    with pytest.raises(Poison):
        apply_attempt_sent(ApplyAttemptSent(payment_id="pay_x", operation_id="op_x", cause_id="e"), unit)


def test_a_capture_without_an_operation_is_adopted_with_a_case(unit: MemoryUnit) -> None:
    payment = a_hold(unit)
    told_all(unit, captured(payment, reference=None, amount_minor=2_000))
    assert (payment.status, payment.amounts.captured_minor, payment.amounts.capturable_minor) == (
        "CAPTURED",
        2_000,
        8_000,
    )
    assert "capture_adopted:cap_1" in payment.case_keys


def test_sources_other_than_the_processor_service_are_known_by_name() -> None:
    assert {Source.REPLY, Source.POLL} < set(Source)
