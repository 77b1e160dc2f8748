"""An answer that tells of another payment's object: the one that asked is in review, the other one is as it was told."""

from __future__ import annotations

from services.payment.app.apply_attempt_answered import ApplyAttemptAnswered, apply_attempt_answered
from services.payment.app.apply_fact import apply_fact
from services.payment.app.capture_payment import CapturePayment, capture_payment
from services.payment.app.create_payment import create_payment
from services.payment.domain.answering import Answer
from services.payment.domain.facts import Fact
from services.payment.domain.operations import Operation, OperationState
from services.payment.domain.payment import Payment
from services.payment.domain.status import CaptureMethod
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import MERCHANT, authorized, captured, told, wish

MINE = {"object_id": "auth_mine"}
OTHERS = {"object_id": "auth_others"}


def capturing(unit: MemoryUnit, hold: dict[str, str], amount_minor: int) -> tuple[Payment, Operation]:
    """A held payment with a part of it asked for, the last one."""
    payment = create_payment(wish(capture_method=CaptureMethod.MANUAL), unit)
    unit.commit()
    apply_fact(told(authorized(payment, **hold)), unit)
    unit.commit()
    asked = CapturePayment(
        merchant_id=MERCHANT, mode="test", request_id="r", payment_id=payment.payment_id,
        amount_minor=amount_minor, final=True,
    )  # fmt: skip
    capture_payment(asked, unit)
    unit.commit()
    operation = payment.latest_operation
    assert operation is not None
    return payment, operation


def answer(unit: MemoryUnit, asked: Payment, operation: Operation, fact: Fact) -> None:
    apply_attempt_answered(
        ApplyAttemptAnswered(
            payment_id=asked.payment_id,
            operation_id=operation.operation_id,
            cause_id="evt_answer",
            answer=Answer(
                result="unknown", decline_code=None, error_code=None, message=None, next_check_at=None,
                mismatched=True,
            ),
            facts=(fact,),
            answered_at=unit.now,
        ),
        unit,
    )  # fmt: skip
    unit.commit()


def test_what_it_tells_of_the_other_payment_counts_there_and_its_asker_is_in_review() -> None:
    unit = MemoryUnit()
    mine, my_capture = capturing(unit, MINE, 4_000)
    others, their_capture = capturing(unit, OTHERS, 3_000)
    theirs = captured(
        others,
        their_capture.operation_id,
        object_id="cap_others",
        parent_id="auth_others",
        amount_minor=3_000,
    )
    answer(unit, mine, my_capture, theirs)
    assert my_capture.state is OperationState.IN_REVIEW
    assert (mine.amounts.captured_minor, mine.amounts.capturable_minor) == (0, 10_000)
    assert their_capture.state is OperationState.SUCCEEDED
    assert (others.amounts.captured_minor, others.strays, others.cases.kept) == (3_000, {}, {})


def test_its_hold_is_not_given_back_for_the_askers_last_capture() -> None:
    unit = MemoryUnit()
    mine, my_capture = capturing(unit, MINE, 4_000)
    others = create_payment(wish(capture_method=CaptureMethod.MANUAL), unit)
    unit.commit()
    apply_fact(told(authorized(others, **OTHERS)), unit)
    unit.commit()
    part = captured(
        others, object_id="cap_others", parent_id="auth_others", amount_minor=3_000, reference=None
    )
    apply_fact(told(part), unit)
    unit.commit()
    before = others.amounts.capturable_minor
    assert before == 7_000
    answer(unit, mine, my_capture, part)
    assert my_capture.state is OperationState.IN_REVIEW
    assert others.amounts.capturable_minor == before
