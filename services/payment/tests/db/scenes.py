"""How far a payment has come, in one line of a test: held, in review, disputed, astray; and what was told of it."""

from __future__ import annotations

from typing import Any

import orjson

from services.payment.app.apply_ladder_exhausted import ApplyLadderExhausted, apply_ladder_exhausted
from services.payment.tests.db.shop import Shop
from services.payment.tests.world import captured, disputed, money_row
from shared.kernel.ids import UlidIds

EVIDENCE = {"documents": {"receipt": "file_1"}}


def exhaust(shop: Shop, payment_id: str) -> str:
    """The latest operation in doubt, and its ladder at its end."""
    shop.answer(payment_id, "unknown")
    operation = shop.payment(payment_id).latest_operation
    assert operation is not None
    return end_ladder(shop, payment_id, operation.operation_id)


def end_ladder(shop: Shop, payment_id: str, operation_id: str) -> str:
    """Nobody could tell what became of it."""
    command = ApplyLadderExhausted(
        payment_id=payment_id, operation_id=operation_id, cause_id=UlidIds().new("evt_")
    )
    shop.transactions.run(lambda uow: apply_ladder_exhausted(command, uow), name="test")
    return operation_id


def told(shop: Shop, event_type: str) -> list[dict[str, Any]]:
    query = "SELECT payload FROM outbox WHERE event_type = :event_type ORDER BY position"
    return [orjson.loads(row[0]) for row in shop.rows(query, event_type=event_type)]


def held(shop: Shop) -> str:
    payment_id = str(shop.create(capture_method="manual")["id"])
    shop.authorize(payment_id)
    return payment_id


def in_review(shop: Shop) -> tuple[str, str]:
    payment_id = held(shop)
    assert shop.post(f"/payments/{payment_id}/capture", {}).status == 200
    return payment_id, exhaust(shop, payment_id)


def open_dispute(shop: Shop) -> tuple[str, dict[str, Any]]:
    payment = shop.captured()
    kept = shop.payment(payment["id"])
    shop.tell(disputed(kept, "opened", 1))
    shop.tell(money_row(kept, "dispute", "opened", 6_000, "row_1"))
    (dispute,) = shop.get(f"/disputes?payment={payment['id']}").document["data"]
    return payment["id"], dispute


def astray(shop: Shop, **changes: Any) -> tuple[str, str]:
    """A captured payment and a second capture that nobody asked for."""
    payment_id = str(shop.captured()["id"])
    extra = {"object_id": "cap_2", "parent_id": "auth_9", "reference": None, "amount_minor": 3_000} | changes
    shop.tell(captured(shop.payment(payment_id), **extra))
    (stray_id,) = shop.rows("SELECT stray_id FROM strays")[0]
    return payment_id, stray_id
