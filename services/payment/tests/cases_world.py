"""A payment whose cases are looked at: what facts, operators and reviews do to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from services.payment.app.apply_fact import apply_fact
from services.payment.app.capture_payment import CapturePayment, capture_payment
from services.payment.app.create_payment import create_payment
from services.payment.domain.cases import Case, Cause
from services.payment.domain.changes import Moment
from services.payment.domain.deciding import give_up
from services.payment.domain.facts import Fact
from services.payment.domain.operations import Operation, OperationState
from services.payment.domain.payment import Payment
from services.payment.domain.reviewing import review
from services.payment.domain.status import CaptureMethod, Source
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import (
    MERCHANT,
    authorized,
    told,
    wish,
)

SAME = {"merchant_id": MERCHANT, "mode": "test", "request_id": "r"}
CAUSE = Cause(reason="status_unknown", subject="cap_1", exposure_minor=100, currency="EUR", words="odd")


class World:
    """One payment in memory, with what facts, operators and reviews do to its cases."""

    def __init__(self, method: CaptureMethod = CaptureMethod.MANUAL, **wished: str) -> None:
        self.unit = MemoryUnit()
        self.payment: Payment = create_payment(wish(capture_method=method, **wished), self.unit)
        self.unit.commit()
        if method is CaptureMethod.MANUAL:
            self.tell(authorized(self.payment))

    def tell(self, *facts: Fact) -> None:
        for what in facts:
            apply_fact(told(what), self.unit)
            self.unit.commit()

    def moment(self, source: Source = Source.OPERATOR) -> Moment:
        return Moment(now=self.unit.now, cause_id="dec_1", ids=self.unit.ids, source=source)

    def ask(self, work: Callable[..., Any], command: type[Any], **more: Any) -> Operation:
        work(command(**SAME, payment_id=self.payment.payment_id, **more), self.unit)
        self.unit.commit()
        operation = self.payment.latest_operation
        assert operation is not None
        return operation

    def capture(self) -> Operation:
        return self.ask(capture_payment, CapturePayment)

    def exhausted(self, operation: Operation) -> Case:
        review(self.payment, operation, "ladder_exhausted", self.moment(Source.POLL))
        self.unit.commit()
        return self.of("ladder_exhausted")

    def decide(self, operation: Operation, outcome: OperationState) -> None:
        """As an operator does, together with what was before a person about it."""
        if outcome is OperationState.DECLINED:
            give_up(self.payment, operation, outcome, self.moment())
        else:
            self.payment.advance(operation, outcome, self.moment())
        about = [case for case in self.payment.cases if case.about({operation.operation_id})]
        self.payment.answer_cases(about, self.moment(), why="ticket 12", by="ann", decision_id="dec_1")
        self.unit.commit()

    def of(self, reason: str) -> Case:
        (case,) = [case for case in self.payment.cases if case.reason == reason]
        return case

    def open(self) -> set[str]:
        return {case.reason for case in self.payment.cases if case.open}

    def steps(self, case: Case) -> list[tuple[str, int]]:
        return [(s.step.value, s.exposure_minor) for s in self.unit.case_steps if s.case_id == case.case_id]
