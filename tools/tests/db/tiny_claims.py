"""Scenes of the tiny history: a stray, and disputes of it and of a sale."""

from tools.tests.db.tiny_parts import add_object, add_operation, add_payment
from tools.tests.db.tiny_rows import AT, MERCHANT, TinyRows, fact_key


def stray(h: TinyRows) -> None:
    """Money of a failed payment: disputed, won, and only then given back."""
    add_payment(h, "pay_2", "FAILED", 500)
    h.walk("pay_2", "payment", "pay_2", "CREATED", "FAILED")
    add_operation(h, "pay_2", "op_4", "authorize", 500, "REQUESTED", "SENT", "DECLINED", capture=True)
    add_object(
        h, "pay_2", "auth_2", "authorization", "authorized", 500, role="seen", operation_id=None, counted=0
    )
    astray = {"role": "stray", "operation_id": "op_4", "counted": 0, "stray_id": "str_1"}
    add_object(h, "pay_2", "cap_2", "capture", "succeeded", 500, **astray)
    fact = fact_key("cap_2", "succeeded")
    h.add(
        "payment", "strays", stray_id="str_1", payment_id="pay_2", kind="money", processor="alpha", account="acct",
        object_type="capture", object_id="cap_2", fact_key=fact, operation_id="op_4", amount_minor=500, currency="EUR",
        mismatch=False, found_at=AT, returned_minor=500, reserved_minor=0, released=False,
    )  # fmt: skip
    found = h.of_payment(
        "pay_2", "StrayFound", stray_id="str_1", kind="money", amount_minor=500, fact_key=fact
    )
    h.book(
        "stray_found", found, fact, "str_1", "pay_2", 500, ("processor_receivable", "alpha:acct:cap_2", 500),
        ("suspense", "str_1", -500),
    )  # fmt: skip
    _won_dispute_of_stray(h)
    add_operation(h, "pay_2", "op_6", "stray_return", 500, "REQUESTED", "SENT", "SUCCEEDED", stray_id="str_1")
    back = {
        "role": "stray",
        "operation_id": "op_6",
        "counted": 500,
        "stray_id": "str_1",
        "parent_id": "cap_2",
    }
    add_object(h, "pay_2", "ref_3", "refund", "succeeded", 500, **back)
    said = {"stray_id": "str_1", "operation_id": "op_6", "amount_minor": 500}
    asked = h.of_payment("pay_2", "StrayReturnRequested", **said)
    fact = fact_key("ref_3", "succeeded")
    done = h.of_payment("pay_2", "StrayReturnSucceeded", fact_key=fact, **said)
    h.book(
        "stray_return_requested", asked, "op_6", "str_1", "pay_2", 500, ("suspense", "str_1", 500),
        ("refunds_in_flight", "op_6", -500),
    )  # fmt: skip
    h.book(
        "stray_return_succeeded", done, fact, "str_1", "pay_2", 500, ("refunds_in_flight", "op_6", 500),
        ("processor_receivable", "alpha:acct:ref_3", -500),
    )  # fmt: skip


def _won_dispute_of_stray(h: TinyRows) -> None:
    h.add(
        "payment", "disputes", dispute_id="dp_2", payment_id="pay_2", merchant_id=MERCHANT, mode="test",
        processor="alpha", account="acct", object_id="dsp_2", capture_id="cap_2", stray_id="str_1", status="won",
        amount_minor=500, currency="EUR", created_at=AT, updated_at=AT, withdrawn_minor=0, reinstated_minor=0,
        written_off_minor=0, fee_minor=0, implied=False,
    )  # fmt: skip
    astray = {"role": "stray", "operation_id": None, "counted": 0, "stray_id": "str_1", "parent_id": "cap_2"}
    add_object(h, "pay_2", "dsp_2", "dispute", "won", 500, **astray)
    said = {"dispute_id": "dp_2", "stray_id": "str_1", "charged_to": "suspense", "amount_minor": 500}
    h.of_payment("pay_2", "DisputeOpened", stage="dispute", **said)
    h.of_payment("pay_2", "DisputeClosed", outcome="won", **said)


def dispute(h: TinyRows) -> None:
    """A part of pay_1 is disputed and lost; its one money row took 200."""
    h.add(
        "payment", "disputes", dispute_id="dp_1", payment_id="pay_1", merchant_id=MERCHANT, mode="test", processor="alpha", account="acct",
        object_id="dsp_1", capture_id="cap_1", status="lost", amount_minor=200, currency="EUR", created_at=AT,
        updated_at=AT, withdrawn_minor=200, reinstated_minor=0, written_off_minor=200, fee_minor=0, implied=False,
    )  # fmt: skip
    counted = {"role": "counted", "operation_id": None, "counted": 0}
    add_object(h, "pay_1", "dsp_1", "dispute", "lost", 200, **counted, parent_id="cap_1")
    add_object(h, "pay_1", "row_1", "money_row", "opened", 200, **counted, parent_id="dsp_1")
    taken, lost = fact_key("row_1", "opened"), fact_key("dsp_1", "lost")
    said = {"dispute_id": "dp_1", "charged_to": "merchant", "amount_minor": 200}
    withdrawn = h.of_payment("pay_1", "DisputeWithdrawn", fact_key=taken, fee_minor=0, **said)
    gone = h.of_payment("pay_1", "DisputeWrittenOff", fact_key=lost, **said)
    key = "alpha:acct:dsp_1"
    h.book(
        "dispute_withdrawn", withdrawn, taken, "dp_1", "pay_1", 200, ("disputed", key, 200),
        ("processor_receivable", key, -200), ("merchant_available", None, 200), ("merchant_held", key, -200),
    )  # fmt: skip
    h.book(
        "dispute_written_off",
        gone,
        lost,
        "dp_1",
        "pay_1",
        200,
        ("merchant_held", key, 200),
        ("disputed", key, -200),
    )
