"""A payment that waits for risk, and what risk, processors, merchants and people say to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from services.payment.app.apply_attempt_answered import ApplyAttemptAnswered, apply_attempt_answered
from services.payment.app.apply_fact import apply_fact
from services.payment.app.apply_risk_decided import ApplyRiskDecided, apply_risk_decided
from services.payment.app.cancel_payment import CancelPayment, cancel_payment
from services.payment.app.capture_payment import CapturePayment, capture_payment
from services.payment.app.confirm_payment import ConfirmPayment, confirm_payment
from services.payment.app.create_payment import create_payment
from services.payment.app.expire_risk_checks import ExpireRiskChecks, expire_risk_checks
from services.payment.app.resolve_risk_review import ResolveRiskReview, resolve_risk_review
from services.payment.domain.answering import Answer
from services.payment.domain.risk_states import RiskTerms
from services.payment.domain.status import CaptureMethod, Status
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import MERCHANT, authorized, told, wish

WHO = {"merchant_id": MERCHANT, "mode": "test", "request_id": "r"}
TERMS = RiskTerms(
    required=True, small_minor={"authorize": 100, "sale": 100, "capture": 100, "sale:JPY": 5_000}
)
DAY = timedelta(days=1)


class World:
    """One payment that waits for risk."""

    def __init__(self, **changes: Any) -> None:
        self.unit = MemoryUnit()
        self.unit.risk = TERMS
        self.payment = create_payment(wish(**changes), self.unit)
        self.unit.commit()

    @property
    def operation(self) -> Any:
        return self.payment.latest_operation

    def decide(self, verdict: str, *, version: int | None = None, operation: Any = None) -> bool:
        about = operation or self.operation
        return self._done(
            apply_risk_decided(
                ApplyRiskDecided(
                    payment_id=self.payment.payment_id,
                    operation_id=about.operation_id,
                    payment_version=about.risk_version if version is None else version,
                    verdict=verdict,
                    cause_id="evt_r",
                ),
                self.unit,
            )
        )

    def expire(self) -> int:
        self.unit.now += timedelta(seconds=1)
        return len(self._done(expire_risk_checks(ExpireRiskChecks(), self.unit)).ended)

    def tell(self, what: Any) -> None:
        self._done(apply_fact(told(what), self.unit))

    def answer(self, result: str) -> None:
        answer = Answer(
            result=result, decline_code=None, error_code=None, message=None, next_check_at=None, mismatched=False
        )  # fmt: skip
        said = ApplyAttemptAnswered(
            payment_id=self.payment.payment_id, operation_id=self.operation.operation_id, cause_id="e",
            answer=answer, facts=[], answered_at=self.unit.now,
        )  # fmt: skip
        self._done(apply_attempt_answered(said, self.unit))

    def confirm(self, method: str) -> None:
        wanted = ConfirmPayment(**WHO, payment_id=self.payment.payment_id, payment_method=method)
        self._done(confirm_payment(wanted, self.unit))

    def cancel(self) -> None:
        self._done(cancel_payment(CancelPayment(**WHO, payment_id=self.payment.payment_id), self.unit))

    def capture(self, amount: int | None = None) -> None:
        wanted = CapturePayment(**WHO, payment_id=self.payment.payment_id, amount_minor=amount)
        self._done(capture_payment(wanted, self.unit))

    def resolve(self, actor: str, *, approve: bool = True) -> Any:
        word = ResolveRiskReview(
            payment_id=self.payment.payment_id, operation_id=self.operation.operation_id, approve=approve,
            actor=actor, cause_id="req_o",
        )  # fmt: skip
        return self._done(resolve_risk_review(word, self.unit))

    def sent(self) -> list[str]:
        names = [type(command).__name__ for command in self.unit.commands]
        return [name for name in names if name != "OperationDecided"]

    def events(self) -> list[str]:
        return [type(event).__name__ for _, event in self.unit.events]

    def _done(self, result: Any) -> Any:
        self.unit.commit()
        return result


def hold(**changes: Any) -> World:
    world = World(capture_method=CaptureMethod.MANUAL, **changes)
    world.decide("allow")
    world.tell(authorized(world.payment))
    assert world.payment.status is Status.AUTHORIZED
    return world
