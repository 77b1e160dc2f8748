"""What a payment shows as the last thing that went wrong, by where it stands: nothing where it ended as was wanted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.payment.app.cancel_payment import CancelPayment, cancel_payment
from services.payment.app.capture_payment import CapturePayment, capture_payment
from services.payment.app.confirm_payment import ConfirmPayment, confirm_payment
from services.payment.app.refund_payment import RefundPayment, refund_payment
from services.payment.domain.changes import Moment
from services.payment.domain.deciding import give_up
from services.payment.domain.operations import OperationState
from services.payment.domain.status import CaptureMethod, Source, Status
from services.payment.tests.promises import MAY_SAY
from services.payment.tests.unit.test_status_triggers import WHO, World
from services.payment.tests.world import authorized, captured, refunded

Step = Callable[[World], object]


def cancel(w: World) -> None:
    w.do(cancel_payment, CancelPayment(**WHO, payment_id=w.payment.payment_id))


def confirm(w: World) -> None:
    wanted = ConfirmPayment(**WHO, payment_id=w.payment.payment_id, payment_method="pm_2")
    w.do(confirm_payment, wanted)


def capture(amount_minor: int | None = None, *, final: bool = True) -> Step:
    return lambda w: w.do(
        capture_payment,
        CapturePayment(**WHO, payment_id=w.payment.payment_id, amount_minor=amount_minor, final=final),
    )


def refund(w: World) -> None:
    w.do(refund_payment, RefundPayment(**WHO, payment_id=w.payment.payment_id, amount_minor=10_000))


def refused(outcome: OperationState = OperationState.DECLINED) -> Step:
    def step(w: World) -> None:
        moment = Moment(now=w.unit.now, cause_id="e", ids=w.unit.ids, source=Source.WEBHOOK)
        give_up(w.payment, w.payment.latest_operation, outcome, moment)
        w.unit.commit()

    return step


def taken(amount_minor: int = 10_000, status: str = "succeeded", version: int = 1, of: str = "cap_1") -> Step:
    def step(w: World) -> None:
        asked = w.payment.latest_operation.operation_id
        said = {"amount_minor": amount_minor, "status": status, "object_version": version, "object_id": of}
        w.tell(captured(w.payment, asked, **said))

    return step


def stranger_takes(w: World) -> None:
    w.tell(captured(w.payment, object_id="cap_9", reference=None, amount_minor=4_000))


def hold(status: str = "authorized", version: int = 1) -> Step:
    return lambda w: w.tell(authorized(w.payment, status=status, object_version=version))


def sent_back(status: str, of: str) -> Step:
    def step(w: World) -> None:
        asked = w.payment.latest_operation.operation_id
        w.tell(refunded(w.payment, status, 1, object_id=of, amount_minor=10_000, reference=asked))

    return step


PART = (hold(), capture(4_000, final=False), taken(4_000))
TAKEN_MEANWHILE = (hold(), cancel, stranger_takes)
GONE = OperationState.ABANDONED
VOIDED, EXPIRED = hold("voided", 9), hold("expired", 9)
MANUAL: dict[str, object] = {"capture_method": CaptureMethod.MANUAL}
SALE: dict[str, object] = {}
ONE_TRY: dict[str, object] = {"max_attempts": 1}
#: how it was made, what happened then, where it stands, what it shows.
COURSES: dict[str, tuple[dict[str, object], tuple[Step, ...], str, str | None]] = {
    "new": (SALE, (), "CREATED", None),
    "declined": (SALE, (refused(),), "REQUIRES_PAYMENT_METHOD", "authorize_declined"),
    "given up": (SALE, (refused(GONE),), "REQUIRES_PAYMENT_METHOD", "authorize_abandoned"),
    "declined, then paid": (SALE, (refused(), confirm, taken()), "CAPTURED", None),
    "declined, then canceled": (SALE, (refused(), cancel), "CANCELED", None),
    "declined for good": (ONE_TRY, (refused(),), "FAILED", "authorize_declined"),
    "given up for good": (ONE_TRY, (refused(GONE),), "FAILED", "authorize_abandoned"),
    "held": (MANUAL, (hold(),), "AUTHORIZED", None),
    "held, the sale declined": (SALE, (hold(), refused()), "AUTHORIZED", "authorize_declined"),
    "held, the sale given up": (SALE, (hold(), refused(GONE)), "AUTHORIZED", "authorize_abandoned"),
    "held, the sale declined, run out": (SALE, (hold(), refused(), EXPIRED), "CANCELED", "authorize_declined"),
    "held, the sale given up, run out": (
        SALE, (hold(), refused(GONE), EXPIRED), "CANCELED", "authorize_abandoned",
    ),
    "a sale taken by a stranger, then declined": (
        SALE, (hold(), stranger_takes, refused()), "CAPTURED", "authorize_declined",
    ),
    "a sale taken by a stranger, then given up": (
        SALE, (hold(), stranger_takes, refused(GONE)), "CAPTURED", "authorize_abandoned",
    ),
    "capture refused": (MANUAL, (hold(), capture(), refused()), "AUTHORIZED", "capture_declined"),
    "capture given up": (MANUAL, (hold(), capture(), refused(GONE)), "AUTHORIZED", "capture_abandoned"),
    "capture refused, run out": (MANUAL, (hold(), capture(), refused(), EXPIRED), "CANCELED", "capture_declined"),
    "capture given up, run out": (
        MANUAL, (hold(), capture(), refused(GONE), EXPIRED), "CANCELED", "capture_abandoned",
    ),
    "capture refused, then canceled": (MANUAL, (hold(), capture(), refused(), cancel, VOIDED), "CANCELED", None),
    "capture refused, then asked again": (
        MANUAL, (hold(), capture(), refused(), capture(), taken()), "CAPTURED", None,
    ),
    "capture refused, which was wrong": (
        MANUAL, (hold(), capture(), taken(status="declined"), taken(version=2)), "CAPTURED", None,
    ),
    "second capture refused": (MANUAL, (*PART, capture(), refused()), "CAPTURED", "capture_declined"),
    "second capture given up": (MANUAL, (*PART, capture(), refused(GONE)), "CAPTURED", "capture_abandoned"),
    "cancel refused": (MANUAL, (hold(), cancel, refused()), "AUTHORIZED", "cancel_declined"),
    "cancel given up": (MANUAL, (hold(), cancel, refused(GONE)), "AUTHORIZED", "cancel_abandoned"),
    "cancel refused, then captured": (MANUAL, (hold(), cancel, refused(), capture(), taken()), "CAPTURED", None),
    "cancel refused, which was wrong": (MANUAL, (hold(), cancel, refused(), VOIDED), "CANCELED", None),
    "cancel refused, then run out": (MANUAL, (hold(), cancel, refused(), EXPIRED), "CANCELED", None),
    "cancel given up, done after all": (MANUAL, (hold(), cancel, refused(GONE), VOIDED), "CANCELED", None),
    "cancel of the rest refused": (MANUAL, (*TAKEN_MEANWHILE, refused()), "CAPTURED", "cancel_declined"),
    "cancel of the rest given up": (MANUAL, (*TAKEN_MEANWHILE, refused(GONE)), "CAPTURED", "cancel_abandoned"),
    "cancel of the rest refused, which was wrong": (MANUAL, (*TAKEN_MEANWHILE, refused(), VOIDED), "CAPTURED", None),
    "cancel refused, then taken by a stranger": (
        MANUAL, (hold(), cancel, refused(), stranger_takes), "CAPTURED", None,
    ),
    "refund refused": (SALE, (hold(), taken(), refund, refused()), "CAPTURED", None),
    "refund refused, then asked again": (
        SALE, (hold(), taken(), refund, sent_back("failed", "ref_1"), refund, sent_back("succeeded", "ref_2")),
        "REFUNDED", None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("course", COURSES)
def test_a_payment_shows_what_went_wrong_last_and_nothing_where_it_ended_as_was_wanted(course: str) -> None:
    made, steps, status, error = COURSES[course]
    world = World(**made)
    for step in steps:
        step(world)
    assert (world.payment.status, world.payment.last_error_code) == (status, error)
    if error is None:
        assert (world.payment.last_error_message, world.payment.last_decline_code) == (None, None)


def test_every_pair_that_can_be_has_its_course() -> None:
    """Of what follows a capture one stands for all: no later step changes what is shown. Risk has tests of its own."""
    shown = {(status, error) for _, _, status, error in COURSES.values()}
    later = {Status.SETTLED, Status.REFUNDED, Status.DISPUTED, Status.REVERSED}
    can_be = {
        (status.value, said)
        for status, words in MAY_SAY.items()
        if status not in later
        for said in words - {"refused_by_risk"}
    }
    assert {pair for pair in shown if pair[1] is not None} == can_be
