"""The parts that scenes of the tiny history are made of: payments, keys, operations, objects and refunds."""

from tools.tests.db.tiny_rows import AT, MERCHANT, TinyRows, fact_key


def add_payment(h: TinyRows, payment_id: str, status: str, amount: int, **amounts: int) -> None:
    names = (
        "authorized", "capturable", "captured", "refunded", "refunded_adopted", "refund_reserved", "disputed_open",
        "reversed", "settled", "stray", "fee_total", "fee_returned",
    )  # fmt: skip
    h.add(
        "payment", "payments", payment_id=payment_id, merchant_id=MERCHANT, mode="test", status=status, currency="EUR",
        amount_minor=amount, **{f"{name}_minor": amounts.get(name, 0) for name in names}, capture_method="automatic",
        processor="alpha", account="acct", metadata={}, max_attempts=3, attempts_used=0, percent_ppm=0, fixed_minor=0,
        refund_policy="keep", captures_counted=0, authorization_released=False, release_announced=False, case_keys=[],
        version=1, created_at=AT, updated_at=AT,
    )  # fmt: skip
    h.of_payment(payment_id, "PaymentCreated", amount_minor=amount)
    add_key(h, "POST /payments", payment_id)


def add_key(h: TinyRows, endpoint: str, resource_id: str) -> None:
    h.add(
        "payment", "idempotency_keys", scope=f"{endpoint} {resource_id}", owner_id=MERCHANT, mode="test",
        key_digest=resource_id, fingerprint="\\x" + "00" * 32, endpoint=endpoint, state="finished", status=201,
        resource_id=resource_id, body="\\x" + f'{{"id":"{resource_id}"}}'.encode().hex(), created_at=AT,
        finished_at=AT, expires_at=AT,
    )  # fmt: skip
    h.add(
        "payment", "idempotency_key_repeats", scope=f"{endpoint} {resource_id}", replays=1, attaches=0, in_use=0,
        mismatches=0, after_expiry=0, last_repeat_at=AT,
    )  # fmt: skip


def add_operation(
    h: TinyRows, payment_id: str, operation_id: str, kind: str, amount: int, *states: str,
    capture: bool = False, refund_id: str | None = None, stray_id: str | None = None,
) -> None:  # fmt: skip
    h.add(
        "payment", "operations", operation_id=operation_id, payment_id=payment_id, number=int(operation_id[3:]),
        type=kind, state=states[-1], amount_minor=amount, processor="alpha", account="acct", created_at=AT, since=AT,
        capture=capture, final=False, fee_fixed_minor=0, refund_id=refund_id, stray_id=stray_id,
        uncertain_announced=False, resolved_announced=False,
    )  # fmt: skip
    h.walk(payment_id, "operation", operation_id, *states)
    sent_as = "refund" if kind == "stray_return" else kind
    command = {"authorize": "AuthorizePayment", "refund": "RefundPayment"}[sent_as]
    asked = {
        "payment_id": payment_id,
        "operation_id": operation_id,
        "amount_minor": amount,
        "currency": "EUR",
    }
    h.tell("payment", "processor.commands", payment_id, command, **asked)
    h.add(
        "processor", "attempts", operation_id=operation_id, payment_id=payment_id, kind=sent_as, processor="alpha",
        account="acct", amount_minor=amount, currency="EUR", asked={}, cause_id="cause", state="closed", phase="waiting",
        next_at=AT, lease_epoch=1, attempt_id="att", attempt_number=1, not_sent_count=0, doubtful=False,
        withdrawal_requested=False, first_sent_at=AT, rung=0, not_found_count=0, result="done", closed_at=AT,
        closing="answered",
    )  # fmt: skip
    h.tell("processor", "processor.events", payment_id, "AttemptSent", operation_id=operation_id)


def add_object(
    h: TinyRows, payment_id: str, object_id: str, kind: str, status: str, amount: int, *, role: str,
    operation_id: str | None, counted: int, stray_id: str | None = None, parent_id: str | None = None,
) -> None:  # fmt: skip
    h.add(
        "payment", "processor_objects", processor="alpha", account="acct", object_id=object_id, payment_id=payment_id,
        object_type=kind, status=status, version=1, occurred_at=AT, amount_minor=amount, currency="EUR",
        fact_key=fact_key(object_id, status), digest="d", role=role, operation_id=operation_id, stray_id=stray_id,
        counted_minor=counted, implied=False, parent_id=parent_id,
    )  # fmt: skip
    h.add(
        "payment", "evidence", evidence_id=f"evd_{object_id}", payment_id=payment_id, processor="alpha", account="acct",
        object_type=kind, object_id=object_id, fact_key=fact_key(object_id, status), source="reply", rank=1,
        verdict="applied", digest="d", fact={}, cause_id="cause", occurred_at=AT, received_at=AT,
    )  # fmt: skip


def add_refund(h: TinyRows, refund_id: str, operation_id: str, amount: int, fee: int, state: str) -> str:
    h.add(
        "payment", "refunds", refund_id=refund_id, payment_id="pay_1", amount_minor=amount, currency="EUR", state=state,
        created_at=AT, updated_at=AT, operation_id=operation_id, capture_id="cap_1", adopted=False,
        fee_returned_minor=fee,
    )  # fmt: skip
    add_key(h, "POST /refunds", refund_id)
    return h.of_payment(
        "pay_1", "RefundRequested", refund_id=refund_id, operation_id=operation_id, amount_minor=amount,
        fee_returned_minor=fee,
    )  # fmt: skip
