"""Scenes of the tiny history: sales in doubt, refunded, failed later and settled."""

from collections import Counter

from tools.tests.db.tiny_claims import dispute, stray
from tools.tests.db.tiny_parts import add_object, add_operation, add_payment, add_refund
from tools.tests.db.tiny_reconciliation import say_line, say_match
from tools.tests.db.tiny_rows import AT, TinyRows, fact_key

_LEGAL = {
    "payment:CREATED": "REQUIRES_PAYMENT_METHOD AUTHORIZED FAILED CANCELED",
    "payment:REQUIRES_PAYMENT_METHOD": "AUTHORIZED FAILED CANCELED",
    "payment:AUTHORIZED": "CAPTURED CANCELED",
    "payment:CAPTURED": "SETTLED REFUNDED DISPUTED REVERSED",
    "payment:SETTLED": "CAPTURED REFUNDED DISPUTED REVERSED",
    "payment:DISPUTED": "CAPTURED SETTLED REFUNDED REVERSED",
    "payment:REFUNDED": "CAPTURED SETTLED DISPUTED REVERSED",
    "payment:REVERSED": "CAPTURED SETTLED REFUNDED DISPUTED",
    "operation:REQUESTED": "SENT ABANDONED",
    "operation:SENT": "SUCCEEDED DECLINED PENDING UNCERTAIN ABANDONED",
    "operation:PENDING": "SUCCEEDED DECLINED UNCERTAIN",
    "operation:UNCERTAIN": "SUCCEEDED DECLINED PENDING ABANDONED IN_REVIEW",
    "operation:IN_REVIEW": "SUCCEEDED DECLINED",
    "operation:SUCCEEDED": "FAILED_LATER",
    "operation:DECLINED": "SUCCEEDED",
}


def payments(h: TinyRows) -> None:
    for source, targets in _LEGAL.items():
        subject, state = source.split(":")
        for target in targets.split():
            h.add("payment", "legal_transitions", subject=subject, from_state=state, to_state=target)
    _sale_in_doubt(h)
    _refunds(h)
    stray(h)
    add_payment(h, "pay_3", "AUTHORIZED", 700, authorized=700, capturable=700)
    h.walk("pay_3", "payment", "pay_3", "CREATED", "AUTHORIZED")
    add_operation(h, "pay_3", "op_5", "authorize", 700, "REQUESTED", "SENT", "SUCCEEDED")
    add_object(
        h,
        "pay_3",
        "auth_3",
        "authorization",
        "authorized",
        700,
        role="counted",
        operation_id="op_5",
        counted=700,
    )
    h.of_payment("pay_3", "PaymentAuthorized", amount_minor=700)
    dispute(h)
    _sale_that_failed_later(h)
    _settled_sale(h)


def _sale_in_doubt(h: TinyRows) -> None:
    amounts = {
        "authorized": 1000,
        "captured": 1000,
        "refunded": 400,
        "reversed": 200,
        "fee_total": 30,
        "fee_returned": 12,
    }
    add_payment(h, "pay_1", "CAPTURED", 1000, **amounts)
    h.walk("pay_1", "payment", "pay_1", "CREATED", "AUTHORIZED", "CAPTURED")
    add_operation(
        h, "pay_1", "op_1", "authorize", 1000, "REQUESTED", "SENT", "UNCERTAIN", "SUCCEEDED", capture=True
    )
    add_object(
        h,
        "pay_1",
        "auth_1",
        "authorization",
        "authorized",
        1000,
        role="counted",
        operation_id="op_1",
        counted=1000,
    )
    add_object(
        h, "pay_1", "cap_1", "capture", "succeeded", 1000, role="counted", operation_id="op_1", counted=1000
    )
    doubt = h.of_payment(
        "pay_1", "OperationUncertain", operation_id="op_1", direction="in", amount_minor=1000
    )
    h.of_payment("pay_1", "PaymentAuthorized", amount_minor=1000)
    fact = fact_key("cap_1", "succeeded")
    captured = h.of_payment("pay_1", "PaymentCaptured", amount_minor=1000, fee_minor=30, fact_key=fact)
    resolved = h.of_payment(
        "pay_1", "OperationResolved", operation_id="op_1", direction="in", amount_minor=1000
    )
    legs = (("in_doubt_in", "op_1", 1000), ("in_doubt_contra", "op_1", -1000))
    back = tuple((family, key, -net) for family, key, net in legs)
    first = h.book("capture_in_doubt", doubt, "op_1", "op_1", "pay_1", 1000, *legs)
    h.book("capture_in_doubt_reversed", resolved, "op_1", "op_1", "pay_1", 1000, *back, reverses=first)
    h.book(
        "capture", captured, fact, "cap_1", "pay_1", 1000, ("processor_receivable", "alpha:acct:cap_1", 1000),
        ("merchant_pending", None, -970), ("fee_revenue", None, -30),
    )  # fmt: skip


def _refunds(h: TinyRows) -> None:
    asked = add_refund(h, "re_1", "op_2", 400, 12, "SUCCEEDED")
    add_operation(h, "pay_1", "op_2", "refund", 400, "REQUESTED", "SENT", "SUCCEEDED", refund_id="re_1")
    add_object(
        h, "pay_1", "ref_1", "refund", "succeeded", 400, role="counted", operation_id="op_2", counted=400
    )
    fact = fact_key("ref_1", "succeeded")
    done = h.of_payment("pay_1", "RefundSucceeded", refund_id="re_1", amount_minor=400, fact_key=fact)
    h.book(
        "refund_requested", asked, "re_1", "re_1", "pay_1", 400, ("merchant_available", None, 388),
        ("refunds_in_flight", "re_1", -400), ("fee_revenue", None, 12),
    )  # fmt: skip
    h.book(
        "refund_succeeded", done, fact, "re_1", "pay_1", 400, ("refunds_in_flight", "re_1", 400),
        ("processor_receivable", "alpha:acct:ref_1", -400),
    )  # fmt: skip
    asked = add_refund(h, "re_2", "op_3", 100, 3, "FAILED")
    add_operation(h, "pay_1", "op_3", "refund", 100, "REQUESTED", "SENT", "DECLINED", refund_id="re_2")
    add_object(h, "pay_1", "ref_2", "refund", "failed", 100, role="seen", operation_id=None, counted=0)
    failed = h.of_payment("pay_1", "RefundFailed", refund_id="re_2", amount_minor=100, was_succeeded=False)
    legs = (("merchant_available", None, 97), ("refunds_in_flight", "re_2", -100), ("fee_revenue", None, 3))
    first = h.book("refund_requested", asked, "re_2", "re_2", "pay_1", 100, *legs)
    back = tuple((family, key, -net) for family, key, net in legs)
    h.book("refund_requested_reversed", failed, "re_2", "re_2", "pay_1", 100, *back, reverses=first)


def _sale_that_failed_later(h: TinyRows) -> None:
    """A sale whose capture succeeded and then failed: what was counted stands, and a reversal took it back."""
    add_payment(h, "pay_5", "REVERSED", 300, authorized=300, captured=300, reversed=300, fee_total=3)
    h.walk("pay_5", "payment", "pay_5", "CREATED", "AUTHORIZED", "CAPTURED", "REVERSED")
    add_operation(
        h, "pay_5", "op_8", "authorize", 300, "REQUESTED", "SENT", "SUCCEEDED", "FAILED_LATER", capture=True
    )
    counted = {"role": "counted", "operation_id": "op_8", "counted": 300}
    add_object(h, "pay_5", "auth_5", "authorization", "authorized", 300, **counted)
    add_object(h, "pay_5", "cap_5", "capture", "failed", 300, **counted)
    h.add(
        "payment", "reversals", reversal_id="rvs_1", payment_id="pay_5", processor="alpha", account="acct",
        object_id="cap_5", capture_id="cap_5", currency="EUR", cause="capture_failed", created_at=AT, updated_at=AT,
        taken_minor=300, given_back_minor=0,
    )  # fmt: skip
    h.of_payment("pay_5", "PaymentAuthorized", amount_minor=300)
    taken, failed, key = fact_key("cap_5", "succeeded"), fact_key("cap_5", "failed"), "alpha:acct:cap_5"
    captured = h.of_payment("pay_5", "PaymentCaptured", amount_minor=300, fee_minor=3, fact_key=taken)
    said = {"reversal_id": "rvs_1", "charged_to": "merchant", "amount_minor": 300, "fact_key": failed}
    gone = h.of_payment("pay_5", "ReversalReceived", **said)
    h.book(
        "capture", captured, taken, "cap_5", "pay_5", 300, ("processor_receivable", key, 300),
        ("merchant_pending", None, -297), ("fee_revenue", None, -3),
    )  # fmt: skip
    h.book(
        "reversal_received", gone, failed, "rvs_1", "pay_5", 300, ("merchant_available", None, 300),
        ("processor_receivable", key, -300),
    )  # fmt: skip


def _settled_sale(h: TinyRows) -> None:
    """A sale whose one line came before its match, and covers it; the open keys are folded up to it.

    More was held than was taken, and the rest was given back.
    """
    add_payment(h, "pay_4", "SETTLED", 800, authorized=900, captured=800, settled=800, fee_total=8)
    h.rows["payment"]["payments"][-1] |= {"authorization_released": True, "release_announced": True}
    h.walk("pay_4", "payment", "pay_4", "CREATED", "AUTHORIZED", "CAPTURED", "SETTLED")
    add_operation(h, "pay_4", "op_7", "authorize", 800, "REQUESTED", "SENT", "SUCCEEDED", capture=True)
    counted = {"role": "counted", "operation_id": "op_7", "counted": 800}
    add_object(h, "pay_4", "auth_4", "authorization", "authorized", 900, **counted)
    add_object(h, "pay_4", "cap_4", "capture", "succeeded", 800, **counted)
    h.rows["payment"]["processor_objects"][-1] |= {
        "settled": True,
        "times_settled": 1,
        "settled_available_on": AT,
    }
    h.add(
        "payment", "settlement_lines", source="rep", line_id="1", revision=1, match_number=1, processor="alpha",
        account="acct", category="charge", payment_id="pay_4", object_id="cap_4", gross_minor=800, currency="EUR",
        available_on=AT,
    )  # fmt: skip
    h.of_payment("pay_4", "PaymentAuthorized", amount_minor=900)
    fact, settled = fact_key("cap_4", "succeeded"), "alpha:acct:cap_4:settled:1"
    said = {
        "amount_minor": 800,
        "fee_minor": 8,
        "processor": "alpha",
        "account": "acct",
        "object_id": "cap_4",
    }
    captured = h.of_payment("pay_4", "PaymentCaptured", fact_key=fact, **said)
    h.of_payment("pay_4", "HoldReleased", amount_minor=100, reason="final_capture")
    available = h.of_payment("pay_4", "CaptureSettled", fact_key=settled, **said)
    key, line = "alpha:acct:cap_4", "line:rep:1"
    h.book(
        "capture", captured, fact, "cap_4", "pay_4", 800, ("processor_receivable", key, 800),
        ("merchant_pending", None, -792), ("fee_revenue", None, -8),
    )  # fmt: skip
    told, matched = say_line(h, "1", "cap_4", 800, 10), say_match(h, "1", "pay_4", "cap_4", 800)
    h.book(
        "settlement_line", told, "rep:1:1", line, None, 800, ("bank_clearing", "alpha:acct:po", 790),
        ("processor_fees", None, 10), ("processor_receivable", line, -800),
        cause_type="SettlementLineAccepted.v1",
    )  # fmt: skip
    h.add(
        "ledger", "line_matches", line_key=line, revision=1, number=1, clearing_key=key, payment_id="pay_4",
        cause_event_id=matched, told_at=AT,
    )  # fmt: skip
    h.book(
        "capture_settled", available, settled, settled, "pay_4", 800, ("merchant_pending", None, 792),
        ("merchant_available", None, -792),
    )  # fmt: skip
    h.add("ledger", "clearing_progress", only_row=True, folded_position=h.journals)
    nets: Counter[tuple[int, str]] = Counter()
    for entry in h.rows["ledger"]["entries"]:
        if entry["clearing_key"]:
            signed = entry["amount_minor"] if entry["side"] == "debit" else -entry["amount_minor"]
            nets[entry["account_id"], entry["clearing_key"]] += signed
    for (account_id, clearing_key), net in nets.items():
        if net:
            h.add(
                "ledger", "clearing_keys", account_id=account_id, clearing_key=clearing_key, net_minor=net, since=AT,
            )  # fmt: skip
