"""What the service counts: once per fact, only when it is committed, however often a transaction is tried."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.generated import WebhookFactReceivedV1
from services.payment.adapters.exposure import read_exposure
from services.payment.adapters.probes import _DOUBT, doubt_reader
from services.payment.app.apply_fact import apply_fact
from services.payment.domain.payment import Payment
from services.payment.entrypoints.consumer import on_webhook_fact
from services.payment.tests.db.shop import Shop
from services.payment.tests.db.stand import Stand
from services.payment.tests.db.test_consumer import IDS, contract, event
from services.payment.tests.world import authorized, captured, fact, first_operation, refunded, told, wish
from shared.runtime import metric_names
from shared.runtime.metric_names import DOUBT_MINOR, DOUBT_OLDEST_S, DOUBT_OPERATIONS, Metric
from shared.runtime.metrics import exposition, value_of
from shared.testing.infra import ServiceDatabase


@pytest.fixture
def stand(service_database: ServiceDatabase) -> Iterator[Stand]:
    stand = Stand(service_database("payment"))
    yield stand
    stand.close()


class Gains:
    """By how much counters have grown since this was made."""

    def __init__(self) -> None:
        self._began: dict[tuple[str, tuple[str, ...]], float] = {}

    def of(self, metric: Metric, *labels: str) -> float:
        return value_of(metric, *labels) - self._began.setdefault((metric.name, labels), 0.0)

    def since_now(self, metric: Metric, *labels: str) -> None:
        self._began[metric.name, labels] = value_of(metric, *labels)


def gains(*counted: tuple[Any, ...]) -> Gains:
    made = Gains()
    for metric, *labels in counted:
        made.since_now(metric, *labels)
    return made


DECIDED = metric_names.PAYMENTS_DECIDED
REFUNDS = metric_names.REFUNDS


def paid(stand: Stand) -> Payment:
    payment = stand.create(wish())
    stand.tell(authorized(payment))
    return stand.tell(captured(payment))


def test_a_payment_is_decided_once(stand: Stand) -> None:
    grown = gains((DECIDED, "succeeded"), (DECIDED, "failed"))
    payment = paid(stand)
    stand.tell(captured(payment))
    assert (grown.of(DECIDED, "succeeded"), grown.of(DECIDED, "failed")) == (1, 0)
    refused = stand.create(wish(max_attempts=1))
    stand.tell(authorized(refused, object_id="auth_2", status="declined"))
    assert (grown.of(DECIDED, "succeeded"), grown.of(DECIDED, "failed")) == (1, 1)


def test_refunds_are_counted_by_outcome(stand: Stand) -> None:
    grown = gains((REFUNDS, "succeeded"), (REFUNDS, "failed"))
    payment = paid(stand)
    stand.refund(payment.payment_id, 4_000)
    operation = stand.payment(payment.payment_id).latest_operation
    assert operation is not None
    stand.tell(refunded(payment, "succeeded", 1, reference=operation.operation_id))
    assert (grown.of(REFUNDS, "succeeded"), grown.of(REFUNDS, "failed")) == (1, 0)
    stand.tell(refunded(payment, "failed", 2, reference=operation.operation_id))
    assert (grown.of(REFUNDS, "succeeded"), grown.of(REFUNDS, "failed")) == (1, 1)


def test_strays_and_disputes_are_counted(stand: Stand) -> None:
    grown = gains((metric_names.STRAYS, "money"), (metric_names.DISPUTES,))
    payment = paid(stand)
    stand.tell(captured(payment, object_id="cap_2", reference=None, parent_id="auth_9"))
    assert grown.of(metric_names.STRAYS, "money") == 1
    disputed = fact(
        object_type="dispute", object_id="dp_1", status="opened", payment_id=payment.payment_id,
        parent_type="capture", parent_id="cap_1",
    )  # fmt: skip
    stand.tell(disputed)
    assert grown.of(metric_names.DISPUTES) == 1


def test_doubt_is_counted_and_is_a_number_per_processor_and_currency(shop: Shop) -> None:
    grown = gains((metric_names.OPERATIONS_UNCERTAIN, "sale"))
    for currency in ("EUR", "EUR", "USD"):
        shop.answer(shop.create(currency=currency)["id"], "unknown")
    assert grown.of(metric_names.OPERATIONS_UNCERTAIN, "sale") == 3
    engine = shop.parts.common.engine
    assert doubt_reader(engine, _DOUBT[DOUBT_MINOR])() == {("alpha", "EUR"): 20_000, ("alpha", "USD"): 10_000}
    assert doubt_reader(engine, _DOUBT[DOUBT_OPERATIONS])() == {("alpha", "EUR"): 2, ("alpha", "USD"): 1}
    assert all(0 <= age < 600 for age in doubt_reader(engine, _DOUBT[DOUBT_OLDEST_S])().values())


def test_an_authorization_in_doubt_exposes_no_money(shop: Shop) -> None:
    shop.answer(shop.create(capture_method="manual")["id"], "unknown")
    with shop.parts.common.engine.connect() as connection:
        (found,) = read_exposure(connection)
    assert (found.amount_minor, found.operations) == (0, 1)


def test_a_transaction_that_is_rolled_back_counts_nothing(stand: Stand) -> None:
    payment = stand.create(wish())
    grown = gains((DECIDED, "succeeded"))

    def fails(uow: Any) -> None:
        apply_fact(told(authorized(payment)), uow)
        uow.flush()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        stand.run(fails)
    assert grown.of(DECIDED, "succeeded") == 0


def test_the_way_of_a_webhook_to_its_effect_is_timed(stand: Stand) -> None:
    payment = stand.create(wish())
    data = WebhookFactReceivedV1(
        delivery_id=IDS.new("dlv_"), processor="timed", account="acct_alpha", processor_event_id="evt_x",
        fact=contract(authorized(payment, first_operation(payment), processor="timed")),
        received_at=datetime.now(UTC) - timedelta(seconds=30),
    )  # fmt: skip
    heard = event("webhook.events", "WebhookFactReceived", payment.payment_id, data)
    stand.run(lambda uow: on_webhook_fact(heard, uow))
    text = exposition()[1].decode()
    assert 'tieout_webhook_apply_seconds_bucket{le="15.0",source="timed"} 0.0' in text
    assert 'tieout_webhook_apply_seconds_bucket{le="60.0",source="timed"} 1.0' in text
