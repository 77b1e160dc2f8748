"""A payment at which a timer's work fails keeps no other waiting: it rests, is counted, and is tried again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from services.payment.app import abandon_payments, expire_risk_checks, return_strays
from services.payment.entrypoints.worker import (
    ABANDONED,
    RISK,
    STRAYS,
    abandon_due_payments,
    end_due_risk_checks,
    return_due_strays,
)
from services.payment.tests.db.shop import Shop, open_shop
from services.payment.tests.world import authorized, captured
from shared.kernel.errors import InvariantViolation
from shared.persistence.provision import ServiceUrls
from shared.runtime.apart import REST_MAX_S, Resting
from shared.runtime.metric_names import WORK_FAILED
from shared.runtime.metrics import value_of
from shared.testing.virtual_clock import VirtualClock


@pytest.fixture
def urls(service_database: Any) -> ServiceUrls:
    found: ServiceUrls = service_database("payment")
    return found


@pytest.fixture
def shop(urls: ServiceUrls) -> Iterator[Shop]:
    with open_shop(urls) as shop:
        yield shop


@pytest.fixture
def asking_shop(urls: ServiceUrls) -> Iterator[Shop]:
    with open_shop(urls, PAYMENT_RISK_MODE="required", PAYMENT_RISK_DEADLINE_MS="1") as shop:
        yield shop


def fails_for_one(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, payment_id: str
) -> Callable[[], None]:
    """Let the work of one payment fail until the function that is returned is called."""
    real = getattr(module, name)

    def harmed(payment: Any, *others: Any) -> Any:
        if payment.payment_id == payment_id:
            raise InvariantViolation("planted", "it holds no more")
        return real(payment, *others)

    monkeypatch.setattr(module, name, harmed)
    return lambda: monkeypatch.setattr(module, name, real)


def goes_on(
    role: str, turn: Callable[[Resting], object], done: Callable[[], set[str]], ids: list[str], mend: Any
) -> None:
    clock = VirtualClock()
    resting = Resting(role, clock)
    failed_before = value_of(WORK_FAILED, role)
    turn(resting)
    assert done() == set(ids[1:]), "the others are done"
    assert value_of(WORK_FAILED, role) == failed_before + 1
    turn(resting)
    assert value_of(WORK_FAILED, role) == failed_before + 1, "it rests"
    clock.advance(REST_MAX_S)
    turn(resting)
    assert value_of(WORK_FAILED, role) == failed_before + 2, "it is tried again"
    mend()
    clock.advance(REST_MAX_S)
    turn(resting)
    assert done() == set(ids)
    assert resting.count == 0


def test_a_payment_that_cannot_be_abandoned_keeps_no_other_alive(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [str(shop.create(payment_method=None)["id"]) for _ in range(3)]
    shop.change(
        "UPDATE payments SET created_at = created_at - interval '40 days', updated_at = updated_at - interval '40 days'"
    )
    mend = fails_for_one(monkeypatch, abandon_payments, "abandon", ids[0])

    def done() -> set[str]:
        return {row[0] for row in shop.rows("SELECT payment_id FROM payments WHERE abandoned")}

    def turn(resting: Resting) -> object:
        return abandon_due_payments(shop.transactions, 1, resting)

    # With one at a time the one that rests stands before nobody.
    clock = VirtualClock()
    resting = Resting(ABANDONED, clock)
    turn(resting)
    assert done() == set()
    turn(resting)
    assert done() == {ids[1]}
    turn(resting)
    assert done() == set(ids[1:])
    mend()
    clock.advance(REST_MAX_S)
    turn(resting)
    assert done() == set(ids)


def test_a_wait_for_risk_that_cannot_be_ended_keeps_no_other_waiting(
    asking_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = asking_shop
    ids = [str(shop.create()["id"]) for _ in range(3)]
    mend = fails_for_one(monkeypatch, expire_risk_checks, "expire", ids[0])

    def done() -> set[str]:
        return {row[0] for row in shop.rows("SELECT payment_id FROM operations WHERE risk <> 'WAITING'")}

    goes_on(RISK, lambda resting: end_due_risk_checks(shop.transactions, 1.0, resting), done, ids, mend)


def test_a_stray_that_cannot_be_given_back_keeps_no_other_astray(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [astray(shop, number) for number in range(3)]
    mend = fails_for_one(monkeypatch, return_strays, "return_astray", ids[0])

    def done() -> set[str]:
        return {row[0] for row in shop.rows("SELECT payment_id FROM operations WHERE stray_id IS NOT NULL")}

    goes_on(STRAYS, partial(return_due_strays, shop.transactions, 0.0), done, ids, mend)


def astray(shop: Shop, number: int) -> str:
    """A payment that is held, and money of another hold under it."""
    payment_id = str(shop.create(capture_method="manual")["id"])
    shop.tell(authorized(shop.payment(payment_id), object_id=f"auth_{number}"))
    named = {"object_id": f"cap_{number}", "parent_id": f"other_{number}", "reference": None}
    shop.tell(captured(shop.payment(payment_id), **named))
    return payment_id
