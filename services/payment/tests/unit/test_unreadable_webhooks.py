"""Something authentic was said that we cannot read: what it was about is asked for, and a person told if nothing was."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.payment.app.apply_fact import apply_fact
from services.payment.app.apply_unrecognised import (
    ApplyUnrecognised,
    apply_unrecognised,
)
from services.payment.app.capture_payment import CapturePayment, capture_payment
from services.payment.app.create_payment import create_payment
from services.payment.app.refund_payment import RefundPayment, refund_payment
from services.payment.domain.changes import Moment
from services.payment.domain.commands import LookUpOperation
from services.payment.domain.operations import OperationState
from services.payment.domain.payment import Payment
from services.payment.domain.status import CaptureMethod, Source
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import (
    ACCOUNT,
    authorized,
    captured,
    disputed,
    first_operation,
    refunded,
    tell,
    told,
    wish,
)


@pytest.fixture
def unit() -> MemoryUnit:
    return MemoryUnit()


def a_payment(unit: MemoryUnit) -> Payment:
    payment = create_payment(wish(), unit)
    unit.commit()
    return payment


def sold(unit: MemoryUnit) -> Payment:
    payment = a_payment(unit)
    for fact in (authorized(payment), captured(payment)):
        apply_fact(told(fact), unit)
        unit.commit()
    return payment


def unread(unit: MemoryUnit, cause_id: str = "evt_1", **named: str | None) -> None:
    names: dict[str, Any] = {"processor": "alpha", "object_id": None, "reference": None, "payment_id": None}
    apply_unrecognised(ApplyUnrecognised(account=ACCOUNT, cause_id=cause_id, **(names | named)), unit)
    unit.commit()


def asked(unit: MemoryUnit) -> list[tuple[str, str]]:
    return [
        (command.operation_id, command.reason)
        for command in unit.commands
        if isinstance(command, LookUpOperation)
    ]


def test_what_blocks_the_payment_is_looked_up_and_nobody_is_told(unit: MemoryUnit) -> None:
    payment = a_payment(unit)
    unread(unit, payment_id=payment.payment_id)
    assert asked(unit) == [(first_operation(payment), "webhook_unrecognised")]
    assert not payment.case_keys


@pytest.mark.parametrize("by", ["reference", "object_id"])
def test_without_a_doubt_the_operation_it_names_is_looked_up_and_a_person_told(
    unit: MemoryUnit, by: str
) -> None:
    payment = sold(unit)
    name = first_operation(payment) if by == "reference" else captured(payment).object_id
    unread(unit, payment_id=payment.payment_id, **{by: name})
    assert asked(unit) == [(first_operation(payment), "webhook_unrecognised")]
    assert len(payment.case_keys) == 1
    unread(unit, payment_id=payment.payment_id, **{by: name})
    assert len(asked(unit)) == 1, "at most once in five seconds"
    unit.now += timedelta(seconds=6)
    unread(unit, payment_id=payment.payment_id, **{by: name})
    assert len(asked(unit)) == 2


def with_a_capture_in_flight(unit: MemoryUnit) -> tuple[Payment, str]:
    """A part was captured and given back, and another capture is on its way."""
    payment = create_payment(wish(capture_method=CaptureMethod.MANUAL), unit)
    unit.commit()
    names = {
        "merchant_id": payment.merchant_id,
        "mode": "test",
        "request_id": "r",
        "payment_id": payment.payment_id,
    }
    tell(unit, authorized(payment))
    capture_payment(CapturePayment(**names, amount_minor=6_000, final=False), unit)
    unit.commit()
    first = payment.latest_operation
    assert first is not None
    tell(unit, captured(payment, first.operation_id, amount_minor=6_000))
    refund_payment(RefundPayment(**names, amount_minor=4_000), unit)
    unit.commit()
    back = payment.latest_operation
    assert back is not None
    tell(unit, refunded(payment, "succeeded", 1, reference=back.operation_id))
    unit.now += timedelta(days=1)
    capture_payment(CapturePayment(**names, amount_minor=1_000), unit)
    unit.commit()
    return payment, back.operation_id


@pytest.mark.parametrize("by", ["reference", "object_id"])
def test_the_operation_it_names_is_looked_up_also_while_another_is_undecided(
    unit: MemoryUnit, by: str
) -> None:
    payment, refund = with_a_capture_in_flight(unit)
    blocking = payment.blocking_operation()
    assert blocking is not None
    unread(unit, **{by: refund if by == "reference" else "ref_1"}, payment_id=payment.payment_id)
    assert {name for name, _ in asked(unit)} == {blocking.operation_id, refund}
    assert [case.reason for case in payment.cases] == ["webhook_unrecognised"]


def test_one_about_an_object_of_no_operation_is_told_to_a_person_also_while_one_is_undecided(
    unit: MemoryUnit,
) -> None:
    payment, _ = with_a_capture_in_flight(unit)
    tell(unit, disputed(payment, "opened", 1, amount_minor=1_000))
    unread(unit, object_id="dsp_1")
    assert "webhook_unrecognised" in {case.reason for case in payment.cases}


@pytest.mark.parametrize("named", [{"object_id": "cap_9"}, {}])
def test_one_that_may_be_about_what_is_undecided_is_not_told_to_a_person(
    unit: MemoryUnit, named: dict[str, str]
) -> None:
    payment, _ = with_a_capture_in_flight(unit)
    unread(unit, **named, payment_id=payment.payment_id)
    assert len(asked(unit)) == 1
    assert not payment.case_keys
    blocking = payment.blocking_operation()
    assert blocking is not None
    unread(unit, reference=blocking.operation_id, payment_id=payment.payment_id)
    assert (len(asked(unit)), payment.case_keys) == (1, set()), "asked for just now"


@pytest.mark.parametrize(
    ("named", "told_of"),
    [
        ({"event_type": "dispute.escalated"}, True),
        ({"event_type": "CLAIM_ESCALATED"}, True),
        ({"event_type": "capture.escalated"}, False),
        ({"processor": "beta"}, True),
    ],
)
def test_what_no_operation_in_doubt_can_have_made_is_told_to_a_person_beside_the_doubt(
    unit: MemoryUnit, named: dict[str, str], *, told_of: bool
) -> None:
    payment, _ = with_a_capture_in_flight(unit)
    unread(unit, object_id="thing_9", payment_id=payment.payment_id, **named)
    assert len(asked(unit)) == 1
    assert [case.subject for case in payment.cases] == ["thing_9"] * told_of


@pytest.mark.parametrize("object_id", ["ref_9", None])
def test_another_object_than_that_of_a_doubt_which_was_shown_is_told_to_a_person(
    unit: MemoryUnit, object_id: str | None
) -> None:
    payment, _ = with_a_capture_in_flight(unit)
    blocking = payment.blocking_operation()
    assert blocking is not None
    tell(unit, captured(payment, blocking.operation_id, object_id="cap_2", amount_minor=1_000))
    unit.now += timedelta(days=1)
    refund_payment(
        RefundPayment(
            merchant_id=payment.merchant_id, mode="test", request_id="r", payment_id=payment.payment_id,
            amount_minor=500,
        ),
        unit,
    )  # fmt: skip
    back = payment.latest_operation
    assert back is not None
    tell(
        unit,
        refunded(payment, "pending", 1, object_id="ref_2", reference=back.operation_id, amount_minor=500),
    )
    payment.advance(
        back, OperationState.UNCERTAIN, Moment(now=unit.now, cause_id="x", ids=unit.ids, source=Source.REPLY)
    )
    known = {case.subject for case in payment.cases}
    unread(unit, object_id=object_id, payment_id=payment.payment_id)
    assert back.state == "UNCERTAIN"
    told_of = {case.subject for case in payment.cases} - known
    assert told_of == ({object_id} if object_id else set()), "without a name it may be about the refund"


def test_one_that_names_nothing_is_told_to_a_person_alone(unit: MemoryUnit) -> None:
    payment = sold(unit)
    unread(unit, payment_id=payment.payment_id, object_id="thing_9")
    assert (asked(unit), len(payment.case_keys)) == ([], 1)


def test_each_one_about_an_object_is_told_in_the_case_by_its_own_name(unit: MemoryUnit) -> None:
    payment = sold(unit)
    for cause_id in ("evt_1", "evt_2", "evt_1"):
        unread(unit, cause_id, payment_id=payment.payment_id, object_id="thing_9")
    (case,) = payment.cases
    assert (case.subject, case.told) == ("thing_9", ["0 EUR evt_1", "0 EUR evt_2"])
    assert [(step.step.value, step.words) for step in unit.case_steps] == [
        ("opened", "evt_1"), ("changed", "evt_2"),
    ]  # fmt: skip


def test_one_that_names_no_object_is_a_case_of_its_own(unit: MemoryUnit) -> None:
    payment = sold(unit)
    for cause_id in ("evt_1", "evt_2"):
        unread(unit, cause_id, payment_id=payment.payment_id)
    assert sorted((case.subject, *case.told) for case in payment.cases) == [
        ("evt_1", "0 EUR evt_1"), ("evt_2", "0 EUR evt_2"),
    ]  # fmt: skip


def test_one_about_nobody_changes_nothing(unit: MemoryUnit) -> None:
    payment = sold(unit)
    unread(unit, object_id="thing_9")
    assert (asked(unit), len(payment.case_keys)) == ([], 0)
