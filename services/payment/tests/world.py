"""Words for tests: payments as merchants make them, facts as the processor tells them, nets of what was announced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from services.payment.app.apply_fact import ApplyFact, apply_fact
from services.payment.app.create_payment import CreatePayment
from services.payment.domain.facts import Fact, ObjectType
from services.payment.domain.payment import Payment
from services.payment.domain.status import CaptureMethod, Source
from services.payment.tests.memory import START, MemoryUnit

MERCHANT = "mer_00000000000000000000000001"
ACCOUNT = "acct_alpha"
AMOUNT = 10_000
#: What a fact of these types adds to the payment's money; the rest moves none.
SIGNS = {
    "PaymentAuthorized": 1, "PaymentCaptured": 1, "RefundRequested": 1, "RefundSucceeded": 1, "RefundAdopted": 1,
    "RefundFailed": 1, "StrayFound": 1, "OperationUncertain": 1, "OperationResolved": 1, "HoldReleased": 1,
}  # fmt: skip


def wish(**changes: Any) -> CreatePayment:
    values: dict[str, Any] = {
        "merchant_id": MERCHANT,
        "mode": "test",
        "amount_minor": AMOUNT,
        "currency": "EUR",
        "capture_method": CaptureMethod.AUTOMATIC,
        "processor": "alpha",
        "account": ACCOUNT,
        "request_id": "req_1",
        "payment_method": "pm_card_visa",
    }
    return CreatePayment(**(values | changes))


def fact(**changes: Any) -> Fact:
    """A fact as the processor's own words would make it; keys and digests follow from what it says."""
    said: dict[str, Any] = {
        "processor": "alpha",
        "account": ACCOUNT,
        "object_version": 1,
        "amount_minor": AMOUNT,
        "currency": "EUR",
    } | changes
    version = said["object_version"]
    words = f"{said['object_id']}:{said['status']}:{version}"
    said.setdefault("occurred_at", START + timedelta(seconds=version or 0))
    said.setdefault("digest", words.encode().hex().ljust(64, "0")[:64])
    said.setdefault("fact_key", f"{said['processor']}:{said['account']}:{words}")
    return Fact(**(said | {"object_type": ObjectType(said["object_type"])}))


def there(payment: Payment) -> dict[str, Any]:
    """Where the payment is, which is who tells of it unless said otherwise."""
    return {"processor": payment.processor, "account": payment.account}


def authorized(payment: Payment, operation_id: str | None = None, **changes: Any) -> Fact:
    said = {
        "object_type": "authorization",
        "object_id": "auth_1",
        "status": "authorized",
        "reference": operation_id or first_operation(payment),
        "payment_id": payment.payment_id,
    }
    return fact(**(there(payment) | said | changes))


def captured(payment: Payment, operation_id: str | None = None, **changes: Any) -> Fact:
    said = {
        "object_type": "capture",
        "object_id": "cap_1",
        "status": "succeeded",
        "reference": operation_id or first_operation(payment),
        "payment_id": payment.payment_id,
        "parent_type": "authorization",
        "parent_id": "auth_1",
    }
    return fact(**(there(payment) | said | changes))


def refunded(payment: Payment, status: str, version: int, **changes: Any) -> Fact:
    said = {
        "object_type": "refund",
        "object_id": "ref_1",
        "status": status,
        "object_version": version,
        "payment_id": payment.payment_id,
        "parent_type": "capture",
        "parent_id": "cap_1",
        "amount_minor": 4_000,
    }
    return fact(**(there(payment) | said | changes))


def disputed(payment: Payment, status: str, version: int, **changes: Any) -> Fact:
    said = {
        "object_type": "dispute",
        "object_id": "dsp_1",
        "status": status,
        "object_version": version,
        "payment_id": payment.payment_id,
        "parent_type": "capture",
        "parent_id": "cap_1",
        "amount_minor": 6_000,
        "dispute_reason": "fraudulent",
    }
    return fact(**(there(payment) | said | changes))


def money_row(
    payment: Payment, kind: str, status: str, amount_minor: int, row_id: str, **changes: Any
) -> Fact:
    """A row that moved a dispute's or a reversal's money."""
    said = {
        "object_type": kind,
        "object_id": {"dispute": "dsp_1", "reversal": "rvl_1"}[kind],
        "status": status,
        "payment_id": payment.payment_id,
        "parent_type": "capture",
        "parent_id": "cap_1",
        "amount_minor": amount_minor,
        "money_row_id": row_id,
        "fact_key": f"{payment.processor}:{payment.account}:{row_id}",
        "digest": f"{row_id}:{status}:{amount_minor}".encode().hex().ljust(64, "0")[:64],
    }
    return fact(**(there(payment) | said | changes))


def reversed_by_processor(payment: Payment, status: str, version: int, **changes: Any) -> Fact:
    said = {
        "object_type": "reversal",
        "object_id": "rvl_1",
        "status": status,
        "object_version": version,
        "payment_id": payment.payment_id,
        "parent_type": "capture",
        "parent_id": "cap_1",
        "amount_minor": 6_000,
    }
    return fact(**(there(payment) | said | changes))


def first_operation(payment: Payment) -> str:
    return min(payment.operations.values(), key=lambda operation: operation.number).operation_id


def told(what: Fact, source: Source = Source.WEBHOOK, cause_id: str = "evt_1") -> ApplyFact:
    return ApplyFact(fact=what, source=source, cause_id=cause_id, received_at=START)


def tell(unit: MemoryUnit, *facts: Fact) -> None:
    """Each in a transaction of its own."""
    for what in facts:
        apply_fact(told(what), unit)
        unit.commit()


def net(events: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Sum of the amounts per event type."""
    sums: Counter[str] = Counter()
    for name, amount_minor in events:
        sums[name] += amount_minor
    return dict(sums)


def picture(payment: Payment) -> dict[str, Any]:
    """What must not depend on the order in which facts came."""
    amounts = payment.amounts
    return {
        "status": payment.status.value,
        "certainty": payment.certainty.value,
        "amounts": {name: getattr(amounts, name) for name in type(amounts).__dataclass_fields__},
        "fee": payment.fee_total_minor,
        "operations": sorted((o.type.value, o.state.value) for o in payment.operations.values()),
        "disputes": sorted(
            (
                d.object_id,
                d.status.value,
                d.amount_minor,
                d.withdrawn_minor,
                d.reinstated_minor,
                d.written_off_minor,
                d.fee_minor,
            )
            for d in payment.disputes.values()
        ),
        "reversals": sorted(
            (r.object_id, r.taken_minor, r.given_back_minor) for r in payment.reversals.values()
        ),
        "refunds": sorted((r.state.value, r.amount_minor, r.adopted) for r in payment.refunds.values()),
        "objects": sorted(
            (t.object_id, t.status, t.role.value, t.counted_minor, t.implied)
            for t in payment.objects.values()
        ),
        "cases": sorted(payment.case_keys),
    }
