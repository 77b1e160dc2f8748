"""A reply to a return of money astray lied: it stands before people, and counts by what other evidence says."""

from __future__ import annotations

from typing import Any

import pytest

from services.payment.app.create_payment import create_payment
from services.payment.domain.changes import Moment
from services.payment.domain.correcting_strays import correct
from services.payment.domain.deciding import give_up
from services.payment.domain.events import (
    RefundAdopted,
    StrayAccepted,
    StrayReturnFailed,
    StrayReturnRequested,
    StrayReturnSucceeded,
)
from services.payment.domain.operations import Operation, OperationState
from services.payment.domain.payment import Payment
from services.payment.domain.resolving_strays import accept, request_return
from services.payment.domain.status import Source
from services.payment.domain.strays import Stray, StrayKind
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import authorized, captured, refunded, tell, wish
from shared.kernel.errors import Rejected

ASTRAY_MINOR = 3_000
LIES: list[dict[str, Any]] = [{"amount_minor": 2_900}, {"amount_minor": 3_100}, {"currency": "USD"}]


class Scene:
    """A captured payment, money astray beside it, and a return of it that was asked for."""

    def __init__(self) -> None:
        self.unit = MemoryUnit()
        self.payment: Payment = create_payment(wish(), self.unit)
        self.unit.commit()
        second = {"object_id": "cap_2", "parent_id": "auth_9", "reference": None}
        self.tell(
            authorized(self.payment),
            captured(self.payment),
            captured(self.payment, **(second | {"amount_minor": ASTRAY_MINOR})),
        )
        (self.stray,) = self.payment.strays.values()
        self.operation: Operation = request_return(self.payment, self.stray, self.moment)
        self.unit.commit()

    @property
    def moment(self) -> Moment:
        return Moment(now=self.unit.now, cause_id="dec", ids=self.unit.ids, source=Source.OPERATOR)

    def tell(self, *facts: Any) -> None:
        tell(self.unit, *facts)

    def back(self, **said: Any) -> Any:
        usual = {"reference": self.operation.operation_id, "parent_id": "cap_2", "amount_minor": ASTRAY_MINOR}
        return refunded(self.payment, "succeeded", 1, **(usual | said))

    @property
    def found(self) -> Stray:
        """The refund that is not what was asked for."""
        refunds = [s for s in self.payment.strays.values() if s.kind is StrayKind.REFUND and not s.released]
        (stray,) = refunds
        return stray

    def announced(self, kind: type) -> list[Any]:
        return [event for _, event in self.unit.events if isinstance(event, kind)]

    def given_back_minor(self) -> int:
        """What the books have of returns: asked for and succeeded, less what failed."""
        asked = {event.operation_id: event.amount_minor for event in self.announced(StrayReturnRequested)}
        failed = {event.operation_id for event in self.announced(StrayReturnFailed)}
        return sum(amount for operation_id, amount in asked.items() if operation_id not in failed)


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.mark.parametrize("lie", LIES)
def test_a_return_counts_by_the_truth_and_decides_its_operation(scene: Scene, lie: dict[str, Any]) -> None:
    truth = scene.back()
    scene.tell(scene.back(**lie), truth)
    assert scene.operation.state is OperationState.IN_REVIEW
    assert (scene.stray.returned_minor, scene.found.mismatch) == (0, True)

    correct(scene.payment, scene.found, truth, scene.moment, by="bob")
    scene.unit.commit()

    assert scene.operation.state is OperationState.SUCCEEDED
    assert (scene.stray.returned_minor, scene.stray.reserved_minor) == (ASTRAY_MINOR, 0)
    assert scene.payment.amounts.stray_minor == 0
    (gone,) = scene.announced(StrayReturnSucceeded)
    assert (gone.operation_id, gone.amount_minor) == (scene.operation.operation_id, ASTRAY_MINOR)
    (lied,) = scene.announced(StrayAccepted)
    assert (lied.amount_minor, lied.currency) == (
        lie.get("amount_minor", ASTRAY_MINOR),
        lie.get("currency", "EUR"),
    )
    assert scene.given_back_minor() == ASTRAY_MINOR


def test_money_is_not_given_back_once_more_while_a_refund_of_it_is_astray(scene: Scene) -> None:
    scene.tell(scene.back(amount_minor=2_900))
    give_up(scene.payment, scene.operation, OperationState.DECLINED, scene.moment)
    with pytest.raises(Rejected) as refused:
        request_return(scene.payment, scene.stray, scene.moment)
    assert refused.value.code == "stray_refund_astray"


def test_what_was_given_back_otherwise_than_asked_is_accepted_as_given_back_of_the_stray(
    scene: Scene,
) -> None:
    scene.tell(scene.back(amount_minor=2_000))

    accept(scene.payment, scene.found, scene.moment)
    scene.unit.commit()

    assert scene.operation.state is OperationState.DECLINED
    assert scene.announced(RefundAdopted) == [], "the merchant bears nothing of it"
    assert (scene.stray.returned_minor, scene.stray.reserved_minor) == (2_000, 0)
    assert scene.given_back_minor() == 2_000
    assert not any(key.startswith("stray_returned_twice") for key in scene.payment.case_keys)
    assert request_return(scene.payment, scene.stray, scene.moment).amount_minor == ASTRAY_MINOR - 2_000


def test_an_accepted_return_that_fails_later_is_astray_again(scene: Scene) -> None:
    scene.tell(scene.back(amount_minor=2_000))
    accept(scene.payment, scene.found, scene.moment)
    scene.unit.commit()

    scene.tell(refunded(scene.payment, "failed", 2, parent_id="cap_2", amount_minor=2_000))

    assert (scene.stray.returned_minor, scene.given_back_minor()) == (0, 0)


def test_a_return_astray_in_another_currency_is_not_accepted(scene: Scene) -> None:
    scene.tell(scene.back(currency="USD"))
    with pytest.raises(Rejected) as refused:
        accept(scene.payment, scene.found, scene.moment)
    assert refused.value.code == "stray_other_currency"
