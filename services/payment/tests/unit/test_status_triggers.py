"""Every status met by every trigger: where the payment stands afterwards, or by which code it is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.payment.app.abandon_payments import AbandonPayments, abandon_payments
from services.payment.app.apply_attempt_closed import ApplyAttemptClosed, apply_attempt_closed
from services.payment.app.apply_fact import apply_fact
from services.payment.app.apply_ladder_exhausted import ApplyLadderExhausted, apply_ladder_exhausted
from services.payment.app.cancel_payment import CancelPayment, cancel_payment
from services.payment.app.capture_payment import CapturePayment, capture_payment
from services.payment.app.confirm_payment import ConfirmPayment, confirm_payment
from services.payment.app.create_payment import create_payment
from services.payment.app.refund_payment import RefundPayment, refund_payment
from services.payment.domain import lifecycle
from services.payment.domain.abandoning import ABANDONED_AFTER
from services.payment.domain.payment import Payment
from services.payment.domain.status import CaptureMethod, Status
from services.payment.tests import settlement
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import (
    MERCHANT,
    authorized,
    captured,
    disputed,
    first_operation,
    money_row,
    refunded,
    reversed_by_processor,
    told,
    wish,
)
from shared.kernel.errors import Rejected

WHO = {"merchant_id": MERCHANT, "mode": "test", "request_id": "r"}
MANUAL = {"capture_method": CaptureMethod.MANUAL}


class World:
    """One payment that is brought into a status and then meets one trigger."""

    def __init__(self, **changes: Any) -> None:
        self.unit = MemoryUnit()
        self.payment: Payment = create_payment(wish(**changes), self.unit)
        self.unit.commit()

    def tell(self, *facts: Any) -> World:
        for what in facts:
            apply_fact(told(what), self.unit)
            self.unit.commit()
        return self

    def paid(self) -> World:
        return self.tell(authorized(self.payment), captured(self.payment))

    def settle(self, **said: Any) -> World:
        """As a line of a closed payout does."""
        settlement.tell(self.unit, settlement.line_of(self.payment, **said))
        return self

    def forget(self) -> World:
        """A month in which nothing happens."""
        self.unit.now = self.payment.updated_at + ABANDONED_AFTER
        abandon_payments(AbandonPayments(), self.unit)
        self.unit.commit()
        return self

    def do(self, use_case: Callable[..., Any], wanted: Any) -> None:
        use_case(wanted, self.unit)
        self.unit.commit()


def _lost(world: World) -> World:
    p = world.payment
    row = money_row(p, "dispute", "opened", 10_000, "row_1")
    return world.tell(
        disputed(p, "opened", 1, amount_minor=10_000), row, disputed(p, "lost", 2, amount_minor=10_000)
    )


#: How each status comes about.
STATUSES: dict[str, Callable[[], World]] = {
    "CREATED": World,
    "REQUIRES_PAYMENT_METHOD": lambda: World(payment_method=None),
    "AUTHORIZED": lambda: (w := World(**MANUAL)).tell(authorized(w.payment)),
    "CAPTURED": lambda: World().paid(),
    "SETTLED": lambda: World().paid().settle(),
    "FAILED": lambda: (w := World(max_attempts=1)).tell(authorized(w.payment, status="declined")),
    "CANCELED": lambda: (w := World(**MANUAL)).tell(
        authorized(w.payment), authorized(w.payment, status="expired", object_version=2)
    ),
    "REFUNDED": lambda: (w := World().paid()).tell(
        refunded(w.payment, "succeeded", 1, object_id="ref_0", amount_minor=10_000)
    ),
    "DISPUTED": lambda: (w := World().paid()).tell(disputed(w.payment, "opened", 1, object_id="dsp_0")),
    "REVERSED": lambda: _lost(World().paid()),
}
_Trigger = Callable[[World], Any]


def _fact(make: Callable[[Payment], Any]) -> _Trigger:
    return lambda world: world.tell(make(world.payment))


def _report(use_case: Callable[..., Any], command: Callable[..., Any], **said: Any) -> _Trigger:
    """What the processor service says of the newest operation; of none nothing can be said."""

    def report(world: World) -> None:
        newest = world.payment.latest_operation
        if newest is not None:
            of = {
                "payment_id": world.payment.payment_id,
                "operation_id": newest.operation_id,
                "cause_id": "evt",
            }
            world.do(use_case, command(**of, **said))

    return report


TRIGGERS: dict[str, _Trigger] = {
    "confirm": lambda w: w.do(
        confirm_payment, ConfirmPayment(**WHO, payment_id=w.payment.payment_id, payment_method="pm_2")
    ),
    "capture": lambda w: w.do(capture_payment, CapturePayment(**WHO, payment_id=w.payment.payment_id)),
    "cancel": lambda w: w.do(cancel_payment, CancelPayment(**WHO, payment_id=w.payment.payment_id)),
    "refund": lambda w: w.do(
        refund_payment, RefundPayment(**WHO, payment_id=w.payment.payment_id, amount_minor=4_000)
    ),
    "authorized": _fact(lambda p: authorized(p, _first(p), object_version=9)),
    "declined": _fact(lambda p: authorized(p, _first(p), status="declined", object_version=9)),
    "voided": _fact(lambda p: authorized(p, _first(p), status="voided", object_version=9)),
    "attempt_not_found": _report(
        apply_attempt_closed, ApplyAttemptClosed, reason="not_found", ever_sent=True
    ),
    "attempt_unclear": _report(apply_ladder_exhausted, ApplyLadderExhausted),
    "forgotten": lambda w: w.forget(),
    "settled": lambda w: w.settle(),
    "settled_no_more": lambda w: w.settle(revision=2, payment_id=None, object_id=None),
    "expired": _fact(lambda p: authorized(p, _first(p), status="expired", object_version=9)),
    "captured": _fact(lambda p: captured(p, _first(p), object_version=9)),
    "capture_failed": _fact(lambda p: captured(p, _first(p), status="failed", object_version=9)),
    "unknown_capture": _fact(
        lambda p: captured(p, "op_none", object_id="cap_9", parent_id="auth_9", reference=None)
    ),
    "refunded": _fact(lambda p: refunded(p, "succeeded", 1, amount_minor=10_000)),
    "refund_failed": _fact(lambda p: refunded(p, "failed", 9, object_id="ref_0", amount_minor=10_000)),
    "inquired": _fact(lambda p: disputed(p, "inquiry", 1, object_id="dsp_8")),
    "disputed": _fact(lambda p: disputed(p, "opened", 1, object_id="dsp_8")),
    "dispute_won": _fact(lambda p: disputed(p, "won", 9, object_id="dsp_0")),
    "dispute_lost": _fact(lambda p: disputed(p, "lost", 9, object_id="dsp_0")),
    "withdrawn": _fact(lambda p: money_row(p, "dispute", "opened", 6_000, "row_8", object_id="dsp_8")),
    "reinstated": _fact(lambda p: money_row(p, "dispute", "reinstated", 10_000, "row_9")),
    "reversal_told": _fact(lambda p: reversed_by_processor(p, "succeeded", 1)),
    "reversed": _fact(lambda p: money_row(p, "reversal", "succeeded", 10_000, "row_7")),
    "given_back": _fact(lambda p: money_row(p, "reversal", "given_back", 10_000, "row_6")),
}


def _first(payment: Payment) -> str:
    return first_operation(payment) if payment.operations else "op_none"


def steps_of(world: World) -> set[tuple[str | None, str]]:
    """The steps that the payment took, its birth left out."""
    return {(s.from_state, s.to_state) for s in world.unit.history if s.subject == "payment" and s.from_state}


def outcome(status: str, trigger: str) -> str:
    world = STATUSES[status]()
    assert world.payment.status == status
    try:
        TRIGGERS[trigger](world)
    except Rejected as refused:
        assert not world.payment.changes.dirty
        return refused.code
    assert steps_of(world) <= set(lifecycle.pairs())
    return "waits" if world.unit.waiting.rows else world.payment.status.value


#: status -> where it ends, or the code of the refusal -> the triggers that lead there; ``waits`` changes nothing.
TABLE: dict[str, dict[str, str]] = {
    "CREATED": {
        "operation_in_doubt": "confirm capture cancel",
        "payment_wrong_status": "refund",
        "AUTHORIZED": "authorized",
        "REQUIRES_PAYMENT_METHOD": "declined attempt_not_found",
        "CANCELED": "voided expired",
        "CREATED": "attempt_unclear forgotten settled settled_no_more",
        "CAPTURED": (
            "captured refund_failed inquired dispute_won dispute_lost reinstated reversal_told given_back"
        ),
        "REVERSED": "capture_failed reversed",
        "waits": "unknown_capture",
        "REFUNDED": "refunded",
        "DISPUTED": "disputed withdrawn",
    },
    "REQUIRES_PAYMENT_METHOD": {
        "REQUIRES_PAYMENT_METHOD": (
            "confirm authorized declined voided attempt_not_found attempt_unclear settled "
            "settled_no_more expired captured capture_failed unknown_capture"
        ),
        "payment_wrong_status": "capture refund",
        "CANCELED": "cancel forgotten",
        "waits": (
            "refunded refund_failed inquired disputed dispute_won dispute_lost withdrawn "
            "reinstated reversal_told reversed given_back"
        ),
    },
    "AUTHORIZED": {
        "payment_wrong_status": "confirm refund",
        "AUTHORIZED": (
            "capture cancel authorized declined attempt_not_found attempt_unclear forgotten "
            "settled settled_no_more unknown_capture"
        ),
        "CANCELED": "voided expired",
        "CAPTURED": "captured",
        "REVERSED": "capture_failed",
        "waits": (
            "refunded refund_failed inquired disputed dispute_won dispute_lost withdrawn "
            "reinstated reversal_told reversed given_back"
        ),
    },
    "CAPTURED": {
        "payment_wrong_status": "confirm capture cancel",
        "CAPTURED": (
            "refund authorized declined voided attempt_not_found attempt_unclear forgotten "
            "settled_no_more expired captured unknown_capture refund_failed inquired dispute_won "
            "dispute_lost reinstated reversal_told given_back"
        ),
        "SETTLED": "settled",
        "REVERSED": "capture_failed reversed",
        "REFUNDED": "refunded",
        "DISPUTED": "disputed withdrawn",
    },
    "SETTLED": {
        "payment_wrong_status": "confirm capture cancel",
        "SETTLED": (
            "refund authorized declined voided attempt_not_found attempt_unclear forgotten "
            "settled expired captured unknown_capture refund_failed inquired dispute_won "
            "dispute_lost reinstated reversal_told given_back"
        ),
        "CAPTURED": "settled_no_more",
        "REVERSED": "capture_failed reversed",
        "REFUNDED": "refunded",
        "DISPUTED": "disputed withdrawn",
    },
    "FAILED": {
        "payment_wrong_status": "confirm capture cancel refund",
        "FAILED": (
            "authorized declined voided attempt_not_found attempt_unclear forgotten settled "
            "settled_no_more expired captured capture_failed unknown_capture"
        ),
        "waits": (
            "refunded refund_failed inquired disputed dispute_won dispute_lost withdrawn "
            "reinstated reversal_told reversed given_back"
        ),
    },
    "CANCELED": {
        "payment_wrong_status": "confirm capture cancel refund",
        "CANCELED": (
            "authorized declined voided attempt_not_found attempt_unclear forgotten settled "
            "settled_no_more expired captured capture_failed unknown_capture"
        ),
        "waits": (
            "refunded refund_failed inquired disputed dispute_won dispute_lost withdrawn "
            "reinstated reversal_told reversed given_back"
        ),
    },
    "REFUNDED": {
        "payment_wrong_status": "confirm capture cancel",
        "refund_exceeds_room": "refund",
        "REFUNDED": (
            "authorized declined voided attempt_not_found attempt_unclear forgotten settled "
            "settled_no_more expired captured unknown_capture refunded inquired dispute_won "
            "dispute_lost reinstated reversal_told given_back"
        ),
        "REVERSED": "capture_failed reversed",
        "CAPTURED": "refund_failed",
        "DISPUTED": "disputed withdrawn",
    },
    "DISPUTED": {
        "payment_wrong_status": "confirm capture cancel",
        "DISPUTED": (
            "refund authorized declined voided attempt_not_found attempt_unclear forgotten "
            "settled settled_no_more expired captured capture_failed unknown_capture refunded "
            "refund_failed inquired disputed withdrawn reinstated reversal_told reversed "
            "given_back"
        ),
        "CAPTURED": "dispute_won dispute_lost",
    },
    "REVERSED": {
        "payment_wrong_status": "confirm capture cancel",
        "refund_exceeds_room": "refund",
        "REVERSED": (
            "authorized declined voided attempt_not_found attempt_unclear forgotten settled "
            "settled_no_more expired captured capture_failed unknown_capture refunded "
            "refund_failed inquired dispute_won dispute_lost reversal_told reversed given_back"
        ),
        "DISPUTED": "disputed withdrawn",
        "CAPTURED": "reinstated",
    },
}


@pytest.mark.parametrize("status", TABLE)
def test_every_status_meets_every_trigger_as_the_table_says(status: str) -> None:
    expected = {trigger: end for end, triggers in TABLE[status].items() for trigger in triggers.split()}
    assert expected.keys() == TRIGGERS.keys()
    assert {trigger: outcome(status, trigger) for trigger in TRIGGERS} == expected


def test_the_table_has_every_status() -> None:
    assert TABLE.keys() == set(Status)


def _confirmed(**changes: Any) -> World:
    world = World(payment_method=None, **changes)
    TRIGGERS["confirm"](world)
    return world


def _refunded_of(world: World, status: str = "succeeded", version: int = 1) -> World:
    return world.tell(refunded(world.payment, status, version, amount_minor=10_000))


def _disputed_of(world: World, status: str = "opened", version: int = 1) -> World:
    return world.tell(disputed(world.payment, status, version))


def _reversed_of(world: World, status: str = "succeeded", row_id: str = "row_1") -> World:
    return world.tell(money_row(world.payment, "reversal", status, 10_000, row_id))


#: Steps that take more than one trigger from where a status is first reached.
COURSES: dict[tuple[Status, Status], Callable[[], World]] = {
    (Status.CREATED, Status.FAILED): STATUSES["FAILED"],
    (Status.REQUIRES_PAYMENT_METHOD, Status.AUTHORIZED): lambda: (w := _confirmed()).tell(
        authorized(w.payment)
    ),
    (Status.REQUIRES_PAYMENT_METHOD, Status.FAILED): lambda: (w := _confirmed(max_attempts=1)).tell(
        authorized(w.payment, status="declined")
    ),
    (Status.DISPUTED, Status.SETTLED): lambda: _disputed_of(_disputed_of(World().paid().settle()), "won", 2),
    (Status.DISPUTED, Status.REFUNDED): lambda: _disputed_of(
        _disputed_of(_refunded_of(World().paid())), "won", 2
    ),
    (Status.DISPUTED, Status.REVERSED): STATUSES["REVERSED"],
    (Status.REFUNDED, Status.SETTLED): lambda: _refunded_of(
        _refunded_of(World().paid().settle()), "failed", 2
    ),
    (Status.REVERSED, Status.SETTLED): lambda: _reversed_of(
        _reversed_of(World().paid().settle()), "given_back", "row_2"
    ),
    (Status.REVERSED, Status.REFUNDED): lambda: _reversed_of(
        _reversed_of(_refunded_of(World().paid())), "given_back", "row_2"
    ),
}


@pytest.mark.parametrize("step", COURSES, ids="-".join)
def test_a_step_that_takes_more_than_one_trigger_is_taken(step: tuple[Status, Status]) -> None:
    world = COURSES[step]()
    assert world.payment.status is step[1]
    assert step in steps_of(world)


def test_no_legal_step_is_left_out() -> None:
    """Each is a cell of the table, or one of the courses."""
    cells = {(status, end) for status, ends in TABLE.items() for end in ends if end in set(Status)}
    assert set(lifecycle.pairs()) - cells - set(COURSES) == set()
    assert not {(source, source) for source in Status} & set(COURSES)
