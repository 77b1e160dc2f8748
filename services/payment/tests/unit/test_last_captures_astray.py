"""A last capture that was not what was asked for: its money is astray, and no rest of the hold is ours any more."""

from datetime import datetime

import pytest

from services.payment.app.apply_attempt_answered import ApplyAttemptAnswered, apply_attempt_answered
from services.payment.app.apply_fact import apply_fact
from services.payment.app.capture_payment import CapturePayment, capture_payment
from services.payment.app.create_payment import create_payment
from services.payment.domain.answering import Answer
from services.payment.domain.changes import Moment
from services.payment.domain.deciding import give_up
from services.payment.domain.events import HoldReleased, PaymentCanceled
from services.payment.domain.facts import Fact, Role
from services.payment.domain.operations import OperationState
from services.payment.domain.payment import Payment
from services.payment.domain.status import CaptureMethod, Source, Status
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.settlement import line_of, tell
from services.payment.tests.world import MERCHANT, authorized, captured, told, wish

WHO = {"merchant_id": MERCHANT, "mode": "test", "request_id": "req_2"}


def capture_asked(*, final: bool) -> tuple[Payment, MemoryUnit]:
    """A hold of 100.00, and a capture of 40.00 of it on its way."""
    unit = MemoryUnit()
    payment = create_payment(wish(capture_method=CaptureMethod.MANUAL), unit)
    unit.commit()
    apply_fact(told(authorized(payment)), unit)
    wanted = CapturePayment(**WHO, payment_id=payment.payment_id, amount_minor=4_000, final=final)
    capture_payment(wanted, unit)
    unit.commit()
    return payment, unit


def answer_otherwise(payment: Payment, unit: MemoryUnit, fact: Fact, at: datetime | None = None) -> None:
    """The call is answered with the fact, which is not what was asked for."""
    apply_attempt_answered(
        ApplyAttemptAnswered(
            payment_id=payment.payment_id,
            operation_id=payment.latest_operation.operation_id,
            cause_id="evt_answer",
            answer=Answer(
                result="unknown",
                decline_code=None,
                error_code=None,
                message=None,
                next_check_at=None,
                mismatched=True,
            ),
            facts=(fact,),
            answered_at=at or unit.now,
        ),
        unit,
    )
    unit.commit()


def released_minor(unit: MemoryUnit) -> int:
    return sum(event.amount_minor for _, event in unit.events if isinstance(event, HoldReleased))


@pytest.mark.parametrize(("final", "capturable_minor"), [(True, 0), (False, 6_000)])
def test_an_answer_that_names_another_reference_ends_the_hold_only_where_it_was_the_last(
    final, capturable_minor
):
    payment, unit = capture_asked(final=final)
    operation = payment.latest_operation
    answer_otherwise(payment, unit, captured(payment, amount_minor=4_000, reference="op_of_nobody"))
    (stray,) = payment.strays.values()
    assert (operation.state, stray.operation_id) == (OperationState.IN_REVIEW, operation.operation_id)
    assert (payment.amounts.captured_minor, payment.amounts.capturable_minor) == (0, capturable_minor)
    # Nothing is said to be given back while a person may still find that the capture took it.
    assert (payment.status, released_minor(unit)) == (Status.AUTHORIZED, 0)


@pytest.mark.parametrize(("final", "capturable_minor"), [(True, 0), (False, 7_000)])
def test_an_amount_that_nobody_asked_for_ends_the_hold_only_where_it_was_the_last(final, capturable_minor):
    payment, unit = capture_asked(final=final)
    operation = payment.latest_operation
    fact = captured(payment, amount_minor=3_000, reference=operation.operation_id)
    apply_fact(told(fact), unit)
    unit.commit()
    assert (operation.state, len(payment.strays)) == (OperationState.IN_REVIEW, 1)
    assert payment.amounts.capturable_minor == capturable_minor


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("final", "capturable_minor"), [(True, 0), (False, 6_000)])
def test_money_that_was_told_before_the_answer_ends_the_hold_with_the_answer(
    final, capturable_minor, version
):
    payment, unit = capture_asked(final=final)
    fact = captured(payment, amount_minor=4_000, reference="op_of_nobody")
    apply_fact(told(fact), unit)
    unit.commit()
    assert (payment.objects[fact.key].role, payment.amounts.capturable_minor) == (Role.ADOPTED, 6_000)
    newer = captured(payment, amount_minor=4_000, reference="op_of_nobody", object_version=version)
    answer_otherwise(payment, unit, newer)
    assert payment.latest_operation.state is OperationState.IN_REVIEW
    assert (payment.amounts.captured_minor, payment.amounts.capturable_minor) == (4_000, capturable_minor)


def test_a_capture_that_was_declined_under_another_name_leaves_the_hold():
    payment, unit = capture_asked(final=True)
    fact = captured(payment, amount_minor=4_000, reference="op_of_nobody", status="declined")
    answer_otherwise(payment, unit, fact)
    assert payment.amounts.capturable_minor == 10_000


@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("later", [None, "failed"])
def test_what_went_astray_of_a_hold_is_not_told_as_given_back(final, later):
    payment, unit = capture_asked(final=final)
    operation = payment.latest_operation
    answer_otherwise(payment, unit, captured(payment, amount_minor=4_000, reference="op_of_nobody"))
    if later is not None:
        failed = captured(
            payment, amount_minor=4_000, reference="op_of_nobody", status=later, object_version=2
        )
        apply_fact(told(failed), unit)
        unit.commit()
        assert payment.amounts.capturable_minor == (0 if final else 6_000)
    moment = Moment(now=unit.now, cause_id="dec_1", ids=unit.ids, source=Source.OPERATOR)
    give_up(payment, operation, OperationState.DECLINED, moment)
    unit.commit()
    apply_fact(told(authorized(payment, status="voided", object_version=3)), unit)
    unit.commit()
    assert (payment.status, released_minor(unit)) == (Status.CANCELED, 6_000)
    assert [event.reason for _, event in unit.events if isinstance(event, PaymentCanceled)] == ["issuer"]


def test_what_is_told_as_given_back_is_what_the_books_have_astray_whatever_is_said_of_it_later() -> None:
    payment, unit = capture_asked(final=False)
    operation = payment.latest_operation
    answer_otherwise(payment, unit, captured(payment, operation.operation_id, amount_minor=4_050))
    assert payment.amounts.capturable_minor == 5_950
    other = captured(payment, operation.operation_id, amount_minor=4_000, object_version=2)
    apply_fact(told(other), unit)
    unit.commit()
    assert (payment.amounts.stray_minor, payment.amounts.capturable_minor) == (4_050, 5_950)
    moment = Moment(now=unit.now, cause_id="dec_1", ids=unit.ids, source=Source.OPERATOR)
    give_up(payment, operation, OperationState.DECLINED, moment)
    apply_fact(told(authorized(payment, status="voided", object_version=3)), unit)
    unit.commit()
    assert (payment.status, released_minor(unit)) == (Status.CANCELED, 5_950)


def test_what_was_settled_is_all_there_is_once_the_rest_of_the_hold_was_taken_astray() -> None:
    payment, unit = capture_asked(final=False)
    apply_fact(told(captured(payment, payment.latest_operation.operation_id, amount_minor=4_000)), unit)
    unit.commit()
    tell(unit, line_of(payment, gross_minor=4_000))
    assert payment.status is Status.CAPTURED

    apply_fact(told(captured(payment, "op_nobodys", object_id="cap_2", amount_minor=10_000)), unit)
    unit.commit()

    assert (payment.amounts.capturable_minor, payment.amounts.captured_minor) == (0, 4_000)
    assert payment.status is Status.SETTLED
