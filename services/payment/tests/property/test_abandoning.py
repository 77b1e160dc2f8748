"""Whatever is tried and however long it takes: a payment is abandoned after a month of silence, and never in doubt."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.payment.app.abandon_payments import AbandonPayments, abandon_payments
from services.payment.app.apply_fact import apply_fact
from services.payment.app.confirm_payment import ConfirmPayment, confirm_payment
from services.payment.app.create_payment import create_payment
from services.payment.domain.status import Status
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import MERCHANT, authorized, told, wish
from shared.kernel.errors import Rejected

TRIES = st.lists(
    st.tuples(st.integers(0, 70), st.sampled_from(("nothing", "confirm", "decline", "grant"))), max_size=12
)


@settings(max_examples=200, deadline=None)
@given(tries=TRIES)
def test_it_ends_by_silence_alone(tries: list[tuple[int, str]]) -> None:
    unit = MemoryUnit()
    payment = create_payment(wish(payment_method=None, max_attempts=5), unit)
    unit.commit()
    for number, (days, what) in enumerate(tries):
        unit.now += timedelta(days=days)
        silent = unit.now - payment.updated_at >= timedelta(days=30)
        waits = payment.status is Status.REQUIRES_PAYMENT_METHOD and payment.blocking_operation() is None
        before = payment.status
        assert (abandon_payments(AbandonPayments(), unit) == 1) is (silent and waits)
        unit.commit()
        assert payment.status is (Status.CANCELED if silent and waits else before)
        if what == "confirm":
            command = ConfirmPayment(
                merchant_id=MERCHANT, mode="test", payment_id=payment.payment_id, request_id="r",
                payment_method="pm_2",
            )  # fmt: skip
            try:
                confirm_payment(command, unit)
            except Rejected:
                assert not payment.changes.dirty
        elif what != "nothing" and (operation := payment.blocking_operation()) is not None:
            said = {"decline": "declined", "grant": "authorized"}[what]
            shown = authorized(payment, operation.operation_id, object_id=f"auth_{number}", status=said)
            apply_fact(told(shown), unit)
        unit.commit()
    assert payment.abandoned is (payment.status is Status.CANCELED)
