"""A refund that names nothing that it gives back: ours is of what we asked it for, any other stays whose it was."""

from __future__ import annotations

from typing import Any

import pytest

from services.payment.app.create_payment import create_payment
from services.payment.domain.changes import Moment
from services.payment.domain.operations import Operation
from services.payment.domain.payment import Payment
from services.payment.domain.resolving_strays import request_return
from services.payment.domain.status import Source
from services.payment.domain.strays import Stray
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import authorized, captured, fact, refunded, tell, wish

ASTRAY_MINOR = 3_000
NO_PARENT = {"parent_id": None, "parent_type": None}


class Scene:
    """A captured payment in EUR, and a second capture of somebody else's hold, in any currency."""

    def __init__(self, currency: str) -> None:
        self.unit = MemoryUnit()
        self.payment: Payment = create_payment(wish(), self.unit)
        self.unit.commit()
        self.tell(authorized(self.payment), captured(self.payment), self.second(currency))
        (self.stray,) = self.payment.strays.values()
        self.currency = currency

    def second(self, currency: str) -> Any:
        return fact(
            object_type="capture", object_id="cap_2", status="succeeded", payment_id=self.payment.payment_id,
            parent_type="authorization", parent_id="auth_9", amount_minor=ASTRAY_MINOR, currency=currency,
        )  # fmt: skip

    def tell(self, *facts: Any) -> None:
        tell(self.unit, *facts)

    def ask_back(self) -> tuple[Stray, Operation]:
        moment = Moment(now=self.unit.now, cause_id="dec", ids=self.unit.ids, source=Source.OPERATOR)
        operation = request_return(self.payment, self.stray, moment)
        self.unit.commit()
        return self.stray, operation

    def refund(self, status: str, version: int, **said: Any) -> None:
        told = {"object_id": "ref_9", "amount_minor": ASTRAY_MINOR, "currency": self.currency} | said
        self.tell(refunded(self.payment, status, version, **told))

    def mismatches(self) -> list[str]:
        return [case.reason for case in self.payment.cases if case.reason == "echo_mismatch"]


@pytest.fixture(params=["EUR", "USD"])
def scene(request: pytest.FixtureRequest) -> Scene:
    return Scene(request.param)


def test_the_return_of_a_stray_is_measured_by_the_stray_also_where_it_names_none(scene: Scene) -> None:
    stray, operation = scene.ask_back()
    before = scene.mismatches()
    scene.refund("succeeded", 1, reference=operation.operation_id, **NO_PARENT)
    assert (operation.state, stray.returned_minor, stray.open_minor) == ("SUCCEEDED", ASTRAY_MINOR, 0)
    assert (scene.mismatches(), len(scene.payment.strays)) == (before, 1)
    assert scene.payment.amounts.refunded_minor == 0, "the merchant bears nothing"


@pytest.mark.parametrize(("amount_minor", "same_currency"), [(ASTRAY_MINOR, False), (2_000, True)])
def test_a_return_in_other_money_than_the_stray_is_before_a_person(
    scene: Scene, amount_minor: int, *, same_currency: bool
) -> None:
    stray, operation = scene.ask_back()
    other = {"EUR": "USD", "USD": "EUR"}[scene.currency]
    currency = scene.currency if same_currency else other
    said = {"amount_minor": amount_minor, "currency": currency, "reference": operation.operation_id}
    scene.refund("succeeded", 1, **said, **NO_PARENT)
    assert (operation.state, stray.returned_minor, stray.reserved_minor) == ("IN_REVIEW", 0, ASTRAY_MINOR)
    assert scene.payment.amounts.refunded_minor == 0


def test_a_refund_of_a_stray_that_fails_without_naming_it_gives_the_stray_its_money_back(
    scene: Scene,
) -> None:
    scene.refund("succeeded", 1, parent_id="cap_2")
    assert scene.stray.returned_minor == ASTRAY_MINOR
    scene.refund("failed", 2, **NO_PARENT)
    assert (scene.stray.returned_minor, scene.stray.open_minor) == (0, ASTRAY_MINOR)
