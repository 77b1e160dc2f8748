"""What happens to payments that wait for risk: decided, left until their deadline, and what was sent of them."""

from __future__ import annotations

from services.payment.app.apply_risk_decided import ApplyRiskDecided, apply_risk_decided
from services.payment.entrypoints.worker import end_due_risk_checks
from services.payment.tests.db.shop import Shop
from shared.kernel.ids import UlidIds
from shared.testing.waiting import eventually


def commands(shop: Shop, payment_id: str) -> list[str]:
    query = "SELECT event_type FROM outbox WHERE topic = 'processor.commands' AND key = :id ORDER BY position"
    return [row[0] for row in shop.rows(query, id=payment_id)]


def decide(shop: Shop, payment_id: str, verdict: str) -> bool:
    operation = shop.payment(payment_id).latest_operation
    assert operation is not None
    command = ApplyRiskDecided(
        payment_id=payment_id, operation_id=operation.operation_id, payment_version=operation.risk_version or 0,
        verdict=verdict, cause_id=UlidIds().new("evt_"),
    )  # fmt: skip
    return shop.transactions.run(lambda uow: apply_risk_decided(command, uow), name="test")


def end_waits(shop: Shop) -> None:
    def ended() -> bool:
        end_due_risk_checks(shop.transactions, 1.0)
        return shop.rows("SELECT count(*) FROM operations WHERE risk = 'WAITING'") == [(0,)]

    eventually(ended, timeout_s=10)
