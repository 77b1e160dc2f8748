"""Every status met by every trigger: where the payment stands afterwards, or by which code it is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.payment.app.apply_fact import apply_fact
from services.payment.app.cancel_payment import CancelPayment, cancel_payment
from services.payment.app.capture_payment import CapturePayment, capture_payment
from services.payment.app.confirm_payment import ConfirmPayment, confirm_payment
from services.payment.app.create_payment import create_payment
from services.payment.app.refund_payment import RefundPayment, refund_payment
from services.payment.domain import lifecycle
from services.payment.domain.changes import Moment
from services.payment.domain.payment import Payment
from services.payment.domain.status import CaptureMethod, Source, Status
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

    def settle(self) -> World:
        """As a closed payout would."""
        self.payment.amounts.settled_minor = self.payment.amounts.captured_minor
        moment = Moment(now=self.unit.now, cause_id="e", ids=self.unit.ids, source=Source.OPERATOR)
        self.payment.derive_status(moment)
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


TRIGGERS: dict[str, _Trigger] = {
    "confirm": lambda w: w.do(
        confirm_payment, ConfirmPayment(**WHO, payment_id=w.payment.payment_id, payment_method="pm_2")
    ),
    "capture": lambda w: w.do(capture_payment, CapturePayment(**WHO, payment_id=w.payment.payment_id)),
    "cancel": lambda w: w.do(cancel_payment, CancelPayment(**WHO, payment_id=w.payment.payment_id)),
    "refund": lambda w: w.do(
        refund_payment, RefundPayment(**WHO, payment_id=w.payment.payment_id, amount_minor=4_000)
    ),
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
}


def _first(payment: Payment) -> str:
    return first_operation(payment) if payment.operations else "op_none"


def outcome(status: str, trigger: str) -> str:
    world = STATUSES[status]()
    assert world.payment.status == status
    try:
        TRIGGERS[trigger](world)
    except Rejected as refused:
        assert not world.payment.changes.dirty
        return refused.code
    steps = [step for step in world.unit.history if step.subject == "payment" and step.from_state]
    assert {(step.from_state, step.to_state) for step in steps} <= set(lifecycle.pairs())
    return "waits" if world.unit.waiting.rows else world.payment.status.value


#: status -> where it ends, or the code of the refusal -> the triggers that lead there; ``waits`` changes nothing.
TABLE: dict[str, dict[str, str]] = {
    "CREATED": {
        "operation_in_doubt": "confirm capture cancel",
        "payment_wrong_status": "refund",
        "CANCELED": "expired",
        "CAPTURED": "captured refund_failed inquired dispute_won dispute_lost reinstated reversal_told",
        "waits": "unknown_capture",
        "REFUNDED": "refunded",
        "DISPUTED": "disputed withdrawn",
        "REVERSED": "capture_failed reversed",
    },
    "REQUIRES_PAYMENT_METHOD": {
        "REQUIRES_PAYMENT_METHOD": "confirm expired captured capture_failed unknown_capture",
        "payment_wrong_status": "capture refund",
        "CANCELED": "cancel",
        "waits": (
            "refunded refund_failed inquired disputed dispute_won dispute_lost withdrawn "
            "reinstated reversal_told reversed"
        ),
    },
    "AUTHORIZED": {
        "payment_wrong_status": "confirm refund",
        "AUTHORIZED": "capture cancel unknown_capture",
        "REVERSED": "capture_failed",
        "CANCELED": "expired",
        "CAPTURED": "captured",
        "waits": (
            "refunded refund_failed inquired disputed dispute_won dispute_lost withdrawn "
            "reinstated reversal_told reversed"
        ),
    },
    "CAPTURED": {
        "payment_wrong_status": "confirm capture cancel",
        "CAPTURED": (
            "refund expired captured unknown_capture refund_failed inquired dispute_won "
            "dispute_lost reinstated reversal_told"
        ),
        "REVERSED": "capture_failed reversed",
        "REFUNDED": "refunded",
        "DISPUTED": "disputed withdrawn",
    },
    "SETTLED": {
        "payment_wrong_status": "confirm capture cancel",
        "SETTLED": (
            "refund expired captured unknown_capture refund_failed inquired dispute_won "
            "dispute_lost reinstated reversal_told"
        ),
        "REVERSED": "capture_failed reversed",
        "REFUNDED": "refunded",
        "DISPUTED": "disputed withdrawn",
    },
    "FAILED": {
        "payment_wrong_status": "confirm capture cancel refund",
        "FAILED": "expired captured capture_failed unknown_capture",
        "waits": (
            "refunded refund_failed inquired disputed dispute_won dispute_lost withdrawn "
            "reinstated reversal_told reversed"
        ),
    },
    "CANCELED": {
        "payment_wrong_status": "confirm capture cancel refund",
        "CANCELED": "expired captured capture_failed unknown_capture",
        "waits": (
            "refunded refund_failed inquired disputed dispute_won dispute_lost withdrawn "
            "reinstated reversal_told reversed"
        ),
    },
    "REFUNDED": {
        "payment_wrong_status": "confirm capture cancel",
        "refund_exceeds_room": "refund",
        "REFUNDED": (
            "expired captured unknown_capture refunded inquired dispute_won dispute_lost "
            "reinstated reversal_told"
        ),
        "REVERSED": "capture_failed reversed",
        "CAPTURED": "refund_failed",
        "DISPUTED": "disputed withdrawn",
    },
    "DISPUTED": {
        "payment_wrong_status": "confirm capture cancel",
        "DISPUTED": (
            "refund expired captured capture_failed unknown_capture refunded refund_failed "
            "inquired disputed withdrawn reinstated reversal_told reversed"
        ),
        "CAPTURED": "dispute_won dispute_lost",
    },
    "REVERSED": {
        "payment_wrong_status": "confirm capture cancel",
        "refund_exceeds_room": "refund",
        "REVERSED": (
            "expired captured capture_failed unknown_capture refunded refund_failed inquired "
            "dispute_won dispute_lost reversal_told reversed"
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
