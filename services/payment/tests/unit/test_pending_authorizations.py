"""A processor that decides over a card minutes later: patience until then, and one end whatever comes first."""

from __future__ import annotations

import itertools

import pytest

from services.payment.app.apply_fact import apply_fact
from services.payment.app.create_payment import create_payment
from services.payment.domain.answering import Answer, settle_answer
from services.payment.domain.changes import Moment
from services.payment.domain.facts import Fact
from services.payment.domain.operations import OperationState
from services.payment.domain.payment import Payment
from services.payment.domain.status import CaptureMethod, Certainty, Source, Status
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import authorized, captured, told, wish


class World:
    def __init__(self, method: CaptureMethod = CaptureMethod.AUTOMATIC, max_attempts: int = 3) -> None:
        self.unit = MemoryUnit()
        self.payment: Payment = create_payment(
            wish(capture_method=method, max_attempts=max_attempts), self.unit
        )
        self.unit.commit()

    def tell(self, *facts: Fact) -> None:
        for what in facts:
            apply_fact(told(what), self.unit)
            self.unit.commit()

    def accepted(self) -> None:
        """The reply to the call: the processor is deciding."""
        operation = self.payment.latest_operation
        assert operation is not None
        self.tell(authorized(self.payment, status="pending"))
        answer = Answer(
            result="accepted",
            decline_code=None,
            error_code=None,
            message=None,
            next_check_at=None,
            mismatched=False,
        )
        moment = Moment(now=self.unit.now, cause_id="evt_1", ids=self.unit.ids, source=Source.REPLY)
        settle_answer(self.payment, operation, answer, moment)
        self.unit.commit()

    def state(self) -> OperationState:
        operation = self.payment.latest_operation
        assert operation is not None
        return operation.state

    def shown(self) -> tuple[Status, Certainty, OperationState]:
        return self.payment.status, self.payment.certainty, self.state()


@pytest.mark.parametrize("method", list(CaptureMethod))
def test_while_it_pends_the_payment_stays_created_and_nothing_is_in_doubt(method: CaptureMethod) -> None:
    world = World(method)
    world.accepted()
    assert world.shown() == (Status.CREATED, Certainty.PENDING, OperationState.PENDING)
    assert (world.payment.in_doubt_minor, world.payment.amounts.authorized_minor) == (0, 0)
    assert not list(world.payment.cases)


def test_a_late_success_authorizes() -> None:
    world = World(CaptureMethod.MANUAL)
    world.accepted()
    world.tell(authorized(world.payment, object_version=2))
    assert world.shown() == (Status.AUTHORIZED, Certainty.CERTAIN, OperationState.SUCCEEDED)
    assert world.payment.amounts.capturable_minor == 10_000


def test_a_late_success_of_a_sale_goes_on_to_its_capture() -> None:
    world = World()
    world.accepted()
    world.tell(authorized(world.payment, object_version=2))
    assert world.shown() == (Status.AUTHORIZED, Certainty.PENDING, OperationState.PENDING)
    world.tell(captured(world.payment))
    assert world.shown() == (Status.CAPTURED, Certainty.CERTAIN, OperationState.SUCCEEDED)


@pytest.mark.parametrize(
    ("max_attempts", "status"), [(3, Status.REQUIRES_PAYMENT_METHOD), (1, Status.FAILED)]
)
def test_a_late_refusal_declines(max_attempts: int, status: Status) -> None:
    world = World(max_attempts=max_attempts)
    world.accepted()
    refused = authorized(world.payment, status="declined", object_version=2, decline_code="generic_decline")
    world.tell(refused)
    assert world.shown() == (status, Certainty.CERTAIN, OperationState.DECLINED)
    assert world.payment.last_decline_code == "generic_decline"
    assert world.payment.attempts_used == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_a_sale_ends_captured_in_every_order(order: tuple[int, ...]) -> None:
    world = World()
    payment = world.payment
    facts = [
        authorized(payment, status="pending"),
        authorized(payment, object_version=2),
        captured(payment),
    ]
    world.tell(*(facts[number] for number in order))
    assert world.shown() == (Status.CAPTURED, Certainty.CERTAIN, OperationState.SUCCEEDED)
    assert (payment.amounts.authorized_minor, payment.amounts.captured_minor) == (10_000, 10_000)


def test_a_pending_word_that_comes_after_the_refusal_changes_nothing() -> None:
    world = World()
    world.tell(authorized(world.payment, status="declined", object_version=2))
    world.tell(authorized(world.payment, status="pending", object_version=1))
    assert world.shown() == (Status.REQUIRES_PAYMENT_METHOD, Certainty.CERTAIN, OperationState.DECLINED)
