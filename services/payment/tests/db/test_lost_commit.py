"""The COMMIT of a payment reaches PostgreSQL or not, and its answer is lost: one payment, one event each, and the truth on retry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from services.payment.tests.db.shop import ORDER, Shop, open_shop
from shared.testing.infra import ServiceDatabase
from shared.testing.lossy_proxy import Loss, LossyProxy, lossy_proxy

KEY = "k-of-a-lost-commit"
MADE_ONCE = (
    "SELECT (SELECT count(*) FROM payments), (SELECT count(*) FROM operations),"
    " (SELECT count(*) FROM idempotency_keys WHERE resource_id IS NOT NULL),"
    " (SELECT count(*) FROM outbox WHERE event_type = 'PaymentCreated.v1'),"
    " (SELECT count(*) FROM outbox WHERE topic = 'processor.commands')"
)


@pytest.fixture
def lossy_shop(service_database: ServiceDatabase) -> Iterator[tuple[Shop, LossyProxy]]:
    urls = service_database("payment")
    with lossy_proxy(urls.app) as (proxy, through), open_shop(replace(urls, app=through)) as shop:
        yield shop, proxy


@pytest.mark.parametrize("loss", [Loss.ANSWER, Loss.REQUEST], ids=["answer", "request"])
def test_a_payment_whose_commit_was_lost_is_there_once_and_the_client_learns_it(
    lossy_shop: tuple[Shop, LossyProxy], loss: Loss
) -> None:
    shop, proxy = lossy_shop
    proxy.lose_next_commit(loss)
    first = shop.post("/payments", ORDER, key=KEY)
    assert proxy.lost == 1
    assert first.status == 201, first

    again = shop.post("/payments", ORDER, key=KEY)

    assert (again.status, again.body) == (201, first.body)
    assert again.headers["idempotent-replayed"] == "true"
    assert shop.rows(MADE_ONCE) == [(1, 1, 1, 1, 1)]
    assert shop.get(f"/payments/{first.document['id']}").document == first.document
