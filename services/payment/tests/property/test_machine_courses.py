"""Every kind of operation comes to stand everywhere by construction, and the payment's promises hold there."""

from __future__ import annotations

import pytest

from services.payment.domain.operations import OperationState
from services.payment.domain.status import CaptureMethod
from services.payment.tests.machine_lives import newest
from services.payment.tests.property.test_payment_machine import PLACES, PaymentMachine

#: By which words an operation comes to stand where it stands, at times with other money than was asked for.
COURSES = {
    OperationState.REQUESTED: ("", 0),
    OperationState.SENT: ("sent", 0),
    OperationState.PENDING: ("sent accepted", 0),
    OperationState.UNCERTAIN: ("sent unknown", 0),
    OperationState.IN_REVIEW: ("sent succeeds", 50),
    OperationState.SUCCEEDED: ("sent succeeds", 0),
    OperationState.DECLINED: ("sent declined", 0),
    OperationState.ABANDONED: ("sent unknown gone", 0),
    OperationState.FAILED_LATER: ("sent succeeds fails", 0),
}


def in_course(kind: str, state: OperationState, place: tuple[str, str]) -> PaymentMachine:
    """A machine that went one course by its own rules, with no chance in it."""
    life, drift = COURSES[state]
    machine = PaymentMachine()
    if kind == "capture":
        machine.create(CaptureMethod.MANUAL, 1, "held", place)
        machine.capture(None, None, life, drift)
    elif kind == "refund":
        machine.create(CaptureMethod.AUTOMATIC, 1, "captured", place)
        machine.refund(4_000, life, drift)
    elif state is OperationState.FAILED_LATER:  # Of a sale it is the money that fails later.
        machine.create(CaptureMethod.AUTOMATIC, 1, "captured", place)
        machine.tell_anew("capture", "cap_1", "failed")
    else:
        machine.create(CaptureMethod.MANUAL, 1, "new", place)
        machine.live(newest(machine.payment), life, drift)
    return machine


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("state", OperationState)
@pytest.mark.parametrize("kind", ["authorize", "capture", "refund"])
def test_each_kind_of_operation_comes_to_stand_everywhere_and_all_promises_hold(
    kind: str, state: OperationState, place: tuple[str, str]
) -> None:
    """What random courses reach by luck is reached here by construction, whatever the seed."""
    machine = in_course(kind, state, place)
    assert state in {o.state for o in machine.payment.operations.values() if o.type == kind}
    for promise in machine.invariants:
        promise.function(machine)
