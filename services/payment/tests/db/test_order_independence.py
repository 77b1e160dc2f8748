"""The 120 orders again, on real PostgreSQL: what is stored and announced does not depend on arrival."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from services.payment.app.apply_fact import apply_fact
from services.payment.tests.db.stand import Stand
from services.payment.tests.property.test_order_independence import NAMES, facts_of
from services.payment.tests.world import picture, told, wish
from shared.testing.infra import ServiceDatabase


@pytest.fixture
def stand(service_database: ServiceDatabase) -> Iterator[Stand]:
    stand = Stand(service_database("payment"))
    yield stand
    stand.close()


def outcome(stand: Stand, order: tuple[str, ...], *, together: bool) -> tuple[dict[str, Any], dict[str, int]]:
    payment = stand.create(wish())
    facts = {
        # Objects of different payments must not meet: each order has its own processor account.
        name: (_renamed(what, payment.payment_id), source)
        for name, (what, source) in facts_of(payment).items()
    }
    if together:
        stand.run(lambda uow: [apply_fact(told(*facts[name]), uow) for name in order])
    else:
        for name in order:
            stand.run(lambda uow, name=name: apply_fact(told(*facts[name]), uow))  # type: ignore[misc]
    shown = picture(stand.payment(payment.payment_id))
    for key in ("objects", "cases"):
        shown[key] = [str(item).replace(payment.payment_id, "PAYMENT") for item in shown[key]]
    return shown, stand.net(payment.payment_id)


def _renamed(what: Any, payment_id: str) -> Any:
    parent = f"{what.parent_id}_{payment_id}" if what.parent_id else None
    name = f"{what.object_id}_{payment_id}"
    return replace(what, object_id=name, parent_id=parent, fact_key=f"{name}:{what.status}")


@pytest.mark.parametrize("together", [False, True], ids=["a message each", "one batch"])
def test_all_120_orders_with_duplicates_end_alike(stand: Stand, together: bool) -> None:
    orders = list(itertools.permutations(NAMES))
    expected = outcome(stand, orders[0], together=together)
    assert expected[0]["status"] == "CAPTURED"
    for number, order in enumerate(orders):
        again = number % 6
        doubled = (*order[:again], order[again % 5], *order[again:])
        assert outcome(stand, doubled, together=together) == expected, doubled
    assert stand.rows("SELECT count(*) FROM waiting_facts") == [(0,)]
    assert stand.rows("SELECT count(*) FROM outbox") != [(0,)]
